"""A client with a pool of one connection, over real sockets: while the person thinks, the connection is free."""

import asyncio
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from interop.scripted_server import Scripted, run
from upstile.client import AsyncClient, CallbackPrompter, Client, Totp

ORDER = {"to": "ACME", "amount": "50.00"}


@pytest.fixture(params=[None, "endless-body"])
def scripted(request: pytest.FixtureRequest) -> Generator[Scripted]:
    scripted = Scripted()
    scripted.misbehave = request.param
    with run(scripted):
        yield scripted
        assert scripted.violations == []


def test_a_pool_of_one_connection_serves_another_call_meanwhile(scripted: Scripted) -> None:
    meanwhile: list[int] = []

    def think(label: str) -> str:
        meanwhile.append(bank.get("/balance").status_code)
        return scripted.code_now()

    with Client(scripted.origin, **_options(scripted, CallbackPrompter(code=think))) as bank:
        bank.sign_in("/login", json=_credentials(scripted))
        assert bank.post("/transfers", json=ORDER).status_code == 200
    assert meanwhile == [200]


def test_the_same_without_blocking(scripted: Scripted) -> None:
    meanwhile: list[int] = []

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()

        def think(label: str) -> str:
            reply = asyncio.run_coroutine_threadsafe(bank.get("/balance"), loop).result()
            meanwhile.append(reply.status_code)
            return scripted.code_now()

        async with AsyncClient(scripted.origin, **_options(scripted, CallbackPrompter(code=think))) as bank:
            await bank.sign_in("/login", json=_credentials(scripted))
            replies = await asyncio.gather(*(bank.post("/transfers", json=ORDER) for _ in range(4)))
            return [reply.status_code for reply in replies]

    assert asyncio.run(main()) == [200] * 4
    assert meanwhile == [200]


def _options(scripted: Scripted, prompter: CallbackPrompter) -> dict[str, Any]:
    return {
        "client_id": scripted.client_id,
        "prompter": prompter,
        "methods": [Totp()],
        "limits": httpx.Limits(max_connections=1),
        "timeout": httpx.Timeout(10, pool=5),
    }


def _credentials(scripted: Scripted) -> dict[str, str]:
    return {"username": scripted.username, "password": scripted.password}
