"""A server whose reply comes byte by byte is given up by the time of the network, not by that of the person."""

import asyncio
from threading import enumerate as threads
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from support.dripping import Dripping, Part, dripping
from upstile.client import AsyncClient, CeremonyFailed, Client, Totp
from upstile.client.testing import Clock, ScriptedPrompter

NETWORK = 0.9
"""Seconds that an exchange may take: three times the time-out."""
PLACES = ["resource", "server", "start", "answer", "token"]
SAMPLE = [("server", "headers", False), ("answer", "body", True)]
REST = [
    (place, part, waits)
    for place in PLACES
    for part in ("headers", "body")
    for waits in (False, True)
    if (place, part, waits) not in SAMPLE
]


class Hurried(Clock):
    """A clock by which an answer that was lost once is not repeated."""

    def __call__(self) -> float:
        self.move(8)
        return super().__call__()


def _post(server: Dripping, waits: bool, **options: Any) -> httpx.Response:
    changed: dict[str, Any] = {
        "client_id": "cli",
        "token": "BASE",
        "methods": [Totp()],
        "prompter": ScriptedPrompter(lambda: "123456"),
        "human_timeout": 60,
        "monotonic": Hurried(1000),
        "timeout": NETWORK / 3,
        **options,
    }
    if not waits:
        with Client(server.url, **changed) as client:
            return client.post("/pay")

    async def call() -> httpx.Response:
        async with AsyncClient(server.url, **changed) as client:
            return await client.post("/pay")

    return asyncio.run(call())


def _is_given_up(place: str, part: Part, waits: bool) -> None:
    with dripping(place, part) as server:
        began = monotonic()
        with pytest.raises(CeremonyFailed):
            _post(server, waits)
        took = monotonic() - began
        assert place == server.served[-1]
        assert NETWORK * 0.9 < took < 30
        end = monotonic() + 10
        while monotonic() < end and _exchanges():
            sleep(0.02)
        assert not _exchanges(), "the connection that drips is read on for ever"


def _exchanges() -> list[str]:
    return [thread.name for thread in threads() if thread.name == "upstile exchange"]


@pytest.mark.parametrize(("place", "part", "waits"), SAMPLE)
def test_a_reply_that_drips_is_given_up(place: str, part: Part, waits: bool) -> None:
    _is_given_up(place, part, waits)


@pytest.mark.long
@pytest.mark.parametrize(("place", "part", "waits"), REST)
def test_every_reply_that_drips_is_given_up(place: str, part: Part, waits: bool) -> None:
    _is_given_up(place, part, waits)


@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
def test_the_body_of_a_challenge_that_drips_is_let_go_and_the_call_goes_on(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upstile.client.adapters._response._MAX_SECONDS", 0.3)
    with dripping("call", "body") as server:
        server.padding = 2000
        began = monotonic()
        assert _post(server, waits, timeout=5).status_code == 200
        assert monotonic() - began < 20


def test_a_transport_of_the_apps_own_is_bounded_too_and_not_closed() -> None:
    class Own(httpx.MockTransport):
        closed = False

        def close(self) -> None:
            self.closed = True

    over = Clock(0)

    def slow(request: httpx.Request) -> httpx.Response:
        while not over() and request.url.path.startswith("/.well-known"):
            sleep(0.01)
        return httpx.Response(401, headers={"www-authenticate": 'Bearer error="insufficient_user_authentication"'})

    own = Own(slow)
    options: dict[str, Any] = {"client_id": "cli", "token": "B", "transport": own, "timeout": 0.1}
    options["prompter"] = ScriptedPrompter([])  # the terminal would be missed first, where there is none
    with Client("https://api.example.com", **options) as client:
        with pytest.raises(CeremonyFailed):
            client.post("/pay")
        over.move(1)
        assert not own.closed


def test_a_transport_that_is_awaited_is_bounded_too() -> None:
    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/.well-known"):
                await asyncio.sleep(60)
            return httpx.Response(401, headers={"www-authenticate": 'Bearer error="insufficient_user_authentication"'})

    async def call() -> None:
        options: dict[str, Any] = {"client_id": "cli", "token": "B", "transport": Slow(), "timeout": 0.1}
        options["prompter"] = ScriptedPrompter([])
        async with AsyncClient("https://api.example.com", **options) as client:
            with pytest.raises(CeremonyFailed):
                await client.post("/pay")

    asyncio.run(asyncio.wait_for(call(), 20))
