"""Whatever a client makes of a WebAuthn response, the method answers yes, no or malformed, and never breaks."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webauthn.helpers import base64url_to_bytes

from support.own_methods import ADA, PURPOSE, context, done, wanted
from support.wire_driver import NOON, Passkey
from upstile.protocol import AnswerRequest, MalformedMessage, base64url_encode
from upstile.server.authorization.methods import WebAuthn
from upstile.server.storage import AuthenticatorRecord

METHOD = WebAuthn().bind(context())
NONSENSE: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, True, "", "é", "\ud800", [], {}, {"a": {}}, "A" * 500, "AAAA="]
)
BYTES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"{}", b"[]", b"null", b'"x"', b"[" * 3000, b"\xff{}", b'{"type":1,"challenge":[],"origin":{}}']),
)


def _record(data: Mapping[str, Any]) -> AuthenticatorRecord:
    return AuthenticatorRecord(id="a", method="webauthn", name="key", state="active", created=int(NOON), data=data)


def _registered() -> tuple[Passkey, dict[str, Any], dict[str, Any]]:
    new = done(METHOD.enroll(wanted()))
    passkey = Passkey()
    return passkey, dict(new.data), passkey.register(new.members["options"])


PASSKEY, STATE, REGISTRATION = _registered()
ENROLLED = done(METHOD.confirm(ADA, _record(STATE), REGISTRATION, NOON))
assert ENROLLED is not None
KNOWN = _record(ENROLLED.data)
OFFERED = METHOD.offer([KNOWN], PURPOSE, user_verification=True, before={})
OPTIONS = OFFERED.offers[0].options or {}
ASSERTION = PASSKEY.sign(OPTIONS)


@st.composite
def spoilt(draw: st.DrawFn, response: dict[str, Any]) -> dict[str, Any]:
    """The response with one member changed: nonsense, other bytes, or its own bytes cut, grown or with one changed."""
    inner = dict(response["response"])
    how = draw(st.sampled_from(["outer", "inner", "bytes", "bytes", "bytes"]))
    if how == "outer":
        return {**response, draw(st.sampled_from([*response, "authenticatorAttachment"])): draw(NONSENSE)}
    name = draw(st.sampled_from(list(inner)))
    if how == "inner":
        return {**response, "response": {**inner, name: draw(NONSENSE)}}
    whole = base64url_to_bytes(inner[name])
    at = draw(st.integers(0, len(whole)))
    tail = draw(st.sampled_from([whole[at:], whole[at + 1 :], b""]))
    return {**response, "response": {**inner, name: base64url_encode(whole[:at] + draw(BYTES) + tail)}}


def _judge_assertion(response: Any) -> bool:
    form = {"client_id": "cli", "auth_session": "s", "authn_method": "webauthn"}
    try:
        answer = METHOD.read(AnswerRequest(**form, authn_response=json.dumps(response)))
    except MalformedMessage:
        return False
    return done(METHOD.verify(answer, OFFERED.state, ADA, [KNOWN], NOON)) is not None


def test_the_sound_ones_are_accepted() -> None:
    assert _judge_assertion(ASSERTION)


@pytest.mark.parametrize("lie", [{"crossOrigin": True}, {"topOrigin": "https://evil.example"}])
def test_what_a_page_of_another_site_asked_for_in_a_frame_is_refused(lie: dict[str, Any]) -> None:
    new = done(METHOD.enroll(wanted()))
    pending, options = _record(new.data), new.members["options"]
    assert done(METHOD.confirm(ADA, pending, Passkey().register(options), NOON))
    assert done(METHOD.confirm(ADA, pending, Passkey().register(options, **lie), NOON)) is None
    assert not _judge_assertion(PASSKEY.sign(OPTIONS, client=lie))


@settings(max_examples=400)
@given(spoilt(ASSERTION))
def test_an_assertion_counts_only_with_what_was_signed(response: dict[str, Any]) -> None:
    signed = ("clientDataJSON", "authenticatorData")
    inner = response["response"] if isinstance(response["response"], dict) else {}
    intact = all(inner.get(name) == ASSERTION["response"][name] for name in signed)
    accepted = _judge_assertion(response)
    assert intact or not accepted


@settings(max_examples=400)
@given(spoilt(REGISTRATION))
def test_a_registration_is_confirmed_or_refused(response: dict[str, Any]) -> None:
    confirmed = done(METHOD.confirm(ADA, _record(STATE), response, NOON))
    assert confirmed is None or base64url_to_bytes(confirmed.data["public_key"])
