"""The person in the demo: a scripted one who reads codes from a computed app, or the one at the terminal."""

import hmac
import os
import sys
from base64 import b32decode
from collections.abc import Sequence
from threading import Event
from urllib.parse import parse_qs, urlsplit

from rich.markup import escape

from examples.bank.mail_server import Inbox
from examples.bank.page import Page
from upstile.client import Occasion, Otp, RecoveryCode, TerminalPrompter, Totp, Way
from upstile.client.testing import Clock

PIN = "2468"
_PERIOD = 30


class AuthenticatorApp:
    """An authenticator app in software (RFC 6238): it scans a key URI and shows codes; each is to be used once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seed = b""
        self._used = -1

    def scan(self, uri: str) -> None:
        """Take the seed out of a key URI."""
        secret = parse_qs(urlsplit(uri).query)["secret"][0]
        self._seed = b32decode(secret + "=" * (-len(secret) % 8))
        self._used = -1

    def until_fresh(self) -> float:
        """Seconds until it shows a code that was not used; 0 if it does."""
        return max(0.0, (self._used + 1) * _PERIOD - self._clock())

    def read(self) -> str:
        """The code that it shows now, to be used."""
        self._used = self._step()
        return self._code(self._used)

    def _step(self) -> int:
        return int(self._clock()) // _PERIOD

    def _code(self, step: int) -> str:
        mac = hmac.digest(self._seed, step.to_bytes(8, "big"), "sha1")
        start = mac[-1] & 15
        return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


class ScriptedPerson:
    """Ada, unattended: types codes from a computed app, her mails and her paper, and the PIN of a software key.

    Args:
        page: where it is said.
        clock: the demo's clock; moved when a code was used and the next one is not there yet.
        inbox: her mails.

    Attributes:
        mistakes: how often she types a wrong code before the right one.
        lost_phone: whether she answers in another way than by the app on it.
        asked: what she was asked for.
    """

    def __init__(self, page: Page, clock: Clock, inbox: Inbox) -> None:
        self._page = page
        self._clock = clock
        self._inbox = inbox
        self._app = AuthenticatorApp(clock)
        self._paper: list[str] = []
        self._method = ""
        self.lost_phone = False
        self.mistakes = 0
        self.asked: list[str] = []

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way:
        """Hear why."""
        self._say(f"{occasion.server} asks {occasion.app} as {occasion.account}: “{occasion.reason}”")
        chosen = others[0] if self.lost_phone and way.method == Totp.name and others else way
        self._say(f"continuing with {chosen}" if chosen is way else f"changes from {way} to {chosen}")
        self._method = chosen.method
        return chosen

    def enrolling(self, method: str) -> None:
        """Hear what is set up."""
        self._method = method

    def code(self, label: str, cancel: Event) -> str:
        """Type a code: a wrong one as often as the script says, then the right one."""
        self.asked.append("code")
        if self.mistakes:
            self.mistakes -= 1
            self._say(f"{label}: types a wrong one")
            return "000000"
        if self._method == Otp.name:
            return self._typed(label, self._inbox.code(), "from the mail")
        if self._method == RecoveryCode.name:
            return self._typed(label, self._paper.pop(0), "the first on her paper, and crossed out there")
        if self._app.until_fresh():
            self._clock.move(_PERIOD)
            self._say("the code was used already; the demo's clock moves 30 s so that the app shows the next one")
        return self._typed(label, self._app.read(), "computed, not a phone")

    def show_codes(self, codes: Sequence[str], cancel: Event) -> None:
        """Write them down."""
        self._paper = list(codes)
        self._say(f"writes down {len(codes)} recovery codes: ••••-••••-••••-••••, …")

    def codes_left(self, left: int) -> None:
        """Hear how many are left."""
        self._say(f"“Recovery codes left: {left}.”")

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """Type the PIN."""
        self.asked.append("pin")
        self._say(f"{label}: types •••• ({retries} tries left)")
        return PIN

    def touch(self, label: str) -> None:
        """Touch the software key."""
        self.asked.append("touch")
        self._say(f"{label} (a software key: touched by itself)")

    def show_key_uri(self, uri: str) -> None:
        """Scan the key URI."""
        self._app.scan(uri)
        self._say("scans otpauth://totp/Bank:…?secret=••• with the computed authenticator app")

    def rejected(self, attempts_left: int) -> None:
        """Hear that it was wrong."""
        self._say(f"“That was not right. Attempts left: {attempts_left}.”")

    def finished(self, accepted: bool) -> None:
        """Hear how it ended."""
        self._say("confirmed" if accepted else "not confirmed")

    def tries_again(self, why: str) -> bool:
        """Never: what the script says must go well."""
        return False

    def leave(self) -> None:
        """Nothing is under way."""

    def _typed(self, label: str, code: str, note: str) -> str:
        self._say(f"{label}: types •••••• ({note})")
        return code

    def _say(self, text: str) -> None:
        self._page.say(f"[cyan]Ada[/] [dim]·[/] {escape(text)}", indent=9)


class PersonAtTheTerminal(TerminalPrompter):
    """You: asked on the terminal, with a picture where one helps.

    Args:
        own_key: whether you have a security key connected.
        device: the terminal.
    """

    def __init__(self, *, own_key: bool, device: str = "/dev/tty") -> None:
        super().__init__(device)
        self.own_key = own_key
        self.lost_phone = False
        self.mistakes = 0
        self.asked: list[str] = []
        self._scanned_one = False
        self._idle = Event()
        self._idle.set()

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way:
        """Say why, and hint at the mistake that the script has in mind; a key leaves no room for it."""
        self._idle.clear()
        self.asked.append("method")
        chosen = super().begin(occasion, way, others, cancel)
        if self.mistakes and chosen.method == Totp.name:
            self._say("  (Try a wrong code first, if you like.)")
        return chosen

    def code(self, label: str, cancel: Event) -> str:
        """Ask for a code."""
        self.asked.append("code")
        return super().code(label, cancel)

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """Ask for the PIN; that of the software key is told."""
        self.asked.append("pin")
        hint = "" if self.own_key else f" (this demo's software key: {PIN})"
        return super().pin(label + hint, retries, cancel)

    def touch(self, label: str) -> None:
        """Say that the key waits."""
        self.asked.append("touch")
        super().touch(label if self.own_key else f"{label} (a software key: touched by itself)")

    def show_key_uri(self, uri: str) -> None:
        """Show it, and say that an earlier one is of no use any more."""
        if self._scanned_one:
            self._say("  (This is a new secret: the earlier entry in your app is of no use any more.)")
        self._scanned_one = True
        super().show_key_uri(uri)

    def finished(self, accepted: bool) -> None:
        """Say so if it went well; if not, the demo says how it goes on."""
        if accepted:
            super().finished(accepted)
        self._idle.set()

    def tries_again(self, why: str) -> bool:
        """Say why a step did not go through, and wait until you are ready for another try."""
        self.asked.append("again")
        self._say(f"  {why}")
        self._ask("  Enter tries this step again, after a new sign-in (Ctrl-C ends the demo): ", Event(), hidden=False)
        return True

    def leave(self) -> None:
        """Wait until a prompt that was cancelled has put the terminal right again (a PIN is typed unseen)."""
        self._idle.wait(1)


def at_a_terminal() -> bool:
    """Whether somebody sits there who can be asked, and reads what is printed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return sys.stdout.isatty()
