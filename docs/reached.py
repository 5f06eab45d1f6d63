"""Writes what sets of methods reach into `docs/methods.md`, by trying: `uv run python -m docs.reached`.

A server on a socket, the client SDK and its software security key; each cell is what a person got through to who had
these methods and no others at hand, asked for `phr` first, then for `mfa`, then for any proof.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from ssl import create_default_context
from tempfile import TemporaryDirectory
from threading import Event
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fido2.ctap import CtapDevice

from docs.generated import page_with
from examples.bank.person import AuthenticatorApp
from examples.bank.serving import serving
from upstile.client import Client, Method, NoMethodAvailable, Occasion, Otp, Password, RecoveryCode, Totp, Way, WebAuthn
from upstile.client.testing import Clock, ScriptedPrompter, VirtualKey
from upstile.server import App, Authentication, TokenResponse, methods
from upstile.server.fastapi import StepUp

PAGE = Path(__file__).parent / "methods.md"
BEGIN, END = "<!-- reached: made by trying -->", "<!-- reached: end -->"
KEY, APP = "a security key with its PIN", "an authenticator app"
MAIL, TEXT, CODES, PASSWORD = "a code by mail", "a code by text message", "recovery codes", "the password again"
SETS = (
    (KEY,),
    (APP,),
    (APP, MAIL),
    (APP, PASSWORD),
    (MAIL,),
    (TEXT,),
    (MAIL, TEXT),
    (MAIL, PASSWORD),
    (CODES,),
    (CODES, MAIL),
    (CODES, PASSWORD),
    (PASSWORD,),
)
"""What a person may have at hand."""
LOGINS: Mapping[str, tuple[Sequence[str], float]] = {
    "password of now": (["pwd"], 0),
    "password of 13 hours ago": (["pwd"], 13 * 3600),
    "no password": ([], 0),
}
"""Sign-ins: what the application says of them, and how many seconds ago they were."""
ASKED = {"phr": "`phr`", "mfa": "`mfa`", "any": "any proof"}
"""What routes ask, the strongest first, and what a cell calls it."""
_SECRET, _PIN = "correct horse", "2468"
_TLS = create_default_context()
"""One for all clients: to make it takes longer than a ceremony."""


def table() -> str:
    """The table, as it comes out now."""
    with reaching(opted_in=False) as usual, reaching(opted_in=True) as more:
        rows = [(" and ".join(have), *map(_cell, usual(have), more(have))) for have in SETS]
    head = f"| at hand | {' | '.join(LOGINS)} |\n|---{'|---' * len(LOGINS)}|"
    return "\n".join([BEGIN, head, *(f"| {' | '.join(row)} |" for row in rows), END])


@contextmanager
def reaching(*, opted_in: bool) -> Generator[Callable[[Sequence[str]], list[str]]]:
    """A deployment, and how to find out what a set of methods reaches there after each kind of sign-in.

    Args:
        opted_in: whether codes that are sent and recovery codes are to reach `mfa`.
    """
    clock, box = Clock(), list[str]()
    with TemporaryDirectory() as folder:
        make = lambda url: _deployment(url, folder, clock, box, opted_in=opted_in)  # noqa: E731
        with serving(make) as url:
            yield lambda have: _Person(url, clock, box, have).reaches()


def _deployment(url: str, folder: str, clock: Clock, box: list[str], *, opted_in: bool) -> FastAPI:
    def deliver(message: methods.CodeMessage) -> None:
        box.append(message.code)

    api = FastAPI()
    server = StepUp.embedded(
        url=url,
        storage=f"sqlite:///{folder}/reached.db",
        clients=[App("table")],
        methods=[
            *(methods.WebAuthn(), methods.Totp(), methods.RecoveryCodes(reaches_mfa=opted_in)),
            *(methods.EmailCode(deliver, reaches_mfa=opted_in), methods.SmsCode(deliver, reaches_mfa=opted_in)),
            methods.Password(lambda user, password: password == _SECRET),
        ],
        clock=clock,
        allow_insecure_loopback=True,
    )
    server.install(api)

    @api.post("/login")
    async def login(who: dict[str, Any], request: Request) -> TokenResponse:
        when = clock() - who["age"]
        return await server.start_session(who["user"], amr=who["amr"], request=request, auth_time=when)

    def guarded(name: str) -> None:
        guard = server.requirement(acr=None if name == "any" else name, max_age=60)

        @api.get(f"/{name}")
        async def reached(auth: Annotated[Authentication, Depends(guard)]) -> str:
            return auth.subject

    for name in ASKED:
        guarded(name)
    return api


class _Person(ScriptedPrompter):
    """Has some methods at hand, and answers by each as asked."""

    def __init__(self, url: str, clock: Clock, box: list[str], have: Sequence[str]) -> None:
        super().__init__(pin=_PIN, password=_SECRET)
        self._url, self._clock, self._box, self._have = url, clock, box, have
        self._app, self._key = AuthenticatorApp(clock), VirtualKey(pin=_PIN)
        self._method = ""

    def reaches(self) -> list[str]:
        """The strongest that is reached after each kind of sign-in."""
        kinds = {KEY: "webauthn", APP: "totp", MAIL: "otp", TEXT: "otp"}
        kinds |= {CODES: "recovery_code", PASSWORD: "password"}
        self._enrol()
        able = {kinds[name] for name in self._have}
        return [self._strongest(login, able) for login in LOGINS]

    def _enrol(self) -> None:
        """All of the set; recovery codes are never the first, so an authenticator app is, which is then lost."""
        new: dict[str, tuple[Method, str]] = {
            KEY: (WebAuthn(self._keys), "key"),
            APP: (Totp(), "phone"),
            MAIL: (Otp("ada@example.com"), "mail"),
            TEXT: (Otp("+43 660 1234512"), "text"),
            CODES: (RecoveryCode(), "paper"),
        }
        owned = {APP, *self._have} if CODES in self._have else {*self._have}
        with self._signed_in("password of now", {method.name for method in self._methods()}) as client:
            for name in new:  # the strongest first
                if name in owned:
                    client.authenticators.enroll(*new[name])

    def _strongest(self, login: str, able: set[str]) -> str:
        with self._signed_in(login, able) as client:
            for route, spoken in ASKED.items():
                self._clock.move(3600)  # no limit of an hour is in the way
                try:
                    client.get(f"/{route}").raise_for_status()
                except NoMethodAvailable:
                    continue
                return spoken
        return "nothing"

    @contextmanager
    def _signed_in(self, login: str, able: set[str]) -> Generator[Client]:
        usable = [method for method in self._methods() if method.name in able]
        amr, age = LOGINS[login]
        with Client(
            self._url,
            client_id="table",
            methods=usable,
            prompter=self,
            clock=self._clock,
            monotonic=self._clock,
            verify=_TLS,
        ) as client:
            client.sign_in("/login", json={"user": " + ".join(self._have), "amr": amr, "age": age})
            yield client

    def _methods(self) -> list[Method]:
        return [WebAuthn(self._keys), Totp(), Otp(), RecoveryCode(), Password()]

    def _keys(self) -> Sequence[CtapDevice]:
        return [self._key]

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way:
        """Take the first way."""
        self._method = way.method
        return way

    def enrolling(self, method: str) -> None:
        """Hear what is set up."""
        self._method = method

    def show_key_uri(self, uri: str) -> None:
        """Scan it."""
        self._app.scan(uri)

    def code(self, label: str, cancel: Event) -> str:
        """Read it where it stands."""
        if self._method == "otp":
            return self._box[-1]
        if self._method == "recovery_code":
            first, *rest = self.recovery_codes
            self.recovery_codes = rest
            return first
        self._clock.move(self._app.until_fresh())
        return self._app.read()


def _cell(usual: str, opted_in: str) -> str:
    return usual if usual == opted_in else f"{usual}; opted in {opted_in}"


if __name__ == "__main__":
    PAGE.write_text(page_with(table(), PAGE.read_text()))
