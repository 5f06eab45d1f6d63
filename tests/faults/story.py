"""Ada's evening at the bank by her own app, while a node is killed and both databases are restarted."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx

from faults.phases import Phase, Step
from faults.watched import Exchange, Watched
from support.clocks import SharedClock
from support.front import Front
from support.nodes import Node
from support.postgres import PostgresServer
from support.redis_server import RedisServer
from support.totp import code_at, seed_in
from upstile.client import Client, Method, StepUpError, Totp, WebAuthn
from upstile.client.testing import ScriptedPrompter, VirtualKey

PASSWORD = {"username": "ada", "password": "correct horse"}
_RESTARTS: dict[Step, tuple[str, int]] = {"second": ("/challenge", 403), "close": ("/challenge", 200)}


@dataclass(kw_only=True)
class Row:
    """What came of a phase.

    Attributes:
        unaided: whether the app finished the step by itself.
        waited: whether it waited for the claim of the node that died.
        said: what the app was told, where it was told anything.
        codes: how many codes the person typed in the step, a wrong one included.
        attempts_left: what the person was told after wrong answers.
    """

    phase: Phase
    unaided: bool = True
    waited: bool = False
    said: str = ""
    codes: int = 0
    attempts_left: list[int] = field(default_factory=list[int])


class Story:
    """One evening.

    Args:
        front: the address of three nodes.
        clock: theirs and the app's.
        phase: where one of them is killed.
        postgres, redis: restarted on the way.
    """

    def __init__(
        self, front: Front, clock: SharedClock, phase: Phase, postgres: PostgresServer, redis: RedisServer
    ) -> None:
        self.front = front
        self.clock = clock
        self.row = Row(phase=phase)
        self.watched = Watched(self._hear)
        self._postgres = postgres
        self._redis = redis
        self._seed = b""
        self._codes = 0
        self._mistakes = 0
        self._step: Step | None = None
        self._struck: Node | None = None
        self._to_restart = dict(_RESTARTS)
        self._key = VirtualKey(pin="1234")
        self._methods: list[Method] = [WebAuthn(lambda: [self._key]), Totp()]
        self._person = _Person(self._code, self._scan, pin="1234")
        self.client = Client(
            front.url,
            client_id="bank-cli",
            prompter=self._person,
            methods=self._methods,
            clock=clock,
            transport=self.watched,
        )

    def tell(self, after: Callable[["Story", Step], None]) -> Row:
        """All of it; `after` looks at what each step has left behind."""
        steps: dict[Step, Callable[[], None]] = {
            "sign in": self.sign_in,
            "enrol": lambda: self._enrol("totp"),
            "transfer": self._transfer,
            "second": lambda: self._enrol("webauthn"),
            "close": self._close,
            "sign out": self._sign_out,
        }
        with self.client:
            for step, act in steps.items():
                self._do(step, act)
                after(self, step)
        assert self._struck is not None, "the phase was never reached"
        assert not self._to_restart, f"not restarted: {self._to_restart}"
        assert [node.lives for node in self.front.nodes].count(False) == 1
        return self.row

    def sign_in(self) -> None:
        """The app's own sign-in."""
        self.client.sign_in("/login", json=PASSWORD)

    def _do(self, step: Step, act: Callable[[], None]) -> None:
        """Do a step; the person does it again once, if the app says that it was lost."""
        phase, self._step = self.row.phase, step
        its = phase.step == step
        self._codes, self._mistakes = 0, int(its and phase.wrong)
        self._person.attempts_left.clear()
        if its and phase.reply is None:
            self._strike()
        before = len(self.watched.seen)
        try:
            act()
        except (StepUpError, httpx.TransportError) as error:
            if not its:  # nothing was killed here
                raise
            self.row.said = _sentence(error)
            self.row.unaided = False
            act()
        if its:
            self.row.waited = any(exchange.status == 429 for exchange in self.watched.seen[before:])
            self.row.codes, self.row.attempts_left = self._codes, list(self._person.attempts_left)

    def _hear(self, exchange: Exchange) -> None:
        """An exchange is over, and the app does not know it yet."""
        if exchange.status is None and self._struck is not None:
            self._struck.await_end()  # a process that is dying may still take connections
        if exchange.status is None or self._step is None:
            return
        phase = self.row.phase
        its = phase.step == self._step and phase.reply is not None and exchange.meets(*phase.reply)
        if its and phase.fault is None and self._struck is None:
            self._strike()
        if exchange.method == "POST" and "/stepup/" in exchange.url:
            self.front.move()
        if its and phase.fault is not None and self._struck is None:
            self._strike()
        restart = self._to_restart.get(self._step)
        if restart is not None and exchange.meets("POST", *restart):
            del self._to_restart[self._step]
            self._restart()

    def _strike(self) -> None:
        self._struck = self.front.node
        if self.row.phase.fault is None:
            self._struck.kill()
        else:
            self._struck.arm(self.row.phase.fault)

    def _restart(self) -> None:
        if self._step == "second":
            self._redis.kill()
            self._redis.start()
        else:
            self._postgres.stop()
            self._postgres.start()

    def _code(self) -> str:
        self._codes += 1
        if self._mistakes:
            self._mistakes -= 1
            return "000000"
        self.clock.now += 30
        return code_at(self._seed, int(self.clock()) // 30)

    def _scan(self, uri: str) -> None:
        self._seed = seed_in(parse_qs(urlsplit(uri).query)["secret"][0])

    def _enrol(self, method: str) -> None:
        """Add an authenticator, unless it is there: the person looks before they do it again."""
        if method not in self.active():
            chosen = next(each for each in self._methods if each.name == method)
            self.client.authenticators.enroll(chosen, "new")

    def active(self) -> list[str]:
        """The methods of the authenticators that can be used."""
        found = self.client.authenticators.list()
        return sorted(each.method for each in found if each.state == "active")

    def _transfer(self) -> None:
        self.client.post("/transfers", json={"to": "ACME", "amount": "1.00"}).raise_for_status()

    def _close(self) -> None:
        self.client.delete("/account").raise_for_status()

    def _sign_out(self) -> None:
        base = self.client.step_up_auth.session.tokens.current().base
        assert base is not None
        form = {"token": base.access_token, "client_id": "bank-cli"}
        self.client.post("/stepup/revoke", data=form, auth=httpx.Auth()).raise_for_status()


class _Person(ScriptedPrompter):
    def __init__(self, code: Callable[[], str], scan: Callable[[str], None], *, pin: str) -> None:
        super().__init__(code, pin=pin)
        self._scan = scan

    def show_key_uri(self, uri: str) -> None:
        self._scan(uri)


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, StepUpError) else "the response was lost"


def replied(exchange: Exchange) -> dict[str, str]:
    """The members of a reply."""
    members: dict[str, str] = json.loads(exchange.reply)
    return members
