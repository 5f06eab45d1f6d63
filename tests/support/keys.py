"""Software security keys, enrolled without any server, and ones that behave badly."""

from threading import Event
from typing import Any

from fido2 import cbor
from fido2.client import DefaultClientDataCollector, Fido2Client, UserInteraction
from fido2.ctap2.base import Ctap2
from fido2.webauthn import AttestedCredentialData, PublicKeyCredentialCreationOptions

from support.desk import API
from upstile.client.testing import VirtualKey

_GET_RETRIES = 1


class UnpluggedKey(VirtualKey):
    """A key that is taken out in the middle.

    Attributes:
        until: how many more commands of each code it answers; when one runs out, it is gone.
    """

    def __init__(self) -> None:
        super().__init__(pin="1234")
        self.until: dict[int, int] = {}

    def call(self, cmd: int, data: bytes = b"", event: Event | None = None, on_keepalive: Any = None) -> bytes:
        """One CTAP message, or an error as the operating system gives it."""
        if data and data[0] in self.until:
            self.until[data[0]] -= 1
        if any(left < 0 for left in self.until.values()):
            raise OSError("No such device")
        return super().call(cmd, data, event, on_keepalive)


class WornKey(VirtualKey):
    """A key whose owner has mistyped the PIN on other days.

    Attributes:
        tries_left: how many tries it says are left.
    """

    def __init__(self) -> None:
        super().__init__(pin="1234")
        self.tries_left = 8

    def call(self, cmd: int, data: bytes = b"", event: Event | None = None, on_keepalive: Any = None) -> bytes:
        """One CTAP message; asked for its tries, it says how many there are."""
        if data[:1] == bytes([Ctap2.CMD.CLIENT_PIN]):
            request: Any = cbor.decode(data[1:])
            if request[2] == _GET_RETRIES:
                return b"\0" + cbor.encode({3: self.tries_left, 4: False})
        return super().call(cmd, data, event, on_keepalive)


def enroll(key: VirtualKey, pin: str | None = None, rp_id: str = "api.example.com") -> AttestedCredentialData:
    """Let a key make a credential; a touch is counted."""
    options = PublicKeyCredentialCreationOptions.from_dict(
        {
            "rp": {"id": rp_id, "name": "test"},
            "user": {"id": "YWRh", "name": "ada", "displayName": "ada"},
            "challenge": "AAAA",
            "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
            "authenticatorSelection": {"userVerification": "discouraged" if pin is None else "required"},
        }
    )
    collector = DefaultClientDataCollector(API.replace("api.example.com", rp_id))
    made = Fido2Client(key, collector, _Pin(pin)).make_credential(options)
    credential = made.response.attestation_object.auth_data.credential_data
    assert credential is not None
    return credential


class _Pin(UserInteraction):
    def __init__(self, pin: str | None) -> None:
        self._pin = pin

    def request_pin(self, permissions: Any, rp_id: str | None) -> str | None:
        return self._pin
