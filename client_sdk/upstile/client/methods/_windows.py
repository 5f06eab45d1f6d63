"""Security keys and Windows Hello through Windows itself, which lets no app without administrator rights near a key.

NOTE: tested by contract, with a client in software; not yet on Windows itself.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, TypeVar

from fido2.client import ClientError

from upstile.client._errors import StepUpCancelled
from upstile.client.methods._method import MethodUnavailable, Moment
from upstile.client.words import said

T = TypeVar("T")

_POLL = 0.05
# What webauthn.dll returns (HRESULT, webauthn.h and winerror.h), as Python shows it in `OSError.winerror`.
_CANCELLED = frozenset({0x80090036, 0x800704C7})
_TOO_LATE = frozenset({0x800705B4})
_NOTHING_HERE = frozenset({0x80090011, 0x80070032, 0x8009000D})
_ENROLLED_ALREADY = frozenset({0x8009000F})


def windows_client() -> type[Any] | None:
    """python-fido2's `WindowsClient`, where the system has it (Windows 10 1903 and later)."""
    try:
        from fido2.client.windows import WindowsClient
    except (AttributeError, ImportError, OSError):  # it looks for Windows' libraries when it is imported
        return None
    return WindowsClient if WindowsClient.is_available() else None


def asked_of_windows(moment: Moment, work: Callable[[Event], T]) -> T:
    """Do something with the system's own dialogue, which asks for the key, the PIN and the touch.

    Args:
        moment: what cancels it.
        work: is given the event that ends the dialogue.
    """
    moment.prompter.touch("Go on in the dialogue of Windows")
    with _ended_by(moment.cancel) as end:
        try:
            return work(end)
        except ClientError as error:
            raise _meaning(error, moment) from error


@contextmanager
def _ended_by(cancel: Event) -> Generator[Event]:
    """An event that is set when `cancel` is, and at the end.

    The client sets the event that it is given when it is done, and when it fails its own thread waits on for it; so it
    never gets ours, which means that the person gave up.
    """
    end = Event()

    def watch() -> None:
        while not end.wait(_POLL):
            if cancel.is_set():
                end.set()

    Thread(target=watch, name="upstile windows", daemon=True).start()
    try:
        yield end
    finally:
        end.set()


def _meaning(error: ClientError, moment: Moment) -> Exception:
    cause = vars(error).get("cause")
    code = getattr(cause, "winerror", None)
    result = None if code is None else code & 0xFFFFFFFF
    if moment.cancel.is_set() or result in _CANCELLED:
        return StepUpCancelled(**said("person-cancelled"))
    if result in _TOO_LATE:
        return MethodUnavailable(**said("windows-late"))
    if result in _ENROLLED_ALREADY:
        return MethodUnavailable(**said("key-enrolled-already"))
    if result in _NOTHING_HERE:
        return MethodUnavailable(**said("windows-no-key"))
    return MethodUnavailable(**said("windows-cannot", why=cause))
