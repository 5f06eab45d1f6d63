"""Security keys: the right one is found without a touch, the PIN is asked for with care, and what else can be done."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import pytest
from fido2.ctap import CtapError
from fido2.ctap2.base import Ctap2
from fido2.webauthn import AttestedCredentialData

from support.desk import Desk, webauthn_offer
from support.keys import UnpluggedKey, WornKey, enroll
from upstile.client import (
    CallbackPrompter,
    CeremonyFailed,
    Client,
    Event,
    NoMethodAvailable,
    StepUpCancelled,
    StepUpTimeout,
    Totp,
    WebAuthn,
)
from upstile.client.flow import _session
from upstile.client.testing import VirtualKey
from upstile.protocol import base64url_decode

USER_VERIFIED = 0x04
PIN, TOUCH, CODE = "PIN of your security key", "Touch your security key now", "Code from your authenticator app"


def test_the_right_key_of_several_is_found_without_a_touch() -> None:
    for mine_is_first in (True, False):
        mine, other = VirtualKey(pin="1234"), VirtualKey(pin="9999")
        credential, touches = enroll(mine, "1234"), 1
        enroll(other, "9999")
        desk, keys = _desk(credential), [mine, other] if mine_is_first else [other, mine]
        with _client(desk, *keys) as bank:
            assert bank.post("/transfers").status_code == 200
        assert (mine.touches, other.touches) == (touches + 1, 1)
        assert desk.person.labels == [PIN, TOUCH]
        assert _flags(desk, credential) & USER_VERIFIED


def test_any_of_the_credentials_that_are_allowed_will_do() -> None:
    lost, mine = VirtualKey(pin="1234"), VirtualKey(pin="1234")
    credentials = [enroll(lost, "1234"), enroll(mine, "1234")]
    desk = _desk(*credentials)
    with _client(desk, mine) as bank:
        assert bank.post("/transfers").status_code == 200
    _flags(desk, credentials[1])


def test_a_key_that_can_hide_nothing_is_not_touched_and_the_code_is_asked_for() -> None:
    other, mine = VirtualKey(), VirtualKey(pin="1234")
    desk = _desk(enroll(mine, "1234"))
    with _client(desk, other) as bank:
        assert bank.post("/transfers").status_code == 200
    assert (other.touches, desk.person.labels) == (0, [CODE])


def test_a_key_that_may_hide_its_credentials_is_tried_before_the_code() -> None:
    other, mine = VirtualKey(pin="1234"), VirtualKey(pin="1234")
    desk = _desk(enroll(mine, "1234"))
    with _client(desk, other) as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.person.labels == [PIN, TOUCH, CODE]


class HidingKey(VirtualKey):
    """Shows its credentials only after its PIN (credProtect 3)."""

    def _get_assertion(self, request: Mapping[int, Any], presence: Any) -> dict[int, Any]:
        if not self._pin.verified(request.get(6), request.get(7), request[2]):
            raise CtapError(CtapError.ERR.NO_CREDENTIALS)
        return super()._get_assertion(request, presence)


def test_a_key_that_hides_its_credentials_is_found_by_a_real_try() -> None:
    other, mine = VirtualKey(pin="1234"), HidingKey(pin="1234")
    credential = enroll(mine, "1234")
    for keys in ([mine], [other, mine]):
        desk = _desk(credential)
        with _client(desk, *keys) as bank:
            assert bank.post("/transfers").status_code == 200
        assert CODE not in desk.person.labels
        _flags(desk, credential)


def test_a_touch_that_is_denied_cancels_and_nothing_else_is_tried() -> None:
    key = VirtualKey(pin="1234")
    desk = _desk(enroll(key, "1234"))
    key.touch = "denied"
    with _client(desk, key) as bank, pytest.raises(StepUpCancelled, match="declined at the security key"):
        bank.post("/transfers")
    assert desk.at("answer") == []
    assert CODE not in desk.person.labels


def test_a_key_that_nobody_touches_ends_with_the_persons_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_session, "GRACE", 5.0)  # what is cut off only after it has not ended by itself
    key, events = VirtualKey(pin="1234"), list[Event]()
    desk = _desk(enroll(key, "1234"))
    key.touch = "never"
    with _client(desk, key, human_timeout=1, on_event=events.append) as bank, pytest.raises(StepUpTimeout):
        bank.post("/transfers")
    assert [event.error for event in events if event.kind == "failed"] == ["step_up_timeout"]
    assert desk.person.labels == [PIN, TOUCH]
    assert desk.at("answer") == []


def test_a_wrong_pin_is_asked_again_with_the_tries_left() -> None:
    key, told, pins = VirtualKey(pin="1234"), list[int | None](), iter(["9999", "1234"])
    desk = _desk(enroll(key, "1234"))

    def ask(label: str, retries: int | None) -> str:
        told.append(retries)
        return next(pins)

    with _client(desk, key, prompter=CallbackPrompter(pin=ask)) as bank:
        assert bank.post("/transfers").status_code == 200
    assert told == [8, 7]
    assert desk.at("answer")[0].form["authn_method"] == "webauthn"


@pytest.mark.parametrize("first", [None, ""])
def test_no_pin_cancels_and_nothing_else_is_tried(first: str | None) -> None:
    key, pins = VirtualKey(pin="1234"), iter([first, None])
    desk = _desk(enroll(key, "1234"))
    silent = CallbackPrompter(pin=lambda label, retries: next(pins), code=lambda label: "123456")
    with _client(desk, key, prompter=silent) as bank, pytest.raises(StepUpCancelled):
        bank.post("/transfers")
    assert (key.touches, desk.at("answer")) == (1, [])


@pytest.mark.parametrize(("tries", "labels"), [(2, [PIN, TOUCH]), (1, [CODE]), (0, [CODE])])
def test_the_last_try_is_left_to_the_owner(tries: int, labels: list[str]) -> None:
    key = WornKey()
    desk = _desk(enroll(key, "1234"))
    key.tries_left = tries
    with _client(desk, key) as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.person.labels == labels


def test_a_key_without_a_pin_signs_where_verification_is_only_preferred() -> None:
    key = VirtualKey()
    credential = enroll(key)
    desk = _desk(credential, verification="preferred")
    with _client(desk, key) as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.person.labels == [TOUCH]
    assert not _flags(desk, credential) & USER_VERIFIED


def test_a_key_with_a_pin_verifies_where_it_is_preferred() -> None:
    key = VirtualKey(pin="1234")
    credential = enroll(key, "1234")
    desk = _desk(credential, verification="preferred")
    with _client(desk, key) as bank:
        assert bank.post("/transfers").status_code == 200
    assert _flags(desk, credential) & USER_VERIFIED


def test_a_key_without_a_pin_does_not_do_where_verification_is_required() -> None:
    key = VirtualKey()
    desk = _desk(enroll(key))
    with _client(desk, key) as bank:
        assert bank.post("/transfers").status_code == 200
    assert (key.touches, desk.person.labels) == (1, [CODE])
    desk = _desk(enroll(key), others=[])
    with _client(desk, key) as bank, pytest.raises(NoMethodAvailable):
        bank.post("/transfers")
    assert desk.at("answer") == []


@pytest.mark.parametrize(
    ("command", "answered"),
    [(Ctap2.CMD.GET_INFO, 0), (Ctap2.CMD.GET_ASSERTION, 0), (Ctap2.CMD.CLIENT_PIN, 0), (Ctap2.CMD.GET_ASSERTION, 1)],
    ids=["before it is looked at", "while it is looked for", "at the PIN", "at the touch"],
)
def test_a_key_that_is_taken_out_gives_way_to_the_code(command: int, answered: int) -> None:
    key = UnpluggedKey()
    desk = _desk(enroll(key, "1234"))
    key.until = {command: answered}
    with _client(desk, key) as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.person.labels[-1] == CODE
    assert [sent.form["authn_method"] for sent in desk.at("answer")] == ["totp"]


def test_without_a_key_the_code_is_asked_for_at_once() -> None:
    desk = _desk(enroll(VirtualKey(pin="1234"), "1234"))
    with _client(desk) as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.at("start")[0].form["authn_methods_supported"] == "totp"
    assert desk.person.labels == [CODE]


def test_a_key_that_is_not_enrolled_leaves_a_sentence_where_nothing_else_is_offered() -> None:
    desk = _desk(enroll(VirtualKey(pin="1234"), "1234"), others=[])
    with _client(desk, VirtualKey()) as bank, pytest.raises(NoMethodAvailable) as caught:
        bank.post("/transfers")
    assert caught.value.diagnostics().startswith("None of the connected security keys is set up for this. Plug in")
    assert not desk.asked


def test_a_key_does_not_sign_for_another_site_than_the_configured_issuer() -> None:
    key = VirtualKey(pin="1234")
    credential = enroll(key, "1234", rp_id="elsewhere.example")
    desk = _desk(credential, others=[], rpId="elsewhere.example")
    with _client(desk, key) as bank, pytest.raises(CeremonyFailed, match="for another site") as caught:
        bank.post("/transfers")
    assert not desk.asked
    assert "rpId elsewhere.example" in caught.value.hint
    assert (key.touches, desk.at("answer")) == (1, [])


def _desk(
    *credentials: AttestedCredentialData,
    verification: str = "required",
    others: list[dict[str, Any]] | None = None,
    **options: Any,
) -> Desk:
    desk, ids = Desk(), [credential.credential_id for credential in credentials]

    def offers(sent: Any) -> list[dict[str, Any]]:
        offer = webauthn_offer(sent, *ids, verification=verification)
        offer["options"].update(options)
        return [offer, *([{"method": "totp"}] if others is None else others)]

    desk.offers = offers
    return desk


def _client(desk: Desk, *keys: VirtualKey, **options: Any) -> Client:
    return desk.client(**{"methods": [WebAuthn(lambda: keys), Totp()], **options})


def _flags(desk: Desk, credential: AttestedCredentialData) -> int:
    """The flags of the one answer, whose signature is by this credential."""
    (answer,) = desk.at("answer")
    response = json.loads(answer.form["authn_response"])["response"]
    data, client_data, signature = (
        base64url_decode(response[name]) for name in ("authenticatorData", "clientDataJSON", "signature")
    )
    credential.public_key.verify(data + sha256(client_data).digest(), signature)
    return data[32]
