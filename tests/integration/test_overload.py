"""A loop that is really late: starts are refused at once and for nothing, what is under way goes on."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from support.wire_driver import WireApp, enrolled_app

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def overload() -> None:
    """As it is."""


ORDER = {"to": "ACME", "amount": "50.00"}


@asynccontextmanager
async def _late_loop() -> AsyncGenerator[None]:
    """Something that keeps the event loop, as too much work would: each turn takes 80 ms."""
    over = asyncio.Event()

    async def hog() -> None:
        while not over.is_set():
            time.sleep(0.08)
            await asyncio.sleep(0)

    task = asyncio.create_task(hog())
    for _ in range(4):
        await asyncio.sleep(0)
    try:
        yield
    finally:
        over.set()
        await task


async def test_while_the_loop_is_late_no_ceremony_starts_and_those_under_way_end(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        under_way = await app.start()
        assert under_way.reply.status_code == 403
        async with _late_loop():
            for refused in ((await app.start()).reply, await _start_of_a_stranger(app)):
                assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
                assert refused.headers["retry-after"] == "1"
                assert refused.headers["cache-control"] == "no-store"
            answered = await app.answer(under_way, otp=app.code())
            assert answered.status_code == 200
            redeemed = await app.redeem(under_way, answered.json()["authorization_code"])
            assert redeemed.status_code == 200
            token = redeemed.json()["access_token"]
            assert (await app.call("POST", "/transfers", token=token, json=ORDER)).status_code == 200
        assert await _starts_again(app)


async def _start_of_a_stranger(app: WireApp) -> httpx.Response:
    """Nothing of it is right, and nothing of it is looked at."""
    return await app.http.post("/stepup/challenge", data={"response_type": "x", "client_id": "x" * 9000})


async def _starts_again(app: WireApp) -> bool:
    async with asyncio.timeout(20):
        while (await app.start()).reply.status_code == 503:
            await asyncio.sleep(0.01)
    return True
