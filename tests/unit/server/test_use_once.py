"""What serves once: proofs and tokens are used up last, together, and by the first guard that a call passes."""

from typing import Any

import pytest

from support.resource import BOUND, NOW, Resource, bearer, bound_call, finished, token
from upstile.protocol import Requirement
from upstile.server import Rejection
from upstile.server._http import HttpRequest
from upstile.server.resource._replay import MEMORY
from upstile.server.storage._records import OneTimeKey

ANY = Requirement()
RECENT = Requirement(acr="mfa", max_age=200)
ONCE = Requirement(max_age=0)
CHANGES, READS = ("POST", "PUT", "PATCH", "DELETE", "QUERY"), ("GET", "HEAD", "OPTIONS", "TRACE")


def refused(resource: Resource, request: HttpRequest, requirement: Requirement, now: float = NOW) -> str | None:
    """The code of the refusal of a call, or `None` where it may go on."""
    try:
        finished(resource.guard.require(resource.guard.authenticate(request, now), requirement, now))
    except Rejection as rejection:
        return rejection.code
    return None


def kinds(keys: list[OneTimeKey]) -> list[str]:
    return [key.partition(":")[0] for key in keys]


@pytest.mark.requirement("rfc9449-11.1-replay")
@pytest.mark.parametrize("method", CHANGES)
def test_a_proof_of_a_call_that_changes_something_is_good_once_in_the_whole_deployment(method: str) -> None:
    one, another = Resource(), Resource()
    another.guard._store = one.store
    call = bound_call(token(**BOUND), method=method)
    assert refused(one, call, RECENT) is None
    assert [kinds(keys) for keys in one.store.asked] == [["proof"]]
    for node in (one, another):
        assert refused(node, call, RECENT) == "invalid_dpop_proof"
    assert refused(another, bound_call(token(**BOUND), method=method, jti="q"), RECENT) is None


@pytest.mark.parametrize("method", READS)
def test_a_proof_of_a_call_that_reads_is_noted_by_its_node_and_asks_no_store(method: str) -> None:
    resource = Resource()
    call = bound_call(token(**BOUND), method=method)
    assert refused(resource, call, RECENT) is None
    assert refused(resource, call, RECENT) == "invalid_dpop_proof"
    assert not resource.store.asked


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("replay", "asked"), [("node", 0), ("shared", 2)])
def test_where_proofs_are_remembered_can_be_set(replay: Any, asked: int, method: str) -> None:
    resource = Resource(replay=replay)
    call = bound_call(token(**BOUND), method=method)
    assert [refused(resource, call, RECENT) for _ in range(2)] == [None, "invalid_dpop_proof"]
    assert len(resource.store.asked) == asked


def test_a_proof_stays_used_as_long_as_it_could_be_sent_again() -> None:
    resource = Resource()
    call = bound_call(token(**BOUND), method="POST", now=NOW + 60)
    assert refused(resource, call, RECENT, NOW) is None
    for later in (NOW + 60, NOW + 120):
        assert refused(resource, call, RECENT, later) == "invalid_dpop_proof"
    (record,) = resource.store.records.values()
    assert record.expires_at == NOW + MEMORY
    assert record.used


def test_a_call_that_is_refused_for_another_reason_uses_up_nothing() -> None:
    resource = Resource()
    weak = bound_call(token(**BOUND, acr="pwd"), method="POST")
    foreign = bound_call(token(cnf={"jkt": "another"}), method="POST")
    assert refused(resource, weak, RECENT) == "insufficient_user_authentication"
    assert refused(resource, foreign, RECENT) == "invalid_token"
    resource.revoked.names = {"ada"}
    assert refused(resource, bound_call(token(**BOUND), method="POST"), RECENT) == "invalid_token"
    assert not resource.store.asked


def test_a_proof_and_a_token_that_serves_once_are_used_up_in_one_call() -> None:
    resource = Resource()
    text = token(**BOUND, single_use=True)
    call = bound_call(text, method="POST")
    assert refused(resource, call, ONCE) is None
    assert [kinds(keys) for keys in resource.store.asked] == [["proof", "used"]]
    assert {record.expires_at for record in resource.store.records.values()} == {NOW + 301}
    assert refused(resource, call, ONCE) == "invalid_dpop_proof"
    assert refused(resource, bound_call(text, method="POST", jti="q"), ONCE) == "token-used"
    assert len(resource.store.records) == 2


def test_a_token_that_was_used_does_not_use_up_the_proof_that_came_with_it() -> None:
    resource = Resource()
    text = token(**BOUND, single_use=True)
    assert refused(resource, bound_call(text, method="POST"), ONCE) is None
    before = set(resource.store.records)
    assert refused(resource, bound_call(text, method="POST", jti="q"), ONCE) == "token-used"
    assert set(resource.store.records) == before


def test_several_guards_of_one_call_use_up_proof_and_token_once() -> None:
    resource = Resource()
    call = resource.guard.authenticate(bound_call(token(**BOUND, single_use=True), method="POST"), NOW)
    call.asks_once = lambda: True
    for requirement in (RECENT, ONCE, ONCE, ANY):
        finished(resource.guard.require(call, requirement, NOW))
    assert [kinds(keys) for keys in resource.store.asked] == [["proof", "used"]]


def test_a_guard_that_asks_for_this_call_after_one_that_does_not_uses_up_what_is_left() -> None:
    resource = Resource(marks_single_use=False)
    call = resource.guard.authenticate(bound_call(token(**BOUND), method="POST"), NOW)
    for requirement in (RECENT, ONCE, ONCE):
        finished(resource.guard.require(call, requirement, NOW))
    assert [kinds(keys) for keys in resource.store.asked] == [["proof"], ["used", "authentication"]]


@pytest.mark.parametrize(
    ("another", "serves"),
    [
        ({"jti": "refreshed"}, False),
        ({"jti": "refreshed", "auth_time": NOW + 0.0}, False),
        ({"jti": "refreshed", "sid": "another login"}, True),
        ({"jti": "refreshed", "auth_time": NOW + 1}, True),
        ({"jti": "refreshed", "sub": "eve"}, True),
        ({"auth_time": NOW + 1}, False),
    ],
    ids=["refreshed", "time with a fraction", "another sid", "authenticated again", "another user", "the same token"],
)
def test_another_issuers_authentication_serves_one_call_whatever_tokens_it_has(
    another: dict[str, Any], serves: bool
) -> None:
    resource = Resource(marks_single_use=False)
    assert refused(resource, bearer(token()), ONCE) is None
    assert refused(resource, bearer(token(**another)), ONCE) == (None if serves else "token-used")


def test_another_issuers_authentication_is_remembered_for_as_long_as_it_counts() -> None:
    resource = Resource(marks_single_use=False)
    assert refused(resource, bearer(token(auth_time=NOW + 60, exp=NOW + 5000)), ONCE) is None
    refreshed = bearer(token(auth_time=NOW + 60, exp=NOW + 5000, jti="refreshed"))
    assert refused(resource, refreshed, ONCE, NOW + 120) == "token-used"
    assert refused(resource, refreshed, ONCE, NOW + 121) == "insufficient_user_authentication"


@pytest.mark.parametrize("text", [token(**BOUND), token(single_use=True)], ids=["a proof", "a token"])
def test_what_cannot_be_used_up_is_503_and_may_be_sent_again(text: str) -> None:
    resource = Resource()
    bound = text == token(**BOUND)
    call, requirement = (bound_call(text, method="POST"), RECENT) if bound else (bearer(text), ONCE)
    resource.store.away = True
    assert refused(resource, call, requirement) == "temporarily-unavailable"
    resource.store.away = False
    assert refused(resource, call, requirement) is None


def test_while_the_revocations_are_unknown_every_guarded_call_is_503() -> None:
    resource = Resource()
    resource.revoked.usable = False
    for call in (bearer(token()), bound_call(token(**BOUND)), bound_call(token(**BOUND), method="POST")):
        assert refused(resource, call, RECENT) == "temporarily-unavailable"
    assert refused(resource, bearer(token() + "x"), RECENT) == "invalid_token"


def test_a_node_that_can_note_no_more_proofs_says_503() -> None:
    resource = Resource(bound=1)
    replies = [refused(resource, bound_call(token(**BOUND), jti=jti), RECENT) for jti in "aba"]
    assert replies == [None, "temporarily-unavailable", "invalid_dpop_proof"]


def test_a_bearer_token_for_one_call_is_used_up_by_it() -> None:
    resource = Resource()
    call = bearer(token(single_use=True))
    assert [refused(resource, call, ONCE) for _ in range(2)] == [None, "token-used"]
    assert [kinds(keys) for keys in resource.store.asked] == [["used"], ["used"]]
