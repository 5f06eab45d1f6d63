"""Both halves over a real socket: what is counted, what is shared, what is refused before anybody is asked."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from support.bank_server import BankServer
from support.totp import code_at, seed_in
from upstile.client import (
    AsyncClient,
    CeremonyFailed,
    Client,
    NoMethodAvailable,
    Requirement,
    StepUpCancelled,
    StepUpRequired,
    TerminalPrompter,
    Totp,
    UnreplayableBody,
    WebAuthn,
)
from upstile.client.testing import ScriptedPrompter, VirtualKey

ORDER = {"to": "ACME", "amount": "1.00"}
STEP_UP = [
    ("POST", "/transfers", 401),
    ("POST", "/stepup/challenge", 403),
    ("POST", "/stepup/challenge", 200),
    ("POST", "/stepup/token", 200),
    ("POST", "/transfers", 200),
]


class Ada:
    """A person with an authenticator app, a security key, and the bank's apps."""

    def __init__(self, bank: BankServer) -> None:
        self.bank = bank
        self.seed = b""
        self.key = VirtualKey(pin="1234")
        self.person = ScriptedPrompter(self.fresh_code, pin="1234")

    def fresh_code(self) -> str:
        """A code that was not used yet."""
        self.bank.clock.ahead += 30
        return code_at(self.seed, int(self.bank.clock()) // 30)

    def options(self, **changed: Any) -> dict[str, Any]:
        """The options of her app."""
        methods = [Totp(), WebAuthn(lambda: [self.key])]
        return {
            "client_id": "bank-cli",
            "prompter": self.person,
            "methods": methods,
            "clock": self.bank.clock,
            **changed,
        }

    @contextmanager
    def app(self, **changed: Any) -> Generator[Client]:
        """Her app, signed in, with an authenticator app enrolled and metadata warm."""
        with Client(self.bank.url, **self.options(**changed)) as client:
            client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            if not self.seed:
                self.enroll(client)
            client.authenticators.list()
            self.bank.exchanges.clear()
            yield client

    def enroll(self, client: Client) -> None:
        """Enrol the authenticator app."""
        asked, client.step_up_auth.session.prompter = client.step_up_auth.session.prompter, _Scanner(self)
        client.authenticators.enroll(Totp(), "phone")
        client.step_up_auth.session.prompter = asked


class _Scanner(ScriptedPrompter):
    def __init__(self, ada: Ada) -> None:
        super().__init__(ada.fresh_code)
        self._ada = ada

    def show_key_uri(self, uri: str) -> None:
        self._ada.seed = seed_in(parse_qs(urlsplit(uri).query)["secret"][0])


@pytest.fixture
def ada(bank_server: BankServer) -> Ada:
    return Ada(bank_server)


def test_a_step_up_takes_five_exchanges_with_warm_metadata(ada: Ada) -> None:
    with ada.app() as client:
        assert client.post("/transfers", json=ORDER).status_code == 200
        assert ada.bank.exchanges == STEP_UP


def test_a_cold_one_takes_seven_and_one_that_asks_ahead_four(ada: Ada) -> None:
    with ada.app():
        pass
    with Client(ada.bank.url, **ada.options()) as client:
        client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
        ada.bank.exchanges.clear()
        client.post("/transfers", json=ORDER).raise_for_status()
        assert len(ada.bank.exchanges) == 7
        ada.bank.clock.ahead += 301
        ada.bank.exchanges.clear()
        client.post("/transfers", json=ORDER, extensions={}).raise_for_status()
        ada.bank.clock.ahead += 301
        ada.bank.exchanges.clear()
        ahead = Requirement(acr="mfa", max_age=300, scope="payments")
        client.request("POST", "/transfers", json=ORDER, step_up=ahead).raise_for_status()
        assert ada.bank.exchanges == STEP_UP[1:]


def test_a_login_of_this_very_second_can_step_up(ada: Ada) -> None:
    with ada.app() as client:
        client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
        assert client.post("/transfers", json=ORDER).status_code == 200


def test_a_security_key_is_enrolled_and_used(ada: Ada) -> None:
    with ada.app() as client:
        entry = client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "blue key")
        assert (entry.method, entry.state) == ("webauthn", "active")
        assert client.put("/payout-address", json={"address": "x"}).status_code == 200
        assert [kept.method for kept in client.authenticators.list()] == ["totp", "webauthn"]


def test_a_call_for_itself_alone_is_asked_for_each_time(ada: Ada) -> None:
    with ada.app() as client:
        assert [client.delete("/account").status_code for _ in range(2)] == [200, 200]
        assert len(ada.person.occasions) == 2


def test_ten_threads_cause_one_prompt(ada: Ada) -> None:
    with ada.app() as client, ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: client.post("/transfers", json=ORDER).status_code, range(10)))
    assert replies == [200] * 10
    assert len(ada.person.occasions) == 1


def test_ten_tasks_cause_one_prompt(ada: Ada) -> None:
    with ada.app():
        pass

    async def main() -> list[int]:
        async with AsyncClient(ada.bank.url, **ada.options()) as client:
            await client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            replies = await asyncio.gather(*(client.post("/transfers", json=ORDER) for _ in range(10)))
            return [reply.status_code for reply in replies]

    assert asyncio.run(main()) == [200] * 10
    assert len(ada.person.occasions) == 1


def test_two_event_loops_and_a_thread_cause_one_prompt(ada: Ada) -> None:
    ready = Event()
    ada.person = ScriptedPrompter(ada.fresh_code, hold=ready)
    with ada.app() as client:
        auth = client.step_up_auth
        statuses: list[int] = []

        async def call() -> None:
            async with httpx.AsyncClient(base_url=ada.bank.url, auth=auth) as plain:
                replies = await asyncio.gather(*(plain.post("/transfers", json=ORDER) for _ in range(3)))
                statuses.extend(reply.status_code for reply in replies)

        threads = [Thread(target=lambda: asyncio.run(call())) for _ in range(2)]
        threads.append(Thread(target=lambda: statuses.append(client.post("/transfers", json=ORDER).status_code)))
        for thread in threads:
            thread.start()
        _until(lambda: _challenged(ada) == 7)
        ready.set()
        for thread in threads:
            thread.join(30)
    assert statuses == [200] * 7
    assert len(ada.person.occasions) == 1


def test_a_refusal_reaches_all_who_wait(ada: Ada) -> None:
    ready = Event()
    ada.person = ScriptedPrompter([], hold=ready)

    def call(client: Client) -> str:
        with pytest.raises(StepUpCancelled) as caught:
            client.post("/transfers", json=ORDER)
        return str(caught.value)

    with ada.app() as client, ThreadPoolExecutor(10) as pool:
        outcomes = [pool.submit(call, client) for _ in range(10)]
        _until(lambda: _challenged(ada) == 10)
        ready.set()
        assert {outcome.result() for outcome in outcomes} == {"The script has no more codes"}
    assert len(ada.person.occasions) == 1


def test_the_first_callers_cancellation_stops_nobody_else(ada: Ada) -> None:
    ready = Event()
    with ada.app():
        pass
    ada.person = ScriptedPrompter(ada.fresh_code, hold=ready)

    async def main() -> list[int]:
        async with AsyncClient(ada.bank.url, **ada.options()) as client:
            await client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            first = asyncio.create_task(client.post("/transfers", json=ORDER))
            await asyncio.to_thread(_until, lambda: len(ada.person.labels) == 1)
            others = [asyncio.create_task(client.post("/transfers", json=ORDER)) for _ in range(3)]
            await asyncio.to_thread(_until, lambda: _challenged(ada) == 4)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            ready.set()
            return [(await other).status_code for other in others]

    assert asyncio.run(main()) == [200, 200, 200]
    assert len(ada.person.occasions) == 1


def test_when_all_are_gone_the_person_is_no_longer_asked(ada: Ada) -> None:
    with ada.app():
        pass
    ada.person = ScriptedPrompter(ada.fresh_code, hold=Event())

    async def main() -> None:
        async with AsyncClient(ada.bank.url, **ada.options()) as client:
            await client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            call = asyncio.create_task(client.post("/transfers", json=ORDER))
            await asyncio.to_thread(_until, lambda: len(ada.person.labels) == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(main())
    _until(lambda: ada.person.outcomes == [False])


def test_a_key_that_is_declined_or_not_touched_is_said_so(ada: Ada) -> None:
    with ada.app() as client:
        client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "blue key")
        ada.key.touch = "denied"
        with pytest.raises(StepUpCancelled, match="declined at the security key"):
            client.put("/payout-address", json={"address": "x"})


def test_a_wrong_pin_is_asked_again_and_the_last_try_is_left_alone(ada: Ada) -> None:
    with ada.app() as client:
        client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "blue key")
        client.step_up_auth.session.prompter = wrong = ScriptedPrompter(pin="9999")
        with pytest.raises(NoMethodAvailable):
            client.put("/payout-address", json={"address": "x"})
        assert 0 < wrong.labels.count("PIN of your security key") <= 3


def test_a_missing_key_is_said_so(ada: Ada) -> None:
    with ada.app() as client:
        client.authenticators.enroll(WebAuthn(lambda: [ada.key]), "blue key")
    with ada.app(methods=[WebAuthn(list), Totp()]) as client, pytest.raises(NoMethodAvailable):
        client.put("/payout-address", json={"address": "x"})


def test_never_asks_nobody_and_says_what_would_be_asked(ada: Ada) -> None:
    with ada.app(interaction="never") as client, pytest.raises(StepUpRequired) as caught:
        client.post("/transfers", json=ORDER)
    assert caught.value.requirement == Requirement(acr="mfa", max_age=300)
    assert ada.person.occasions == []


def test_without_a_terminal_the_call_fails_with_a_sentence(ada: Ada, tmp_path: Path) -> None:
    with (
        ada.app(prompter=TerminalPrompter(device=str(tmp_path / "no-tty"))) as client,
        pytest.raises(NoMethodAvailable, match="no terminal to ask on"),
    ):
        client.post("/transfers", json=ORDER)


def test_a_wrong_clock_is_named(ada: Ada) -> None:
    with ada.app() as client:
        client.step_up_auth.session.key._clock = lambda: ada.bank.clock() + 3600
        client.step_up_auth.session.clock = client.step_up_auth.session.key._clock
        with pytest.raises(CeremonyFailed) as caught:
            client.request("POST", "/transfers", json=ORDER, step_up=Requirement(acr="mfa"))
    assert "seconds ahead of the server's" in caught.value.diagnostics()


@pytest.mark.parametrize("kind", ["generator", "map", "pipe", "form with a pipe"])
def test_a_body_that_can_be_read_once_is_refused_before_anybody_is_asked(ada: Ada, kind: str) -> None:
    content: dict[str, Callable[[], dict[str, Any]]] = {
        "generator": lambda: {"content": _chunks()},
        "map": lambda: {"content": map(bytes, [b"{}"])},
        "pipe": lambda: {"content": _Pipe(b"{}")},
        "form with a pipe": lambda: {"files": {"file": ("report", _Pipe(b"{}"))}},
    }
    with ada.app() as client, pytest.raises(UnreplayableBody) as caught:
        client.post("/transfers", **content[kind]())
    assert "step_up=" in caught.value.diagnostics()
    assert ada.person.occasions == []


def test_an_async_iterator_is_refused_as_well(ada: Ada) -> None:
    with ada.app():
        pass

    async def chunks() -> AsyncIterator[bytes]:
        yield b"{}"

    async def main() -> None:
        async with AsyncClient(ada.bank.url, **ada.options()) as client:
            await client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            await client.post("/transfers", content=chunks())

    with pytest.raises(UnreplayableBody):
        asyncio.run(main())


@pytest.mark.parametrize("kind", ["bytes", "json", "file"])
def test_a_body_that_can_be_read_again_is_repeated_whole(ada: Ada, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_bytes(b'{"to": "ACME", "amount": "1.00"}')
    headers = {"content-type": "application/json"}
    with ada.app() as client, path.open("rb") as file:
        request: dict[str, dict[str, Any]] = {
            "bytes": {"content": b'{"to": "ACME", "amount": "1.00"}', "headers": headers},
            "json": {"json": ORDER},
            "file": {"content": file, "headers": headers},
        }
        reply = client.post("/transfers", **request[kind])
    assert (reply.status_code, reply.json()["sent"]) == (200, "1.00")


def test_a_streamed_response_stays_unread(ada: Ada) -> None:
    with ada.app() as client, client.stream("POST", "/transfers", json=ORDER) as reply:
        assert reply.status_code == 200
        assert not reply.is_stream_consumed
        assert b"ACME" in reply.read()


def test_another_origin_gets_no_token(ada: Ada) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        challenge = 'DPoP error="insufficient_user_authentication", acr_values="mfa"'
        return httpx.Response(401, headers={"www-authenticate": challenge})

    with ada.app() as client:
        session = client.step_up_auth
    with httpx.Client(transport=httpx.MockTransport(answer), auth=session) as plain:
        assert plain.get("https://evil.example/").status_code == 401
    assert "authorization" not in seen[0].headers
    assert "dpop" not in seen[0].headers
    assert ada.person.occasions == []


def _challenged(ada: Ada) -> int:
    return ada.bank.exchanges.count(("POST", "/transfers", 401))


def _until(true: Callable[[], bool]) -> None:
    waiting = Event()
    for _ in range(1000):
        if true():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not happen within ten seconds")


def _chunks() -> Iterator[bytes]:
    yield b"{}"


class _Pipe(io.RawIOBase):
    """A file that cannot be rewound."""

    def __init__(self, data: bytes) -> None:
        self._data: BinaryIO = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)
