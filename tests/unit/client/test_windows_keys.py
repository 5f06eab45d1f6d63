"""Security keys on Windows, by contract: a client in software stands where python-fido2's `WindowsClient` would."""

import subprocess
import sys
from threading import Event
from typing import Any

import pytest
from fido2.client import ClientError, DefaultClientDataCollector, Fido2Client, UserInteraction
from fido2.webauthn import AttestedCredentialData

from support.desk import Desk, webauthn_offer
from support.keys import enroll
from upstile.client import NoMethodAvailable, StepUpCancelled, StepUpTimeout, Totp, WebAuthn
from upstile.client.methods._windows import windows_client
from upstile.client.testing import VirtualKey

CODE = "Code from your authenticator app"
DIALOGUE = "Go on in the dialogue of Windows"


class _Hello(UserInteraction):
    def request_pin(self, permissions: Any, rp_id: str | None) -> str:
        return "1234"


class SoftwareWindows:
    """Behaves as `WindowsClient` of python-fido2 2.2: it asks for the PIN itself, sets the event that it was given when
    it is done, leaves it alone when it fails, and has one error for everything."""

    def __init__(self, key: VirtualKey, fails: int | None = None, waits: bool = False) -> None:
        self._key, self._fails, self._waits = key, fails, waits
        self.events: list[Event] = []

    def __call__(self, collector: DefaultClientDataCollector) -> Any:
        self._client = Fido2Client(self._key, collector, _Hello())
        return self

    def get_assertion(self, options: Any, event: Event) -> Any:
        self._may_fail(event)
        done = self._client.get_assertion(options)
        event.set()
        return done

    def make_credential(self, options: Any, event: Event) -> Any:
        self._may_fail(event)
        done = self._client.make_credential(options)
        event.set()
        return done

    def _may_fail(self, event: Event) -> None:
        self.events.append(event)
        if self._waits:
            assert event.wait(10)
            self._fails = 0x800704C7
        if self._fails is not None:
            cause = OSError("webauthn.dll")
            vars(cause)["winerror"] = self._fails - (1 << 32)  # as Python on Windows shows an HRESULT
            raise ClientError.ERR.OTHER_ERROR(cause)


def _desk(credential: AttestedCredentialData) -> Desk:
    desk = Desk()
    desk.offers = lambda sent: [webauthn_offer(sent, credential.credential_id), {"method": "totp"}]
    return desk


def test_windows_signs_and_its_own_end_does_not_count_as_giving_up() -> None:
    key = VirtualKey(pin="1234")
    desk, windows = _desk(enroll(key, "1234")), SoftwareWindows(key)
    with desk.client(methods=[WebAuthn(system=windows), Totp()]) as bank:
        assert bank.post("/transfers").status_code == 200
        assert bank.post("/transfers").status_code == 200
    assert desk.person.labels == [DIALOGUE]
    assert "authn_response" in desk.at("answer")[0].form


@pytest.mark.parametrize("code", [0x80090036, 0x800704C7])
def test_who_cancels_in_the_dialogue_of_windows_is_asked_nothing_else(code: int) -> None:
    key = VirtualKey(pin="1234")
    desk, windows = _desk(enroll(key, "1234")), SoftwareWindows(key, fails=code)
    with desk.client(methods=[WebAuthn(system=windows), Totp()]) as bank, pytest.raises(StepUpCancelled):
        bank.post("/transfers")
    assert desk.person.labels == [DIALOGUE]
    assert windows.events[0].is_set()  # or a thread of python-fido2 would wait for ever


@pytest.mark.parametrize("code", [0x80090011, 0x800705B4, 0x80070057])
def test_where_windows_cannot_the_code_is_asked_for(code: int) -> None:
    key = VirtualKey(pin="1234")
    desk, windows = _desk(enroll(key, "1234")), SoftwareWindows(key, fails=code)
    with desk.client(methods=[WebAuthn(system=windows), Totp()]) as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.person.labels == [DIALOGUE, CODE]


def test_a_key_that_windows_knows_already_is_named() -> None:
    key = VirtualKey(pin="1234")
    desk, windows = _desk(enroll(key, "1234")), SoftwareWindows(key, fails=0x8009000F)
    with desk.client(methods=[WebAuthn(system=windows)]) as bank, pytest.raises(NoMethodAvailable, match="already"):
        bank.post("/transfers")


def test_the_persons_time_ends_the_dialogue_of_windows() -> None:
    key = VirtualKey(pin="1234")
    desk, windows = _desk(enroll(key, "1234")), SoftwareWindows(key, waits=True)
    client = desk.client(methods=[WebAuthn(system=windows), Totp()], human_timeout=0.3)
    with client as bank, pytest.raises(StepUpTimeout):
        bank.post("/transfers")
    assert windows.events[0].is_set()
    assert CODE not in desk.person.labels


def test_without_windows_there_is_no_client_of_it_and_asking_for_it_breaks_nothing() -> None:
    if sys.platform != "win32":
        assert windows_client() is None


def test_on_windows_the_console_and_the_systems_keys_are_the_default() -> None:
    program = """
import sys
from upstile.client.methods import _security_keys
from upstile.client.prompts import _terminal
sys.platform = "win32"
_security_keys.windows_client = lambda: "system"
assert _security_keys.SecurityKeys(None, None)._system == "system"
assert _security_keys.SecurityKeys(list, None)._system is None
assert type(_terminal.TerminalPrompter()._screen).__name__ == "WindowsConsole"
"""
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603
