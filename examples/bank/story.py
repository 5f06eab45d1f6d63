"""What happens in the demo, step by step, and what must come out of each step."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import httpx
from fido2.ctap import CtapDevice
from fido2.hid import CtapHidDevice

from examples.bank.app import BankApp
from examples.bank.mail_server import Inbox
from examples.bank.narration import Exchange, Narrator
from examples.bank.page import Page
from examples.bank.person import PIN, PersonAtTheTerminal, ScriptedPerson
from upstile.client import Method, Otp, RecoveryCode, StepUpError, Totp, WebAuthn
from upstile.client.testing import Clock, VirtualKey

PASSWORD = "correct horse"
_CEREMONY = ["POST /stepup/challenge 403", "POST /stepup/challenge 200", "POST /stepup/token 200"]
_TWO_ANSWERS = ["POST /stepup/challenge 403", *_CEREMONY]
_METADATA = ["GET /.well-known/oauth-protected-resource 200", "GET /.well-known/oauth-authorization-server 200"]
_ADDING = [*_CEREMONY, "POST /stepup/authenticators 201", "POST /stepup/authenticators/… 200"]
_REMOVED = ["DELETE /stepup/authenticators/… 401", "DELETE /stepup/authenticators/… 204"]
_BUSY = 503
"""What a bank on a busy machine says to the start of a ceremony; the client waits a moment and asks again."""
_CHANGING = (
    "The transfer just now asked nobody, this does: changing authenticators takes the scope “authenticators” "
    "and a proof no older than a minute."
)
_A_WAY_BACK = (
    "A mailed code alone is weak, and would not do here. A recovery code does, because the bank says so: "
    "RecoveryCodes(reaches_mfa=True). Within the same minute nobody is asked again."
)

_HOW_TO_READ = (
    "Each line with a status is one HTTP exchange between the app and the bank. In steps 2 to 7 the app's own code "
    "makes one call: all that comes between its 401 and its 200 is upstile."
)
_DEMO = "uv run --only-group demo python -m examples.bank"
_NEXT = (
    ("Be Ada yourself, with the authenticator app on your phone:", f"{_DEMO} --interactive"),
    ("Leave the bank running, and ask it with curl:", f"{_DEMO} --serve"),
    ("Read the bank and its app, two short files:", "examples/bank/api.py  examples/bank/app.py"),
    ("Make your own, from two files to paste:", "README.md, “Your own, in two files”"),
)


class StoryWentWrong(Exception):
    """A step did not end as told."""


class Story:
    """Ada's evening at the bank.

    Args:
        page: where it is told.
        narrator: has seen the exchanges.
        url: the bank.
        clock: the bank's and the app's.
        inbox: Ada's mails.
        interactive: whether you are Ada.
    """

    def __init__(
        self, page: Page, narrator: Narrator, url: str, clock: Clock, inbox: Inbox, *, interactive: bool
    ) -> None:
        self._page = page
        self._steps = 0
        self._narrator = narrator
        self._url = url
        self._clock = clock
        self._interactive = interactive
        self._connected: list[CtapDevice] = list(CtapHidDevice.list_devices()) if interactive else []
        self._software_key = VirtualKey(pin=PIN)
        self._person = (
            PersonAtTheTerminal(own_key=bool(self._connected)) if interactive else ScriptedPerson(page, clock, inbox)
        )
        self._methods: list[Method] = [Totp(), WebAuthn(self._keys), Otp(), RecoveryCode()]
        self._app = self._open_app()

    def tell(self) -> None:
        """All of it; raises `StoryWentWrong`."""
        who = "you are Ada" if self._interactive else "unattended: a software key and computed codes stand in for Ada"
        self._page.say(f"[bold]A bank at {self._url}[/] ({who})")
        self._page.say(f"[dim]{_HOW_TO_READ}[/]")
        try:
            self._sign_in_and_enrol()
            self._transfers()
            self._more_ways()
            self._lost_phone()
            self._payouts()
            self._later()
            self._closing()
        finally:
            self._person.leave()
            self._app.client.close()
        self._page.say("\n[green bold]Every step ended as told.[/]")
        self._say_what_next()

    def _say_what_next(self) -> None:
        self._page.say("\n[bold]What to try next[/]")
        for what, how in _NEXT[self._interactive :]:
            self._page.say(what, indent=2)
            self._page.verbatim(how, "cyan", indent=4)

    def _sign_in_and_enrol(self) -> None:
        self._step("Ada signs in with her password and reads the balance: no friction", self._sign_in)
        self._expect("POST /login 200", "GET /balance 200")
        self._aside(
            "She adds her authenticator app", self._totp, note="A fresh sign-in by this very app allows the first."
        )
        self._expect(*_METADATA, "POST /stepup/authenticators 201", "POST /stepup/authenticators/… 200")

    def _transfers(self) -> None:
        self._step("She sends money: the bank wants a second factor, at most 5 minutes old", self._transfer)
        self._expect("POST /transfers 401", *_CEREMONY, "POST /transfers 200")
        self._step("She sends money again: it is recent enough, nobody is asked", self._transfer)
        self._expect("POST /transfers 200")

    def _more_ways(self) -> None:
        self._aside("She adds her mail address: she is asked, by her app", self._add_mail, note=_CHANGING)
        self._expect("POST /stepup/authenticators 401", *_ADDING)
        self._aside("She makes recovery codes, for when the phone is gone", self._make_codes)
        self._expect("POST /stepup/authenticators 201", "GET /stepup/authenticators 200")

    def _lost_phone(self) -> None:
        self._aside("Her phone is lost. She signs in on another machine, which holds no proof", self._lose_phone)
        self._expect("POST /login 200", "GET /balance 200")
        self._step("She reads her statement: any proof will do, a code by mail is one", self._read_statement)
        self._expect("GET /statement 401", *_METADATA, *_TWO_ANSWERS, "GET /statement 200")
        self._aside("She adds her new phone: a recovery code confirms it", self._new_phone, note=_A_WAY_BACK)
        self._expect("POST /stepup/authenticators 401", *_ADDING)
        self._aside("She removes the lost one: whoever has it can do nothing with it", self._remove_lost_phone)
        self._expect("GET /stepup/authenticators 200", *_REMOVED)

    def _payouts(self) -> None:
        self._aside("She adds a security key", self._add_key)
        self._expect("POST /stepup/authenticators 201", "POST /stepup/authenticators/… 200")
        self._step("She changes where payouts go: only a security key will do", self._move_payouts)
        self._expect("PUT /payout-address 401", *_CEREMONY, "PUT /payout-address 200")

    def _later(self) -> None:
        if self._interactive:  # a real authenticator app knows the real time, so the clock stays
            self._aside("She signs in on another machine, which holds no recent proof", self._change_machine)
            self._expect("POST /login 200", "GET /balance 200")
            title = "There she sends money: she is asked again"
        else:
            self._clock.move(600)
            when = "Ten minutes later (the demo's clock is moved)"
            title = f"{when} she sends money: a wrong code, then the right one"
        self._person.mistakes = 1
        self._step(title, self._transfer)
        self._person.mistakes = 0
        self._expect("POST /transfers 401", *_METADATA, *_TWO_ANSWERS, "POST /transfers 200")

    def _closing(self) -> None:
        token = _Recorded(self._app)
        self._step("She closes the account: a proof for this very call, whose token serves once", token.close_account)
        self._expect("DELETE /account 401", *_CEREMONY, "DELETE /account 200")
        self._aside("Somebody sends that token again: it is used up", token.replay)
        self._expect("DELETE /account 401")

    def _sign_in(self) -> None:
        self._app.sign_in("ada", PASSWORD)
        self._app.balance()

    def _change_machine(self) -> None:
        self._app.client.close()
        self._app = self._open_app()
        self._sign_in()

    def _totp(self) -> None:
        self._app.client.authenticators.enroll(Totp(), "phone")

    def _add_mail(self) -> None:
        self._app.client.authenticators.enroll(Otp("ada@example.com"), "mail")

    def _make_codes(self) -> None:
        self._app.client.authenticators.enroll(RecoveryCode(), "paper")

    def _lose_phone(self) -> None:
        self._change_machine()
        self._person.lost_phone = True

    def _read_statement(self) -> None:
        self._app.statement()

    def _new_phone(self) -> None:
        self._app.client.authenticators.enroll(Totp(), "new phone")
        self._person.lost_phone = False

    def _remove_lost_phone(self) -> None:
        lost = next(entry for entry in self._app.client.authenticators.list() if entry.name == "phone")
        self._app.client.authenticators.remove(lost.id)

    def _add_key(self) -> None:
        self._app.client.authenticators.enroll(WebAuthn(self._keys), "blue key")

    def _transfer(self) -> None:
        self._app.transfer("ACME", "50.00")

    def _move_payouts(self) -> None:
        self._app.move_payouts("2 New Street")

    def _open_app(self) -> BankApp:
        return BankApp(
            self._url, prompter=self._person, methods=self._methods, clock=self._clock, monotonic=self._clock
        )

    def _keys(self) -> Sequence[CtapDevice]:
        """Your own security keys, if you are Ada and have one connected; else the software key."""
        return self._connected or [self._software_key]

    def _aside(self, title: str, act: Callable[[], Any], *, note: str = "") -> None:
        """What a step needs before it, or shows after it."""
        self._tell(f"(·) {title}", act, note)

    def _step(self, title: str, act: Callable[[], Any]) -> None:
        self._steps += 1
        self._tell(f"({self._steps}) {title}", act, "")

    def _tell(self, title: str, act: Callable[[], Any], note: str) -> None:
        self._page.check()
        self._page.say(f"\n[bold]{title}[/]")
        if note:
            self._page.say(f"[dim]{note}[/]", indent=2)
        self._person.asked.clear()
        began = perf_counter()
        self._act(act)
        self._page.say(f"[dim]took {perf_counter() - began:.2f} s[/]", indent=2)

    def _act(self, act: Callable[[], Any]) -> None:
        """Do it, again as long as you want to: a mistyped code or a slow answer need not end the demo."""
        while True:
            try:
                act()
            except StepUpError as error:
                if not self._person.tries_again(error.diagnostics()):
                    raise
                self._app.sign_in("ada", PASSWORD)  # too many wrong codes, or too much time, cost the sign-in
            else:
                return

    def _expect(self, *expected: str) -> None:
        """Compare with what the bank saw; if you were asked, the way was yours and only its two ends count.

        Who takes their time is asked where the script is not, so how it began may differ, too.
        """
        taken = self._narrator.taken()
        seen = [_shortened(exchange) for exchange in taken if exchange.status != _BUSY]
        told = list(expected)
        went_your_way = self._interactive and self._person.asked
        if seen != told and not (went_your_way and _ends(seen) == _ends(told)):
            raise StoryWentWrong(f"expected {', '.join(expected)}; saw {', '.join(seen)}")


class _Recorded:
    """Remembers the headers of the last call, as somebody who watched the app would."""

    def __init__(self, app: BankApp) -> None:
        self._app = app
        self._headers = httpx.Headers()
        app.client.event_hooks["request"].append(self._watch)

    def close_account(self) -> None:
        """Close the account."""
        self._app.close_account()

    def replay(self) -> None:
        """Send the same token again, with a proof of the app's key that is fresh."""
        scheme, _, token = self._headers["authorization"].partition(" ")
        url = str(self._app.client.build_request("DELETE", "/account").url)
        proof = self._app.client.step_up_auth.session.key.proof("DELETE", url, token)
        reply = httpx.delete(url, headers={"Authorization": f"{scheme} {token}", "DPoP": proof})
        problem = reply.json()["type"]
        if (reply.status_code, problem) != (401, "urn:upstile:problem:token-used"):
            raise StoryWentWrong(f"the used token was answered {reply.status_code} {problem}")

    def _watch(self, request: httpx.Request) -> None:
        self._headers = request.headers.copy()


def _ends(exchanges: Sequence[str]) -> tuple[str, str]:
    """What was called first, whatever its status, and how it ended."""
    return exchanges[0].rpartition(" ")[0], exchanges[-1]


def _shortened(exchange: Exchange) -> str:
    head, found, _ = exchange.path.partition("/stepup/authenticators/")
    path = f"{head}/stepup/authenticators/…" if found else exchange.path
    return f"{exchange.method} {path} {exchange.status}"
