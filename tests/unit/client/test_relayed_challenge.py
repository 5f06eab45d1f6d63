"""A WebAuthn challenge that was made for somebody else is never signed (upstile profile §3)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.desk import ELSEWHERE, NONCE, Desk, Sent, server_metadata, webauthn_offer
from support.keys import enroll
from upstile.client import CeremonyFailed, Totp, WebAuthn
from upstile.client.testing import VirtualKey
from upstile.protocol import base64url_encode

pytestmark = pytest.mark.usefixtures("library")

ANOTHER = base64url_encode(b"another nonce, or another key...")


@pytest.mark.requirement("profile-3-binding")
@pytest.mark.parametrize(
    "made_for",
    [
        {"client_id": "another-app"},
        {"jkt": ANOTHER},
        {"jkt": None},
        {"resource": ELSEWHERE},
        {"resource": "https://api.example.com/"},
        {"iss": ELSEWHERE},
        {"iss": "https://api.example.com/"},
        {"authorization_details": [{"type": "payment_initiation", "instructed_amount": "5000.00"}]},
    ],
    ids=str,
)
def test_a_challenge_that_was_made_for_somebody_else_is_not_signed(made_for: dict[str, Any]) -> None:
    _refused(lambda sent, credential: webauthn_offer(sent, credential, **made_for))


@pytest.mark.parametrize("nonce", [None, "", ANOTHER, NONCE + "A"])
def test_a_challenge_that_was_made_of_another_nonce_is_not_signed(nonce: str | None) -> None:
    _refused(lambda sent, credential: webauthn_offer(sent, credential, nonce=nonce))


def test_a_challenge_that_was_made_of_no_nonce_is_not_signed() -> None:
    _refused(lambda sent, credential: webauthn_offer(sent, credential, made_of="", nonce=None))


@pytest.mark.parametrize("challenge", [None, "", "AAAA", 7])
def test_any_other_challenge_is_not_signed(challenge: Any) -> None:
    def other(sent: Sent, credential: bytes) -> dict[str, Any]:
        offer = webauthn_offer(sent, credential)
        offer["options"]["challenge"] = challenge
        return offer

    _refused(other)


@pytest.mark.parametrize("bound", [False, True])
def test_where_the_server_does_without_dpop_the_challenge_is_bound_to_no_key(bound: bool) -> None:
    desk, key = Desk(), VirtualKey(pin="1234")
    credential = enroll(key, "1234").credential_id
    document = server_metadata(dpop_signing_alg_values_supported=None)
    desk.always("server", lambda _: httpx.Response(200, json={k: v for k, v in document.items() if v is not None}))
    desk.offers = lambda sent: [webauthn_offer(sent, credential, jkt=sent.jkt if bound else None)]
    desk.token["token_type"] = "Bearer"
    with desk.client(methods=[WebAuthn(lambda: [key])]) as bank:
        if bound:
            with pytest.raises(CeremonyFailed, match="not made for this app"):
                bank.post("/transfers")
        else:
            assert bank.post("/transfers").status_code == 200
    assert key.touches == (1 if bound else 2)


def test_a_later_step_is_looked_at_as_well() -> None:
    desk, key = Desk(), VirtualKey(pin="1234")
    credential = enroll(key, "1234").credential_id

    def offers(sent: Sent) -> list[dict[str, Any]]:
        issuer = {} if sent.place == "start" else {"iss": ELSEWHERE}
        return [webauthn_offer(sent, credential, **issuer), {"method": "totp"}]

    desk.offers = offers
    desk.always("answer", lambda sent: desk.step(sent, result="rejected"))
    methods = [Totp(), WebAuthn(lambda: [key])]
    with desk.client(methods=methods) as bank, pytest.raises(CeremonyFailed, match="not made for this app"):
        bank.post("/transfers")
    assert (key.touches, len(desk.at("answer"))) == (1, 1)


def _refused(offer: Callable[[Sent, bytes], dict[str, Any]]) -> None:
    """Nobody is asked, nothing is signed, not even by another method of the same step."""
    desk, key = Desk(), VirtualKey(pin="1234")
    credential = enroll(key, "1234").credential_id
    key.touches = 0
    desk.offers = lambda sent: [{"method": "totp"}, offer(sent, credential)]
    methods = [WebAuthn(lambda: [key]), Totp()]
    with desk.client(methods=methods) as bank, pytest.raises(CeremonyFailed, match="not made for this app") as caught:
        bank.post("/transfers")
    assert "relaying" in caught.value.diagnostics()
    assert (key.touches, desk.at("answer")) == (0, [])
    assert not desk.asked
