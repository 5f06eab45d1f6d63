"""The usual form of a DPoP proof: what is read quickly, the strict parser reads as the same."""

import json
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from upstile.protocol import InvalidProof, MalformedMessage
from upstile.protocol.proof._dpop import _strict, _usual

URL = "https://api.example.com/x"
PLAIN: dict[str, Any] = {"jti": "a-jti", "htm": "GET", "htu": URL, "iat": 1_800_000_000, "ath": "hash"}
_TEXTS = st.sampled_from(
    ["GET", URL, "hash", "a-jti", "", '":', ":", "a:b", ",", "}", "é", "\x7f", "\U0001f511", "https:", "?", "#"]
)
_VALUES = st.recursive(
    _TEXTS | st.sampled_from([None, True, 0, 1, -1, 1.5, 1_800_000_000, 10**30]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)
_NAMES = st.sampled_from(["nonce", "x", "y"]) | st.sampled_from([*PLAIN, "x", ":", '":'])
_MEMBERS = st.lists(st.tuples(_NAMES, st.sampled_from(["a", 1, None, [], ["a", "b"]]) | _VALUES), max_size=3)
_LAYOUTS = st.just((",", ":")) | st.sampled_from([(", ", ": "), (",", " :"), (",", ":\t"), (",\n", ":"), (",\r", ":")])


def _written(members: list[tuple[str, Any]], layout: tuple[str, str], ascii_only: bool) -> bytes:
    """An object in which a name may stand twice."""
    pairs = (
        json.dumps(name, ensure_ascii=ascii_only)
        + layout[1]
        + json.dumps(value, separators=layout, ensure_ascii=ascii_only)
        for name, value in members
    )
    return ("{" + layout[0].join(pairs) + "}").encode()


def _agree(claims: bytes, htm: str = "GET", htu: str = URL, ath: str | None = "hash") -> bool:
    quick = _usual(claims, htm, htu, ath)
    if quick is not None:
        strict = _strict(claims, htm, htu, ath, None)
        assert (repr(strict), strict) == (repr(quick), quick)
    return quick is not None


@settings(max_examples=1000, deadline=None)
@given(
    odd=_MEMBERS, layout=_LAYOUTS, first=st.booleans(), ascii_only=st.booleans(), ath=st.sampled_from(["hash", None])
)
@example(odd=[], layout=(",", ":"), first=False, ascii_only=True, ath="hash")
@example(odd=[("jti", "a-jti")], layout=(",", ":"), first=False, ascii_only=True, ath="hash")
@example(odd=[("jti", "b")], layout=(",", " :"), first=True, ascii_only=True, ath="hash")
@example(odd=[("x", {"y": 1, "z": 2})], layout=(",", ":"), first=True, ascii_only=True, ath="hash")
def test_what_is_read_quickly_the_strict_parser_reads_as_the_same(
    odd: list[tuple[str, Any]], layout: tuple[str, str], first: bool, ascii_only: bool, ath: str | None
) -> None:
    plain = list(PLAIN.items())
    event(f"quick: {_agree(_written([*odd, *plain] if first else [*plain, *odd], layout, ascii_only), ath=ath)}")


@settings(max_examples=1000)
@given(data=st.data())
def test_the_same_of_a_proof_with_some_bytes_changed(data: st.DataObject) -> None:
    claims = bytearray(_written(list(PLAIN.items()), (",", ":"), True))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(claims) - 1))
        claims[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b'"', b":", b",", b'":', b"{", b"}", b"\x00", b"\x1f", b"\xff", b"1", b"a", b"\\", b""])
        )
    _agree(bytes(claims))


@pytest.mark.parametrize(
    "claims",
    [
        b'{"jti":"a","jti":"b","htm":"GET","htu":"%b","iat":1,"ath":"hash"}',
        b'{"jti":"a","htm":"POST","htm":"GET","htu":"%b","iat":1,"ath":"hash"}',
        b'{"jti":"a","\\u006ati":"b","htm":"GET","htu":"%b","iat":1,"ath":"hash"}',
        b'{"jti" :"a","jti":"b","htm":"GET","htu":"%b","iat":1,"ath":"hash"}',
        b'{"x":{"jti":"a","jti":"b"},"jti":"c","htm":"GET","htu":"%b","iat":1,"ath":"hash"}',
        b'{"x":":,","x":1,"jti":"c","htm":"GET","htu":"%b","iat":1,"ath":"hash"}',
        b'{"x":"\x01","jti":"c","htm":"GET","htu":"%b","iat":1,"ath":"hash"}',
        b'{"x":NaN,"jti":"c","htm":"GET","htu":"%b","iat":1,"ath":"hash"}',
    ],
)
def test_a_name_that_stands_twice_or_what_is_no_json_is_never_read_quickly(claims: bytes) -> None:
    filled = claims.replace(b"%b", URL.encode())
    assert _usual(filled, "GET", URL, "hash") is None
    with pytest.raises((MalformedMessage, InvalidProof)):
        _strict(filled, "GET", URL, "hash", None)


@pytest.mark.parametrize(
    ("changed", "htu"),
    [
        ({"htm": "POST"}, URL),
        ({"htu": URL + "y"}, URL),
        ({"ath": "other"}, URL),
        ({"ath": None}, URL),
        ({"htu": URL + "?q"}, URL + "?q"),
    ],
)
def test_a_proof_for_another_request_is_never_read_quickly(changed: dict[str, Any], htu: str) -> None:
    assert _usual(_written(list(PLAIN.items()), (",", ":"), True), "GET", URL, "hash") == (1_800_000_000, "a-jti")
    assert _usual(_written(list({**PLAIN, **changed}.items()), (",", ":"), True), "GET", htu, "hash") is None
