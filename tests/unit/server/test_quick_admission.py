"""The quick way through a guard: what it admits, the careful way admits; what it remembers, ends."""

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from support.resource import JKT, KEY, NOW, OTHER_KEY, URL, Resource, bearer, jwk, token
from upstile.protocol import Requirement
from upstile.server._http import HttpRequest
from upstile.server.resource.tokens._keys import VerificationKeys

RECENT = Requirement(acr="mfa", max_age=200)
RECENT_OR_LESS = Requirement(acr="mfa", max_age=1000)

_CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "acr": st.sampled_from([None, "pwd", "mfa", "phr"]),
        "auth_time": st.sampled_from([None, NOW - 400, NOW - 5, NOW, NOW + 50, NOW + 100]),
        "exp": st.sampled_from([NOW + 1, NOW + 100, NOW + 300]),
        "nbf": st.sampled_from([NOW - 10, NOW + 100]),
        "scope": st.sampled_from([None, "", "payments", "payments reports"]),
        "single_use": st.booleans(),
        "authorization_details": st.just([{"type": "payment"}]),
        "cnf": st.just({"jkt": JKT}),
        "sid": st.sampled_from([None, "s", "t"]),
        "jti": st.sampled_from(["j", "k"]),
    },
)
_REQUIREMENTS = st.builds(
    Requirement,
    acr=st.sampled_from([(), "mfa", ("phr", "mfa"), "phr"]),
    max_age=st.sampled_from([None, 0, 1, 60, 300, 2**53 - 1]),
    scope=st.just("") | st.sampled_from(["payments", "payments reports"]),
)
_MOMENTS = st.integers(0, 130).map(lambda seconds: NOW + seconds / 2) | st.integers(-200, 400).map(NOW.__add__)
_REVOKED = st.just(set[str]()) | st.sets(st.sampled_from(["j", "k", "s", "t", "ada", "eve"]))
_SPELLINGS = st.just("Bearer ") | st.sampled_from(["bearer ", "Bearer  ", "DPoP ", "Bearer", "Bearer\t", ""])
_mostly = st.sampled_from([True] * 7 + [False])


@st.composite
def _lines(draw: st.DrawFn, text: str) -> list[tuple[bytes, bytes]]:
    line = (b"authorization", f"{draw(_SPELLINGS)}{text}".encode())
    return [line] if draw(_mostly) else draw(st.lists(st.sampled_from([line, (b"host", b"x")]), max_size=3))


@settings(max_examples=300, deadline=None)
@given(
    claims=st.lists(st.just(dict[str, Any]()) | _CLAIMS, min_size=1, max_size=2),
    requirement=_REQUIREMENTS,
    marks=st.booleans(),
    data=st.data(),
)
def test_whatever_is_admitted_quickly_the_careful_way_admits_as_the_same(
    claims: list[dict[str, Any]], requirement: Requirement, marks: bool, data: st.DataObject
) -> None:
    quick, careful = Resource(marks_single_use=marks), Resource(marks_single_use=marks)
    admission = quick.admission(requirement)
    texts = [token(**each) for each in claims]
    for _ in range(data.draw(st.integers(3, 8))):
        now, text = data.draw(_MOMENTS), data.draw(st.sampled_from(texts))
        quick.revoked.names = careful.revoked.names = data.draw(_REVOKED)
        quick.revoked.usable = careful.revoked.usable = data.draw(_mostly)
        if not data.draw(_mostly):
            quick.keys = careful.keys = VerificationKeys([jwk(data.draw(st.sampled_from([KEY, OTHER_KEY])), "k")])
        request = HttpRequest(method="GET", path="/x", headers=data.draw(_lines(text)))
        admitted = admission.admit(request.headers, now)
        judged = careful.carefully(request, requirement, now)
        event(f"admitted: {admitted is not None}")
        assert admitted is None or admitted == judged
        quick.carefully(request, requirement, now)  # so that it knows the token the next time


_SCOPE_SETS = [frozenset[str](), {"payments"}, {"admin"}, {"payments", "admin"}, {"payments", "admin", "audit"}]


@settings(max_examples=200, deadline=None)
@given(
    held=st.lists(st.sampled_from(["", "payments", "admin payments", "audit admin payments"]), min_size=1, max_size=3),
    calls=st.lists(st.tuples(st.sampled_from(_SCOPE_SETS), st.integers(0, 2), st.booleans()), min_size=3, max_size=12),
)
def test_what_was_remembered_for_one_set_of_scopes_is_nothing_to_another(
    held: list[str], calls: list[tuple[set[str], int, bool]]
) -> None:
    """The quick way only ever admits what the careful way admits, whatever sets of scopes one guard is asked with."""
    quick, careful = Resource(), Resource()
    kept: list[Any] = []  # as an application keeps its guards
    for named, which, in_order in calls:
        scopes = held[which % len(held)]
        requirement = Requirement(acr="mfa", scope=sorted(named, reverse=in_order))
        kept.append(quick.admission(requirement))
        request = bearer(token(scope=scopes))
        admitted = kept[-1].admit(request.headers, NOW)
        judged = careful.carefully(request, requirement, NOW)
        event(f"admitted: {admitted is not None}")
        assert (judged is not None) is named.issubset(scopes.split())
        assert admitted is None or admitted == judged
        quick.carefully(request, requirement, NOW)


def _remembering(requirement: Requirement = RECENT, **claims: Any) -> tuple[Resource, Any, list[tuple[bytes, bytes]]]:
    """A server whose quick way has admitted a token: it, the question to it, and the call."""
    resource = Resource()
    request = bearer(token(**claims))
    admission = resource.admission(requirement)
    assert admission.admit(request.headers, NOW) is None  # nothing is known yet
    assert resource.carefully(request, requirement, NOW) is not None
    assert admission.admit(request.headers, NOW) is not None
    assert len(admission._verdicts) == 1
    return resource, admission, list(request.headers)


def test_a_verdict_is_remembered_and_evaluated_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    _, admission, headers = _remembering()
    monkeypatch.setattr("upstile.server.resource._admission.evaluate", None)
    admitted = admission.admit(headers, NOW + 1)
    assert (admitted.subject, admitted.jti) == ("ada", "j")


def test_a_remembered_verdict_ends_with_the_token() -> None:
    _, admission, headers = _remembering(RECENT_OR_LESS)
    assert admission.admit(headers, NOW + 299.9) is not None
    assert admission.admit(headers, NOW + 300) is None


def test_a_remembered_verdict_ends_when_the_authentication_is_too_old() -> None:
    _, admission, headers = _remembering(RECENT)
    assert admission.admit(headers, NOW + 200) is not None
    assert admission.admit(headers, NOW + 200.1) is None


def test_a_remembered_verdict_ends_with_any_change_of_the_keys() -> None:
    resource, admission, headers = _remembering()
    resource.keys = VerificationKeys([jwk(OTHER_KEY, "k")])
    assert admission.admit(headers, NOW) is None
    resource.keys = VerificationKeys([jwk(KEY, "k"), jwk(OTHER_KEY, "l")])
    assert admission.admit(headers, NOW) is None  # it may well be good: that is for the guard to find out anew
    assert resource.carefully(bearer(token()), RECENT, NOW) is not None
    assert admission.admit(headers, NOW) is not None


def test_a_remembered_verdict_holds_for_no_clock_before_its_own() -> None:
    _, admission, headers = _remembering(auth_time=NOW + 60)
    assert admission.admit(headers, NOW) is not None
    assert admission.admit(headers, NOW - 1) is None  # from there the authentication lies too far ahead


@pytest.mark.parametrize("name", ["j", "s", "ada"], ids=["token", "base login", "user"])
def test_a_remembered_verdict_ends_with_the_revocation_of_its(name: str) -> None:
    resource, admission, headers = _remembering()
    resource.revoked.names = {"others", f"{name}2"}
    assert admission.admit(headers, NOW) is not None
    resource.revoked.names = {name}
    assert admission.admit(headers, NOW) is None


def test_a_remembered_verdict_waits_for_a_list_of_revocations_that_can_be_relied_on() -> None:
    resource, admission, headers = _remembering()
    resource.revoked.usable = False
    assert admission.admit(headers, NOW) is None
    resource.revoked.usable = True
    assert admission.admit(headers, NOW) is not None


@pytest.mark.parametrize(
    ("requirement", "claims", "marks"),
    [
        (Requirement(max_age=0), {"single_use": True}, True),
        (Requirement(max_age=0), {}, False),
        (Requirement(), {"single_use": True}, True),
        (Requirement(), {"cnf": {"jkt": JKT}}, True),
    ],
    ids=["single use", "max_age=0", "single use where it does not serve", "bound"],
)
def test_nothing_is_remembered_that_serves_once_or_needs_a_proof(
    requirement: Requirement, claims: dict[str, Any], marks: bool
) -> None:
    resource = Resource(marks_single_use=marks)
    request = bearer(token(**claims))
    admission = resource.admission(requirement)
    resource.carefully(request, requirement, NOW)
    for _ in range(2):
        assert admission.admit(request.headers, NOW) is None
    assert not admission._verdicts


def test_a_call_that_has_to_be_told_of_is_left_to_the_guard() -> None:
    resource, request = Resource(), bearer(token())
    admission = resource.admission(RECENT)
    resource.guard.authenticate(request, NOW)  # so that the token is known
    resource.untold.add("j")
    assert admission.admit(request.headers, NOW) is None
    resource.untold.clear()
    assert admission.admit(request.headers, NOW) is not None


def test_two_authorization_lines_or_none_are_left_to_the_guard() -> None:
    _, admission, (line,) = _remembering()
    assert admission.admit([], NOW) is None
    for lines in ([line, line], [line, (b"authorization", b"")], [(b"authorization", b"Basic eA=="), line]):
        assert admission.admit(lines, NOW) is None


def test_those_who_ask_the_same_share_what_is_remembered_and_it_goes_with_them() -> None:
    resource = Resource()
    first = resource.admission(RECENT)
    assert resource.admission(Requirement(acr="mfa", max_age=200, reason="Confirm")) is first
    assert resource.admission(RECENT_OR_LESS) is not first
    del first
    assert len(resource.guard._admissions) == 0


def test_what_is_remembered_is_bounded_and_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upstile.server.resource._admission._REMEMBERED", 3)
    resource = Resource()
    admission = resource.admission(RECENT)
    for number in range(8):
        request = bearer(token(jti=f"j{number}"))
        resource.guard.authenticate(request, NOW)
        assert admission.admit(request.headers, NOW) is not None
        assert 0 < len(admission._verdicts) <= 3
        assert token(jti=f"j{number}").split(".")[1] not in repr(admission._verdicts)


def test_before_anything_was_verified_nothing_is_asked_of_the_keys() -> None:
    resource = Resource()
    del resource.keys
    assert resource.admission(RECENT).admit(bearer(token()).headers, NOW) is None
    assert URL
