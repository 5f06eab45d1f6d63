"""What the client sends of a new key: all of `RegistrationResponseJSON`, and what it makes of the server's hints."""

from collections.abc import Mapping
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from fido2.cose import RS256, CoseKey
from fido2.webauthn import AttestationObject, PublicKeyCredentialDescriptor

from support.desk import Desk, webauthn_offer
from support.keys import enroll
from upstile.client import Totp, WebAuthn
from upstile.client.methods import Moment
from upstile.client.methods._registration import known_ways, registration_json, ways_of
from upstile.client.methods._which_key import likely
from upstile.client.testing import ScriptedPrompter, VirtualKey
from upstile.protocol import EnrollResponse, base64url_decode

API = "https://api.example.com"
HOSTILE: list[Any] = [7, None, "usb", [None], [{}], ["teleport", "usb"], [[]], {"usb": 1}]


def registered(key: VirtualKey, algorithm: int) -> dict[str, Any]:
    """What the client answers when a server wants a key of this algorithm."""
    options: dict[str, Any] = {
        "rp": {"id": "api.example.com", "name": "test"},
        "user": {"id": "YWRh", "name": "ada", "displayName": "ada"},
        "challenge": "AAAA",
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm}],
        "authenticatorSelection": {"userVerification": "required"},
    }
    pending = EnrollResponse(id="1", state="pending", options=options)
    moment = Moment(prompter=ScriptedPrompter(pin="1234"), cancel=Event(), webauthn_origin=API)
    answer: dict[str, Any] = dict(WebAuthn(lambda: [key]).enroll(pending, moment))["registration_response"]
    return answer


@pytest.mark.parametrize("algorithm", [-7, -8])
def test_a_registration_has_every_member_of_level_3(algorithm: int) -> None:
    made = registered(VirtualKey(pin="1234", transports=["usb", "nfc", "teleport"]), algorithm)
    assert made.keys() >= {"id", "rawId", "type", "response", "clientExtensionResults"}
    response = made["response"]
    assert response.keys() == {
        "clientDataJSON",
        "attestationObject",
        "authenticatorData",
        "transports",
        "publicKeyAlgorithm",
        "publicKey",
    }
    attested = AttestationObject(base64url_decode(response["attestationObject"])).auth_data
    assert base64url_decode(response["authenticatorData"]) == attested
    assert attested.credential_data is not None
    public = load_der_public_key(base64url_decode(response["publicKey"]))
    assert CoseKey.for_alg(algorithm).from_cryptography_key(public) == attested.credential_data.public_key
    assert response["publicKeyAlgorithm"] == algorithm
    assert response["transports"] == ["nfc", "usb"], "in lexicographical order, and only what is a way"


def made_with(key: Mapping[int, Any]) -> dict[str, Any]:
    """A registration whose attested key is this one."""

    class Data(bytes):
        credential_data = SimpleNamespace(public_key=key)

    class Made(dict[str, Any]):
        response = SimpleNamespace(attestation_object=SimpleNamespace(auth_data=Data(b"data")))

    made: Any = Made(response={"clientDataJSON": "e30", "attestationObject": "oA"})
    response: dict[str, Any] = registration_json(made, ())["response"]
    return response


def test_an_rsa_key_is_written_as_spki_too() -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    cose: Any = RS256
    response = made_with(cose.from_cryptography_key(public))
    assert response["publicKeyAlgorithm"] == -257
    assert load_der_public_key(base64url_decode(response["publicKey"])) == public


@pytest.mark.parametrize(
    "key",
    [
        {1: 2, 3: -36, -1: 3, -2: b"x", -3: b"y"},
        {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)},
        {1: 2, 3: -7, -1: 1, -2: b"x"},
        {1: 1, 3: -8, -1: 6, -2: b"short"},
        {1: 1, 3: -8, -1: 7, -2: bytes(57)},
    ],
    ids=["an algorithm that need not be known", "no point", "no y", "no Ed25519 key", "Ed448"],
)
def test_a_key_that_cannot_be_written_so_is_absent(key: dict[int, Any]) -> None:
    response = made_with(key)
    assert "publicKey" not in response
    assert response["publicKeyAlgorithm"] == key[3]


def test_the_hint_says_which_key_comes_first_and_rules_none_out() -> None:
    far, near = VirtualKey(pin="1234", transports=["nfc"]), VirtualKey(pin="1234", transports=["usb"])
    unknown = VirtualKey(pin="1234", transports=[])
    ours = PublicKeyCredentialDescriptor.from_dict({"type": "public-key", "id": "AAAA", "transports": ["usb"]})
    assert likely([far, unknown, near], "api.example.com", [ours]) == [near, far, unknown]
    bare = PublicKeyCredentialDescriptor.from_dict({"type": "public-key", "id": "AAAA"})
    assert likely([far, unknown, near], "api.example.com", [bare]) == [far, unknown, near]


@pytest.mark.parametrize("hint", [*HOSTILE, ["nfc"], []], ids=str)
def test_a_key_confirms_whatever_the_server_says_of_its_transports(hint: Any) -> None:
    key = VirtualKey(pin="1234", transports=["usb"])
    credential, desk = enroll(key, "1234"), Desk()

    def offers(sent: Any) -> list[dict[str, Any]]:
        offer = webauthn_offer(sent, credential.credential_id, verification="required")
        for each in offer["options"]["allowCredentials"]:
            each["transports"] = hint
        return [offer]

    desk.offers = offers
    with desk.client(methods=[WebAuthn(lambda: [key]), Totp()]) as bank:
        assert bank.post("/transfers").status_code == 200


@pytest.mark.parametrize("hint", HOSTILE, ids=str)
def test_a_hint_that_is_none_is_as_none(hint: Any) -> None:
    assert known_ways(hint) == (["usb"] if hint == ["teleport", "usb"] else [])


def test_a_key_that_is_gone_has_no_ways() -> None:
    class Gone(VirtualKey):
        def call(self, *_: Any, **__: Any) -> bytes:
            raise OSError("No such device")

    assert ways_of(Gone()) == frozenset()
