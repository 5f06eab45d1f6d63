"""Which of the connected security keys it is: a look without a touch, and where that does not tell, the touch."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Event, Thread

from fido2.ctap import CtapDevice, CtapError
from fido2.ctap2.base import Ctap2
from fido2.webauthn import PublicKeyCredentialDescriptor

from upstile.client._errors import StepUpCancelled
from upstile.client.methods._method import MethodUnavailable, Moment
from upstile.client.methods._registration import ways_of
from upstile.client.words import said

_POLL = 0.1
_FAILURES = (CtapError, ValueError, OSError)

Credentials = Sequence[PublicKeyCredentialDescriptor]


def likely(devices: Sequence[CtapDevice], rp_id: str, allowed: Credentials) -> list[CtapDevice]:
    """The keys that may hold one of the credentials, the likeliest first.

    A key may hide a credential from a look without its PIN (credProtect, CTAP 2.1 §12.1), so one that can check a PIN
    is not ruled out. One that cannot has nothing to hide it behind. The transports that the server names are a hint:
    they say which key comes first, and rule none out.
    """
    if not allowed:
        return list(devices)
    admitting = [device for device in devices if _knows_any(device, rp_id, allowed)]
    found = admitting or [device for device in devices if can_verify(device)]
    hinted = {str(way) for credential in allowed for way in credential.transports or ()}
    return sorted(found, key=lambda device: hinted.isdisjoint(ways_of(device))) if hinted and found[1:] else found


def without(devices: Sequence[CtapDevice], rp_id: str, excluded: Credentials) -> list[CtapDevice]:
    """The keys that do not admit to hold any of the credentials."""
    return [device for device in devices if not _knows_any(device, rp_id, excluded)]


def touched(devices: Sequence[CtapDevice], moment: Moment) -> CtapDevice:
    """The one that the person touches; the only one is not asked (CTAP 2.1 §6.9)."""
    if len(devices) == 1:
        return devices[0]
    moment.prompter.touch("Touch the security key that you want to use")
    done = Event()
    touches = {_blinking(device, done): device for device in devices}
    waiting = set(touches)
    try:
        while waiting and not moment.cancel.is_set():
            finished, waiting = wait(waiting, timeout=_POLL, return_when=FIRST_COMPLETED)
            for touch in finished:
                if touch.exception() is None:
                    return touches[touch]
    finally:
        done.set()  # the others stop blinking
    if moment.cancel.is_set():
        raise StepUpCancelled(**said("cancelled"))
    raise MethodUnavailable(**said("none-touched"))


def can_verify(device: CtapDevice) -> bool:
    """Whether a key can tell that its owner is there: it has a PIN, or reads a finger."""
    return _can(device, "clientPin") or reads_a_finger(device)


def reads_a_finger(device: CtapDevice) -> bool:
    """Whether a key can tell so without a PIN (the option `uv` of CTAP 2.1 §6.4)."""
    return _can(device, "uv")


def _can(device: CtapDevice, option: str) -> bool:
    try:
        return bool(Ctap2(device).info.options.get(option))
    except _FAILURES:
        return False


def _knows_any(device: CtapDevice, rp_id: str, credentials: Credentials) -> bool:
    return any(_knows(device, rp_id, credential) for credential in credentials)


def _knows(device: CtapDevice, rp_id: str, credential: PublicKeyCredentialDescriptor) -> bool:
    """Ask a key, without a touch, whether it has a credential (CTAP 2.1 §6.2)."""
    try:
        descriptor = {"type": "public-key", "id": credential.id}
        Ctap2(device).get_assertion(rp_id, b"\0" * 32, [descriptor], options={"up": False})
    except _FAILURES:
        return False
    return True


def _blinking(device: CtapDevice, done: Event) -> "Future[None]":
    """Have a key ask for a touch, in a thread of its own that nobody waits for at the end of the program."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            Ctap2(device).selection(event=done)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    Thread(target=run, name="upstile security key", daemon=True).start()
    return future
