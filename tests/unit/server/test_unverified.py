"""Whose a token is, before anybody has verified it: what may be ours is never taken for another's."""

import json
from collections.abc import Iterable
from time import perf_counter
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.resource import KEY, NOW, jwk
from upstile.protocol import base64url_encode
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.resource.tokens._unverified import may_be_ours
from upstile.server.resource.tokens._verifier import InvalidToken

URL = "https://api.example.com"
OURS = frozenset({URL, "https://id.example.com/"})
OTHER = "https://notes.example.com"
HEADER: dict[str, Any] = {"typ": "JWT", "alg": "HS256"}
CLAIMS = {"aud": URL, "sub": "ada", "client_id": "cli", "iat": NOW, "exp": NOW + 300, "jti": "j"}


def text(*segments: object) -> str:
    """Segments as a JWT has them: bytes as they are, all else as JSON."""
    raw = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in segments)
    return ".".join(base64url_encode(each) for each in raw)


def signed(claims: object, header: object = HEADER) -> str:
    return text(header, claims, b"signature")


def is_another_s(token: str, *, takes_opaque: bool = False) -> bool:
    return not may_be_ours(token, OURS, takes_opaque=takes_opaque)


@pytest.mark.parametrize(
    "token",
    [
        signed({"iss": URL}),
        signed({"iss": "https://id.example.com/"}),
        signed({"iss": URL}, {"alg": "none"}),
        text({"alg": "none"}, {"iss": URL}) + ".",
        signed({"iss": URL}, b"no header"),
        signed(b'{"i\\u0073s": "https:\\/\\/api.example.com"}'),
        signed({"iss": [OTHER]}),
        signed({"iss": [URL]}),
        signed({"iss": 1}),
        signed({"iss": None}),
        signed({"iss": {"iss": OTHER}}),
        signed(f'{{"iss": "{OTHER}", "iss": "{URL}"}}'.encode()),
        signed(f'{{"iss": "{URL}", "iss": "{OTHER}"}}'.encode()),
        signed(f'{{"iss": "{OTHER}", "i\\u0073s": "{OTHER}"}}'.encode()),
        signed(f'{{"iss": "{OTHER}\\ud800"}}'.encode()),
        signed(f'{{"iss": "{OTHER}", "n": NaN}}'.encode()),
        signed(b"\xff"),
        signed([{"iss": OTHER}]),
        signed(b"[" * 5000),
        text(HEADER, {"iss": OTHER}),
        text(HEADER, {"iss": OTHER}, b"s", b"t"),
        text({"alg": "dir", "enc": "A256GCM"}, b"", b"iv", b"ciphertext", b"tag"),
        text({"alg": "dir", "enc": "A256GCM", "iss": OTHER}, b"", b"iv", b"ciphertext", b"tag"),
        f"{text(HEADER)}.{text({'iss': OTHER})}=.c2ln",
        signed({"iss": OTHER, "long": "x" * 13_000}),
        "x" * 16_385,
    ],
)
@pytest.mark.parametrize("takes_opaque", [False, True])
def test_what_names_us_or_does_not_say_plainly_whom_may_be_ours(token: str, takes_opaque: bool) -> None:
    assert not is_another_s(token, takes_opaque=takes_opaque)


@pytest.mark.parametrize("issuer", [OTHER, "notes", "", f"{URL}/", "https://id.example.com", URL.upper(), f"{URL} "])
def test_a_token_that_names_another_issuer_letter_by_letter_is_not_ours(issuer: str) -> None:
    assert is_another_s(jwt.encode({"iss": issuer, "sub": "ada"}, "k" * 32, "HS256"))
    assert is_another_s(signed({"iss": issuer}), takes_opaque=True)


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "null",
        "a.b",
        "." * 16_384,
        "..",
        "x" * 16_384,
        signed({"sub": "ada", "exp": NOW}),  # as FastAPI's tutorial makes it
        text({"user": "ada"}, b"time", b"signature"),  # as itsdangerous makes it
        text({"user": "ada"}, b"a", b"b", b"c", b"d"),
    ],
)
def test_a_text_that_names_nobody_is_ours_only_where_an_issuer_is_asked_what_it_says(token: str) -> None:
    assert is_another_s(token)
    assert not is_another_s(token, takes_opaque=True)


def test_no_token_takes_long_to_look_at() -> None:
    worst = [
        "." * 16_384,
        text({"alg": "x"}, b"[" * 12_000, b"s"),
        signed(b'{"iss": ' + b'"\\u0061' * 1500),
        "A" * 16_384,
    ]
    for token in worst:
        began = perf_counter()
        for _ in range(100):
            is_another_s(token)
        assert (perf_counter() - began) / 100 < 0.005


_values = st.one_of(st.just(URL), st.just(OTHER), st.integers(), st.none(), st.text(max_size=3), st.just([URL]))
_members = st.lists(st.tuples(st.sampled_from(["iss", "\\u0069ss", "Iss", "x", "acr"]), _values), max_size=4)


def _object(members: Iterable[tuple[str, object]], spaces: str) -> bytes:
    inside = [json.dumps(CLAIMS)[1:-1], *(f'"{name}":{json.dumps(value)}' for name, value in members)]
    return f"{spaces}{{{','.join(inside)}}}{spaces}".encode()


@given(members=_members, spaces=st.sampled_from(["", " \n", "\x0b", "\ufeff"]))
def test_whatever_our_key_has_signed_and_a_guard_would_take_may_be_ours(
    members: list[tuple[str, object]], spaces: str
) -> None:
    token = jwt.PyJWS().encode(
        _object(members, spaces), KEY, "ES256", headers={"typ": "at+jwt", "kid": "k"}, sort_headers=True
    )
    keys = VerificationKeys([jwk(KEY, "k")])
    tokens = SignedTokens(issuer=Issuer(identifier=URL), audience=frozenset({URL}), keys=lambda: keys)
    try:
        tokens.verify(token, NOW)
    except InvalidToken:
        return
    assert not is_another_s(token)
