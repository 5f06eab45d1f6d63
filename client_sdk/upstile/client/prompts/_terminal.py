"""The person at the terminal: asked on the terminal itself, never on stdout, never through a pipe.

What others say, the API and its authorization server, stands on rows of its own behind a bar. No such row is longer
than the terminal is wide, so none goes on where our words begin.
"""

import sys
from collections.abc import Sequence
from math import ceil
from threading import Event
from time import monotonic

from upstile.client._text import harmless, rows
from upstile.client.prompts._key_uri import in_half_blocks, is_key_uri, picture_of, secret_in
from upstile.client.prompts._posix import PosixTerminal
from upstile.client.prompts._prompter import Occasion, Way
from upstile.client.prompts._screen import Above, Screen, in_colour
from upstile.client.prompts._windows import WindowsConsole
from upstile.client.prompts._wishes import AnotherWay, SendAgain
from upstile.client.words import codes_left, shown, wrong
from upstile.protocol import plain_code

_BAR = "  │ "
_BOLD, _DIM = "1", "2"
_AGAIN, _ANOTHER = "r", "?"
"""What may be typed instead of an answer: neither can be a code, a PIN or a password."""
_SAVED = "saved"


class TerminalPrompter:
    """Asks on the terminal that the person sits at, whatever stdin and stdout are connected to.

    That is `/dev/tty`, on Windows the console. Without one, or in the background, it raises `NoMethodAvailable`.

    Args:
        device: another terminal.
        screen: another way to write and read, for tests.
    """

    def __init__(self, device: str | None = None, *, screen: Screen | None = None) -> None:
        self._screen = screen or (PosixTerminal(device) if device else _own_screen())
        self._next_code_at: float | None = None
        self._began = self._others = False
        self._method: str | None = None
        self._occasion: Occasion | None = None
        self._again_at: float | None = None

    def opened(self, cancel: Event) -> None:
        """There must be a terminal before anything is begun on a server."""
        self._screen.columns()
        self._occasion = None
        self._going(None)

    def ended(self, cancel: Event) -> None:
        """Nothing stands on the terminal that would have to go."""

    def ask(self, label: str, *, hidden: bool = False) -> str:
        """Ask for something of the app's own, such as a name or a password at its sign-in, as a ceremony's are asked.

        Args:
            label: what is asked for.
            hidden: whether what is typed stays unseen.

        Raises:
            NoMethodAvailable: there is no terminal.
            StepUpCancelled: the person has closed it (Ctrl-D).
        """
        return self._ask(f"{harmless(label) or ''}: ", Event(), hidden=hidden)

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way:
        """Say why, and offer to change the way."""
        self._began = True
        if occasion != self._occasion:  # who changes the way has read it already
            self._occasion = occasion
            self._tell(f"{occasion.server} asks {occasion.app} to confirm it is you.", indent="", style=_BOLD)
            self._quote("Account:", occasion.account)
            self._quote("The service says:", occasion.reason)
        if not others:
            self._tell(f"Continuing with {way.words}.")
            self._going(way)
            return way
        choices = {"": way}
        for number, each in enumerate((way, *others), 1):
            self._tell(f"{number} {each.words}")
            choices |= {str(number): each, each.id: each}
        while True:
            answer = self._ask("  Continuing with 1; Enter, or change with a number: ", cancel, hidden=False).strip()
            if answer in choices:
                self._going(choices[answer], others=True)
                return choices[answer]

    def enrolling(self, method: str) -> None:
        """Note what is set up: it has no other ways."""
        self._method = method

    def next_code(self, seconds: float) -> None:
        """Count down above the next question."""
        self._next_code_at = monotonic() + seconds

    def code(self, label: str, cancel: Event) -> str:
        """Ask for a one-time code; it is shown while it is typed, because it is good once."""
        while True:
            code = self._ask(f"  {label}: ", cancel, hidden=False, above=self._above()).strip()
            self._heed(code)
            if code.lower() == _AGAIN and self._again_at is not None:
                if (left := ceil(self._again_at - monotonic())) <= 0:
                    raise SendAgain
                self._tell(shown("not-yet", seconds=left))
            elif plain_code(code):
                return code

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """Ask for a PIN, unseen."""
        left = "" if retries is None else f" ({retries} tries left)"
        pin = self._ask(f"  {label}{left}: ", cancel, hidden=True, above=self._above())
        self._heed(pin)
        return pin

    def password(self, label: str, cancel: Event) -> str:
        """Ask for a password, unseen."""
        while True:
            password = self._ask(f"  {label}: ", cancel, hidden=True, above=self._above())
            self._heed(password)
            if password:
                return password

    def sent(self, way: Way, again_in: float | None) -> None:
        """Say that a code was sent, and offer to send it again."""
        self._again_at = None if again_in is None else monotonic() + again_in
        self._tell(shown("sent", what=way.words))

    def not_sent(self, way: Way) -> None:
        """Say that none could be sent."""
        self._tell(shown("not-sent", what=way.words))

    def show_codes(self, codes: Sequence[str], cancel: Event) -> None:
        """Show recovery codes in a block of their own, until the person says that they are saved."""
        self._tell(f"{shown('your-codes')} {shown('save-codes')}")
        self._say("\n".join(["", *(f"    {code}" for code in codes), ""]))
        while self._ask(f"  {shown('type-saved')}: ", cancel, hidden=False).strip().strip('"').lower() != _SAVED:
            continue

    def codes_left(self, left: int) -> None:
        """Say how many recovery codes are left."""
        self._tell(codes_left(left))

    def touch(self, label: str) -> None:
        """Say that a key waits."""
        self._tell(label)

    def show_key_uri(self, uri: str) -> None:
        """Show the key URI: as text, its secret to type, and with the extra `qr` as a picture to scan."""
        if not is_key_uri(uri):
            self._tell("The key URI is malformed.")
            return
        self._say(f"  Add this to your authenticator app: {uri}")
        if secret_in(uri):
            self._say(f"  or type this secret: {secret_in(uri)}")
        picture = picture_of(uri)
        if picture is None:
            return
        if len(picture[0]) > self._screen.columns():
            self._tell(f"(A window of {len(picture[0])} columns has room for a picture to scan.)")
            return
        self._say("\n".join(["  or scan this:", *in_half_blocks(picture)]))

    def show_page(self, url: str, opened: bool) -> None:
        """Show where to go on, on a row of its own and in one piece, for it is clicked or copied."""
        self._tell(shown("page-opened" if opened else "page-to-open"))
        self._say(f"\n{url}\n")
        self._tell("Go on there; this waits for you. Ctrl-C gives up.")

    def pasted(self, cancel: Event) -> str:
        """Ask for the address that the browser ended at."""
        return self._ask(f"  {shown('paste-address')}: ", cancel, hidden=False)

    def rejected(self, attempts_left: int) -> None:
        """Say that the answer was wrong."""
        self._tell(wrong(self._method, attempts_left))

    def finished(self, accepted: bool) -> None:
        """Say how it ended; a failure before anybody was asked is the app's to tell."""
        began, self._began, self._occasion = self._began, False, None
        if accepted or began:
            self._tell("Confirmed." if accepted else "Not confirmed.")

    def _going(self, way: Way | None, *, others: bool = False) -> None:
        """Note the way that is gone now, and whether there are others."""
        self._method, self._others, self._again_at = None if way is None else way.method, others, None

    def _heed(self, answer: str) -> None:
        if answer == _ANOTHER and self._others:
            raise AnotherWay

    def _above(self) -> Above | None:
        """What stands above the next question: how long to wait, and what else may be typed."""
        next_at, self._next_code_at, again_at = self._next_code_at, None, self._again_at
        if next_at is None and again_at is None and not self._others:
            return None

        def said() -> str:
            again = [] if again_at is None else [f"{_AGAIN} = {_sending_again(again_at)}"]
            another = [f"{_ANOTHER} = {shown('another-way')}"] if self._others else []
            commands = [f"({', '.join([*again, *another])})"] if again or another else []
            return " ".join(["", *([] if next_at is None else [_counting_down(next_at)]), *commands])

        return lambda: f" {said()}"

    def _quote(self, whose: str, text: str | None) -> None:
        """What somebody else says, row by row behind a bar."""
        clean = harmless(text)
        if clean is None:
            return
        self._tell(whose)
        self._tell(clean, indent=_BAR)

    def _tell(self, text: str, *, indent: str = "  ", style: str = "") -> None:
        """Write harmless words, in rows that the terminal does not have to break."""
        for row in rows(text, self._screen.columns() - len(indent) - 1):
            self._say(f"{_styled(indent, _DIM)}{_styled(row, style)}")

    def _say(self, text: str) -> None:
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        self._screen.write(text)

    def _ask(self, prompt: str, cancel: Event, *, hidden: bool, above: Above | None = None) -> str:
        return self._screen.ask(prompt, cancel, hidden=hidden, above=above)


def _own_screen() -> Screen:
    return WindowsConsole() if sys.platform == "win32" else PosixTerminal()


def _counting_down(at: float) -> str:
    left = ceil(at - monotonic())
    return shown("next") if left <= 0 else shown("used", seconds=left)


def _sending_again(at: float) -> str:
    left = ceil(at - monotonic())
    return shown("again") if left <= 0 else shown("again-in", seconds=left)


def _styled(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style and text.strip() and in_colour() else text
