"""The quick way for a token that is bound to a key: with or without it, a guard says the same."""

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from support.resource import BOUND, CLIENT, JKT, NOW, OTHER_KEY, Resource, bound_call, token
from upstile.protocol import Requirement
from upstile.server import AccessToken
from upstile.server._http import HttpRequest
from upstile.server.resource._admission import Admission

RECENT = Requirement(acr="mfa", max_age=200)
_CLAIMS = st.just(BOUND) | st.fixed_dictionaries(
    {},
    optional={
        "cnf": st.just({"jkt": JKT}) | st.just({"jkt": "another"}),
        "acr": st.sampled_from(["pwd", "mfa"]),
        "auth_time": st.sampled_from([NOW - 400, NOW, NOW + 100]),
        "single_use": st.booleans(),
    },
)
_CALLS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "HEAD", "OPTIONS", "TRACE", "POST", "get"]),
        "jti": st.sampled_from(["a", "b", "c", "d", "e"]),
        "key": st.sampled_from([CLIENT, CLIENT, CLIENT, OTHER_KEY]),
        "now": st.sampled_from([NOW, NOW, NOW + 50, NOW - 90]),
    }
)
_CHANGES = st.sampled_from(["none"] * 6 + ["twice", "no proof", "bearer", "lower case", "path", "spoilt"])


def _changed(request: HttpRequest, change: str) -> HttpRequest:
    (authorization, credentials), (_, proof) = request.headers
    headers = {
        "twice": [*request.headers, (b"dpop", proof)],
        "no proof": [(authorization, credentials)],
        "bearer": [(authorization, credentials.replace(b"DPoP", b"Bearer")), (b"dpop", proof)],
        "lower case": [(authorization, credentials.replace(b"DPoP", b"dpop")), (b"dpop", proof)],
        "spoilt": [(authorization, credentials), (b"dpop", proof[:-2] + b"\xff")],
    }.get(change, request.headers)
    return HttpRequest(method=request.method, path="/y" if change == "path" else "/x", headers=headers)


@settings(max_examples=200, deadline=None)
@given(
    claims=st.lists(_CLAIMS, min_size=1, max_size=2),
    requirement=st.builds(Requirement, acr=st.just("mfa"), max_age=st.sampled_from([None, 0, 300])),
    replay=st.sampled_from([None, "node", "shared"]),
    data=st.data(),
)
def test_a_guard_with_the_quick_way_says_what_one_without_it_says(
    claims: list[dict[str, Any]], requirement: Requirement, replay: Any, data: st.DataObject
) -> None:
    with_it, without = Resource(replay=replay, bound=4), Resource(replay=replay, bound=4)
    admission = with_it.admission(requirement)
    texts = [token(**each) for each in claims]
    for _ in range(data.draw(st.integers(2, 8))):
        text, now = data.draw(st.sampled_from(texts)), NOW + data.draw(st.integers(0, 70))
        with_it.revoked.names = without.revoked.names = data.draw(st.sampled_from([set[str](), set[str](), {"s"}]))
        request = _changed(bound_call(text, **data.draw(_CALLS)), data.draw(_CHANGES))
        quick = admission.admit_bound(request, now)
        event(f"admitted: {quick is not None}")
        said = quick or with_it.carefully(request, requirement, now)
        assert said == without.carefully(request, requirement, now)
        assert with_it.store.records.keys() == without.store.records.keys()


def _seen(**options: Any) -> tuple[Resource, Admission, str]:
    resource, text = Resource(**options), token(**BOUND)
    assert resource.carefully(bound_call(text, jti="first"), RECENT, NOW)
    return resource, resource.admission(RECENT), text


def test_a_bound_call_that_has_to_be_told_of_is_left_to_the_guard_and_its_proof_is_unused() -> None:
    resource, admission, text = _seen()
    resource.untold.add("j")
    assert admission.admit_bound(bound_call(text), NOW) is None
    assert resource.carefully(bound_call(text), RECENT, NOW) is not None


def test_a_bound_token_with_a_fresh_proof_is_admitted_quickly_and_its_proof_is_good_once() -> None:
    resource, admission, text = _seen()
    call = bound_call(text)
    admitted = admission.admit_bound(call, NOW)
    assert isinstance(admitted, AccessToken)
    assert admission.admit_bound(call, NOW) is None
    assert resource.carefully(call, RECENT, NOW) is None
    assert not resource.store.asked


@pytest.mark.parametrize(
    ("replay", "method", "quickly"),
    [
        (None, "GET", True),
        (None, "POST", False),
        ("node", "GET", True),
        ("node", "POST", True),
        ("shared", "GET", False),
        ("shared", "POST", False),
    ],
)
def test_only_proofs_that_this_node_notes_are_admitted_quickly(replay: Any, method: str, quickly: bool) -> None:
    _, admission, text = _seen(replay=replay)
    assert (admission.admit_bound(bound_call(text, method=method), NOW) is not None) is quickly


def test_a_node_that_can_note_no_more_proofs_leaves_the_call_to_the_guard() -> None:
    _, admission, text = _seen(bound=1)
    assert admission.admit_bound(bound_call(text), NOW) is None


def test_a_revoked_token_is_not_admitted_with_any_proof() -> None:
    resource, admission, text = _seen()
    resource.revoked.names = {"ada"}
    assert admission.admit_bound(bound_call(text), NOW) is None
    resource.revoked.names = set()
    resource.revoked.usable = False
    assert admission.admit_bound(bound_call(text), NOW) is None
    resource.revoked.usable = True
    assert admission.admit_bound(bound_call(text), NOW) is not None
