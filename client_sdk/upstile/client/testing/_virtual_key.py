"""A software security key: a CTAP 2.1 authenticator below the real `Fido2Client`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event
from typing import Any, Literal

from fido2 import cbor
from fido2.ctap import STATUS, CtapDevice, CtapError
from fido2.ctap2.base import Ctap2
from fido2.hid import CAPABILITY, CTAPHID

from upstile.client.testing._client_pin import PROTOCOL, ClientPin
from upstile.client.testing._credential import ATTESTED, EDDSA, ES256, USER_PRESENT, USER_VERIFIED, Credential

_AAGUID = b"upstile software"
_LONGEST_MESSAGE = 4096

Touch = Literal["granted", "denied", "never"]
Keepalive = Callable[[STATUS], None]


class VirtualKey(CtapDevice):
    """A security key in software, for tests and demonstrations; its secrets live in memory only.

    Pass it to the client as `WebAuthn(devices=lambda: [key])`.

    Args:
        pin: its PIN; without one it cannot verify its user.
        touch: what the simulated person does: `granted`, `denied`, or `never` (until cancelled).
        algorithms: COSE algorithms that it can do, -7 (ES256) and -8 (EdDSA).
        transports: how it says that it can be reached.

    Attributes:
        touches: how often it was touched.
    """

    def __init__(
        self,
        *,
        pin: str | None = None,
        touch: Touch = "granted",
        algorithms: Sequence[int] = (ES256, EDDSA),
        transports: Sequence[str] = ("usb",),
    ) -> None:
        self.touch: Touch = touch
        self.touches = 0
        self._algorithms = tuple(algorithms)
        self._transports = tuple(transports)
        self._pin = ClientPin(pin)
        self._credentials: list[Credential] = []
        self._pending: Iterator[dict[int, Any]] = iter(())

    @property
    def capabilities(self) -> int:
        """It speaks CBOR."""
        return CAPABILITY.CBOR

    @classmethod
    def list_devices(cls) -> Iterator["VirtualKey"]:
        """None: a software key is connected to what it is handed to, and to nothing else."""
        return iter(())

    def call(
        self, cmd: int, data: bytes = b"", event: Event | None = None, on_keepalive: Keepalive | None = None
    ) -> bytes:
        """One CTAP message; the answer begins with its status (CTAP 2.1 §8)."""
        if cmd != CTAPHID.CBOR or not data:
            return bytes([CtapError.ERR.INVALID_COMMAND])
        try:
            request: dict[int, Any] = dict(cbor.decode(data[1:])) if data[1:] else {}  # type: ignore[arg-type]
            answer = self._command(data[0], request, _Presence(self, event, on_keepalive))
        except CtapError as error:
            return bytes([error.code])
        except (KeyError, TypeError, ValueError):
            return bytes([CtapError.ERR.INVALID_CBOR])
        return b"\0" + (cbor.encode(answer) if answer else b"")

    def __repr__(self) -> str:
        return f"VirtualKey(credentials={len(self._credentials)})"

    def _command(self, command: int, request: Mapping[int, Any], presence: "_Presence") -> Mapping[int, Any]:
        match command:
            case Ctap2.CMD.GET_INFO:
                return self._info()
            case Ctap2.CMD.MAKE_CREDENTIAL:
                return self._make_credential(request, presence)
            case Ctap2.CMD.GET_ASSERTION:
                return self._get_assertion(request, presence)
            case Ctap2.CMD.GET_NEXT_ASSERTION:
                return self._next_assertion()
            case Ctap2.CMD.CLIENT_PIN:
                return self._pin.command(request)
            case Ctap2.CMD.SELECTION:
                presence.check()
                return {}
            case Ctap2.CMD.RESET:
                presence.check()
                self._credentials.clear()
                self._pin = ClientPin(None)
                return {}
            case _:
                raise CtapError(CtapError.ERR.INVALID_COMMAND)

    def _info(self) -> dict[int, Any]:
        options = {"rk": True, "up": True, "clientPin": self._pin.is_set, "pinUvAuthToken": True}
        return {
            1: ["FIDO_2_0", "FIDO_2_1"],
            3: _AAGUID,
            4: {**options, "makeCredUvNotRqd": True},
            5: _LONGEST_MESSAGE,
            6: [PROTOCOL],
            7: 8,
            8: 64,
            9: list(self._transports),
            10: [{"alg": algorithm, "type": "public-key"} for algorithm in self._algorithms],
        }

    def _make_credential(self, request: Mapping[int, Any], presence: "_Presence") -> dict[int, Any]:
        """`authenticatorMakeCredential` (CTAP 2.1 §6.1) with a self attestation."""
        hash_, rp_id = request[1], request[2]["id"]
        verified = self._pin.verified(request.get(8), request.get(9), hash_)
        algorithm = next((p["alg"] for p in request[4] if p["alg"] in self._algorithms), None)
        if algorithm is None:
            raise CtapError(CtapError.ERR.UNSUPPORTED_ALGORITHM)
        presence.check()
        if self._find(rp_id, request.get(5)):
            raise CtapError(CtapError.ERR.CREDENTIAL_EXCLUDED)
        resident = bool(request.get(7, {}).get("rk"))
        credential = Credential.make(algorithm, rp_id, request[3], resident=resident)
        self._credentials.append(credential)
        flags = USER_PRESENT | ATTESTED | (USER_VERIFIED if verified else 0)
        data = credential.authenticator_data(flags, credential.attested_data(_AAGUID))
        return {1: "packed", 2: data, 3: {"alg": algorithm, "sig": credential.sign(data + hash_)}}

    def _get_assertion(self, request: Mapping[int, Any], presence: "_Presence") -> dict[int, Any]:
        """`authenticatorGetAssertion` (CTAP 2.1 §6.2); without `up` it only says whether it has a credential."""
        rp_id, hash_, allowed = request[1], request[2], request.get(3)
        verified = self._pin.verified(request.get(6), request.get(7), hash_)
        present = bool(request.get(5, {}).get("up", True))
        if present:
            presence.check()
        found = self._find(rp_id, allowed) if allowed else [c for c in self._of(rp_id) if c.resident]
        if not found:
            raise CtapError(CtapError.ERR.NO_CREDENTIALS)
        flags = (USER_PRESENT if present else 0) | (USER_VERIFIED if verified else 0)
        found = found[:1] if allowed else found[::-1]  # without a list the newest comes first
        answers = [_assertion(credential, hash_, flags) for credential in found]
        self._pending = iter(answers[1:])
        return {**answers[0], **({5: len(answers)} if len(answers) > 1 else {})}

    def _next_assertion(self) -> dict[int, Any]:
        for answer in self._pending:
            return answer
        raise CtapError(CtapError.ERR.NOT_ALLOWED)

    def _of(self, rp_id: str) -> list[Credential]:
        return [credential for credential in self._credentials if credential.rp_id == rp_id]

    def _find(self, rp_id: str, descriptors: Sequence[Mapping[str, Any]] | None) -> list[Credential]:
        wanted = {descriptor["id"] for descriptor in descriptors or ()}
        return [credential for credential in self._of(rp_id) if credential.id in wanted]


class _Presence:
    """The simulated person's finger, for one message."""

    def __init__(self, key: VirtualKey, event: Event | None, on_keepalive: Keepalive | None) -> None:
        self._key = key
        self._event = event or Event()
        self._on_keepalive = on_keepalive

    def check(self) -> None:
        """Wait for the touch."""
        if self._on_keepalive is not None:
            self._on_keepalive(STATUS.UPNEEDED)
        if self._key.touch == "denied":
            raise CtapError(CtapError.ERR.OPERATION_DENIED)
        if self._key.touch == "never":
            self._event.wait()
        if self._event.is_set():
            raise CtapError(CtapError.ERR.KEEPALIVE_CANCEL)
        self._key.touches += 1


def _assertion(credential: Credential, hash_: bytes, flags: int) -> dict[int, Any]:
    data = credential.authenticator_data(flags)
    answer = {1: credential.descriptor, 2: data, 3: credential.sign(data + hash_)}
    return {**answer, 4: {"id": credential.user["id"]}} if credential.resident else answer
