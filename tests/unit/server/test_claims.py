"""Claims are read by one schema; it takes nothing that reading member by member would refuse, or read otherwise."""

import json
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from upstile.server import AccessToken
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._claims import ClaimsReader, _parsed
from upstile.server.resource.tokens._profile import TokenProfile
from upstile.server.resource.tokens._verifier import InvalidToken

NOW = 1_800_000_000
URL = "https://api.example.com"
PLAIN: dict[str, Any] = {
    "iss": URL,
    "aud": URL,
    "sub": "ada",
    "client_id": "cli",
    "iat": NOW,
    "exp": NOW + 300,
    "jti": "j",
}
_ODD = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        1.0,
        1.5,
        NOW,
        NOW + 0.5,
        2**53 - 1,
        2**53,
        2**80,
        "",
        "mfa",
        "ada",
        URL,
        "1800000000",
        "ü",
        float("nan"),
        float("inf"),
        float("-inf"),
    ]
) | st.sampled_from(
    [[], {}, [URL], [URL, "x"], ["x"], [1], [None], {"jkt": "t"}, {"jkt": 1}, {"jkt": "t", "x": 1}, [{"type": "a"}]]
)
_NAMES = [
    *PLAIN,
    "scope",
    "acr",
    "amr",
    "auth_time",
    "nbf",
    "sid",
    "cnf",
    "single_use",
    "authorization_details",
    "other",
]
_MEMBERS = st.lists(st.tuples(st.sampled_from(_NAMES), _ODD), max_size=3)


def _json(members: list[tuple[str, Any]]) -> bytes:
    """An object in which a name may stand twice."""
    return b"{%s}" % ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in members).encode()


@settings(max_examples=1000, deadline=None)
@given(odd=_MEMBERS, left_out=st.sets(st.sampled_from(_NAMES), max_size=1), marks=st.booleans(), first=st.booleans())
@example(odd=[], left_out=set(), marks=True, first=False)
@example(odd=[("acr", "pwd"), ("acr", "mfa")], left_out=set(), marks=True, first=False)
@example(odd=[("single_use", False), ("single_use", None)], left_out=set(), marks=True, first=False)
def test_what_the_schema_takes_is_what_the_careful_reading_says(
    odd: list[tuple[str, Any]], left_out: set[str], marks: bool, first: bool
) -> None:
    claims = ClaimsReader(Issuer(identifier=URL, marks_single_use=marks), frozenset({URL}), leeway=0)
    plain = [(name, value) for name, value in PLAIN.items() if name not in left_out]
    payload = _json([*odd, *plain] if first else [*plain, *odd])
    usual = claims._usual(payload, NOW, b"digest")
    event(f"taken: {usual is not None}")
    if usual is not None:
        assert _exact(usual) == _exact(claims.read_members(_parsed(payload), NOW, b"digest"))


@settings(max_examples=300)
@given(payload=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_whatever_bytes_they_are_they_are_refused_and_never_a_crash(payload: bytes) -> None:
    claims = ClaimsReader(Issuer(identifier=URL), frozenset({URL}))
    try:
        claims.read(payload, NOW, b"digest")
    except InvalidToken:
        return
    raise AssertionError("nothing of 40 bytes is a token")


def test_the_schema_takes_what_issuers_send() -> None:
    claims = ClaimsReader(Issuer(identifier=URL, marks_single_use=True), frozenset({URL}), leeway=0)
    groups = {"groups": ["a", "b"], "roles": {"admin": True}, "scope": "b a", "amr": ["pwd", "otp"], "auth_time": NOW}
    more = {"acr": "mfa", "sid": "s", "cnf": {"jkt": "t"}, "single_use": True}
    read = claims._usual(json.dumps({**PLAIN, **groups, **more}).encode(), NOW, b"digest")
    assert read == AccessToken(
        issuer=URL,
        subject="ada",
        client_id="cli",
        audience=(URL,),
        scope=frozenset("ab"),
        acr=frozenset({"mfa"}),
        amr=("pwd", "otp"),
        auth_time=NOW,
        issued_at=NOW,
        expires_at=NOW + 300,
        jti="j",
        sid="s",
        jkt="t",
        single_use=True,
        authorization_details=(),
    )


@pytest.mark.requirement("rfc7519-2-numericdate")
@pytest.mark.parametrize("name", ["iat", "exp", "auth_time"])
def test_a_time_is_read_with_its_fraction(name: str) -> None:
    claims = ClaimsReader(Issuer(identifier=URL), frozenset({URL}))
    field = {"iat": "issued_at", "exp": "expires_at"}.get(name, name)
    for time in (NOW + 0.5, NOW, 1.5e9):
        assert getattr(claims.read(json.dumps({**PLAIN, name: time}).encode(), NOW, b"digest"), field) == time
    odd: list[Any] = ["1800000000", True, False, [NOW], -1, -0.5, 2**53, 1e300, float("inf"), float("nan")]
    for value in odd:
        with pytest.raises(InvalidToken, match=f"the claim {name} is missing or not a time"):
            claims.read(json.dumps({**PLAIN, name: value}).encode(), NOW, b"digest")


def test_not_before_is_meant_to_the_fraction() -> None:
    claims, payload = ClaimsReader(Issuer(identifier=URL), frozenset({URL})), {**PLAIN, "nbf": NOW + 0.5}
    assert claims.read(json.dumps(payload).encode(), NOW + 0.5, b"digest")
    with pytest.raises(InvalidToken, match="not good yet"):
        claims.read(json.dumps(payload).encode(), NOW + 0.4, b"digest")


def test_details_that_are_handed_on_are_json() -> None:
    claims = ClaimsReader(Issuer(identifier=URL), frozenset({URL}))
    details = [{"type": "payment", "amount": "5.00"}]
    sound = json.dumps({**PLAIN, "authorization_details": details}).encode()
    assert claims.read(sound, NOW, b"digest").authorization_details == (details[0],)
    for name in ("authorization_details", "authorization\\u005fdetails"):
        payload = json.dumps({**PLAIN, "authorization_details": [float("nan")]}).replace("authorization_details", name)
        with pytest.raises(InvalidToken, match="malformed"):
            claims.read(payload.encode(), NOW, b"digest")


def _exact(token: AccessToken) -> list[tuple[type, Any]]:
    """A token such that 1, 1.0 and True differ."""
    return [(type(value), repr(value) if not isinstance(value, frozenset) else value) for value in token]


@pytest.mark.parametrize("auth_time", [1000, "x", True, [1]])
def test_a_profile_that_knows_no_time_of_authentication_reads_none(auth_time: object) -> None:
    """By both ways of reading: a claim of the usual name may mean something else there."""
    profile = TokenProfile(types={None}, is_access_token=lambda claims: claims.get("use") == "access", auth_time=None)
    reader = ClaimsReader(Issuer(identifier=URL), frozenset({URL}), 0, profile)
    claims = {**PLAIN, "use": "access", "auth_time": auth_time}
    assert reader.read(json.dumps(claims).encode(), 1000.0, b"digest").auth_time is None
    assert reader.read_members(claims, 1000.0, b"digest").auth_time is None


@pytest.mark.parametrize("value", ["1800000000", True, None, -1, [NOW]])
def test_a_time_of_a_reset_that_is_none_makes_the_token_unacceptable(value: Any) -> None:
    payload = json.dumps({**PLAIN, "settled_at": value}).encode()
    claims = ClaimsReader(Issuer(identifier=URL, tells_resets=True), frozenset({URL}))
    with pytest.raises(InvalidToken, match="the claim settled_at is missing or not a time"):
        claims.read(payload, NOW, b"digest")
    assert ClaimsReader(Issuer(identifier=URL), frozenset({URL})).read(payload, NOW, b"digest").settled_at is None


def test_the_time_of_a_reset_is_read_of_who_tells_it() -> None:
    payload = json.dumps({**PLAIN, "settled_at": NOW + 5}).encode()
    for tells, read in ((True, NOW + 5), (False, None)):
        claims = ClaimsReader(Issuer(identifier=URL, tells_resets=tells), frozenset({URL}))
        usual = claims._usual(payload, NOW, b"digest")
        assert usual is not None
        assert usual.settled_at == read
        assert claims.read_members(_parsed(payload), NOW, b"digest").settled_at == read
