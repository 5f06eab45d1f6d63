"""What a request may bring: each member is bounded by itself, and escapes cost no more than letters."""

from collections.abc import Callable
from contextlib import suppress
from statistics import median
from time import perf_counter
from typing import Any

import pytest

from upstile.protocol import (
    ACCESS_TOKEN_TYPE,
    AnswerRequest,
    EnrollRequest,
    MalformedMessage,
    Message,
    RenameRequest,
    StartRequest,
    TokenRequest,
    VerifyRequest,
    code_challenge,
    json_compact,
    json_object,
    parse_form,
    serialize_form,
)

START = {
    "response_type": "code",
    "client_id": "cli",
    "code_challenge": code_challenge("v" * 43),
    "code_challenge_method": "S256",
    "resource": "https://api.example",
    "subject_token": "t",
    "subject_token_type": ACCESS_TOKEN_TYPE,
}
ANSWER = {"client_id": "cli", "auth_session": "s", "authn_method": "totp"}
TOKEN = {"grant_type": "authorization_code", "code": "c", "code_verifier": "v" * 43, "client_id": "cli"}
REQUESTS: tuple[tuple[type[Message], dict[str, str]], ...] = (
    (StartRequest, START),
    (AnswerRequest, ANSWER),
    (TokenRequest, TOKEN),
    (EnrollRequest, {"method": "totp", "name": "phone"}),
    (VerifyRequest, {}),
    (RenameRequest, {"name": "phone"}),
)
IGNORED_IF_MALFORMED = {"instance"}
MEMBERS = [
    (model, least, name) for model, least in REQUESTS for name in model.model_fields if name not in IGNORED_IF_MALFORMED
]
BODY = 65_000


@pytest.mark.parametrize(("model", "least", "name"), MEMBERS, ids=lambda value: getattr(value, "__name__", None))
def test_each_member_has_a_length_of_its_own_and_the_refusal_names_it(
    model: type[Message], least: dict[str, str], name: str
) -> None:
    long: Any = "s3cret" * 6000
    value = {"response": long} if name == "registration_response" else long
    with pytest.raises(MalformedMessage) as caught:
        model.from_members({**least, name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert "s3cret" not in str(caught.value)


def test_what_honest_apps_send_fits() -> None:
    long_resource, groups = "https://api.example/" + "v" * 1000, "t" * 20_000
    start = {**START, "resource": long_resource, "subject_token": groups, "scope": " ".join(["payments"] * 100)}
    assert StartRequest.from_members(start).subject_token == groups
    assertion = json_compact({"response": {"authenticatorData": "a" * 4000, "signature": "s" * 2000}}).decode()
    assert AnswerRequest.from_members({**ANSWER, "authn_response": assertion}).authn_response == assertion
    attested = {"response": {"attestationObject": "a" * 12_000}}
    assert VerifyRequest.from_members({"registration_response": attested}).registration_response == attested


@pytest.mark.parametrize("body", [b"a=%", b"a=%4", b"a=%zz", b"a=%%", b"a=%%4141", b"a=%\n", b"a=%\r\n41", b"%=1"])
def test_a_percent_sign_without_two_digits_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_form(body)


def test_what_quoted_printable_would_read_differently_is_read_as_a_form() -> None:
    form = {"underscore_": "a_b", "equals": "a=3D==", "tilde": "~.-*", "blanks": " a  ", "line": "a\r\nb\n", "%": "%25"}
    assert parse_form(serialize_form(form)) == form
    assert parse_form(b"a=b=3D&c+d=%41%c3%A9&&e") == {"a": "b=3D", "c d": "A\xe9"}


@pytest.mark.parametrize(
    ("read", "frame", "escape"),
    [
        (parse_form, b"a=%b", b"%41"),
        (json_object, b'{"a":"%b"}', b"\\u0041"),
        (json_object, b'{"a":"%b"}', b"\\n"),
        (json_object, b'{"a":"%b"}', b"\\ud83d\\ude00"),
    ],
)
def test_a_body_full_of_escapes_costs_at_most_twice_what_letters_cost(
    read: Callable[[bytes], object], frame: bytes, escape: bytes
) -> None:
    full = frame % (escape * (BODY // len(escape)))
    assert _ratio(read, full, frame % (b"x" * BODY)) <= 2


@pytest.mark.parametrize(
    ("read", "frame", "piece", "most"),
    [
        (parse_form, b"a=%b", b"%41" + b"x" * 22, 2560),
        (json_object, b'{"a":"%b"}', b"\\n" + b"x" * 13, 4096),
        (json_object, b'{"a":"%b"}', b"\\ud83d\\ude00" + b"x" * 18, 2048),
    ],
)
def test_as_many_escapes_as_are_read_cost_little_more_than_letters(
    read: Callable[[bytes], object], frame: bytes, piece: bytes, most: int
) -> None:
    """Measured: 1.9, 1.4 and 1.3; `urllib` would need about ten."""
    assert _ratio(read, frame % (piece * most), frame % (b"x" * BODY)) <= 4
    with pytest.raises(MalformedMessage, match="too many escapes"):
        read(frame % (piece * (most + 1)))


def _ratio(read: Callable[[bytes], object], one: bytes, other: bytes) -> float:
    return median(_seconds(read, one) / _seconds(read, other) for _ in range(61))


def _seconds(read: Callable[[bytes], object], body: bytes) -> float:
    began = perf_counter()
    with suppress(MalformedMessage):
        read(body)
    return perf_counter() - began
