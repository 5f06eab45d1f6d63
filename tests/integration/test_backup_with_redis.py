"""Restoring the durable half of a deployment whose one-time half is in Redis, as docs/operating.md says it."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from support.clocks import SettableClock
from support.redis_server import RedisServer
from support.wire_driver import URL, WireApp
from upstile.protocol import TokenResponse
from upstile.server import App
from upstile.server.fastapi import StepUp
from upstile.server.keys._secret_keys import new_key

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Place:
    """A file for what is durable, its backup, and a Redis."""

    folder: Path
    redis: RedisServer

    def back_up(self) -> None:
        """The durable half alone."""
        with closing(sqlite3.connect(self.folder / "bank.db")) as connection:
            connection.execute("VACUUM INTO ?", (str(self.folder / "backup.db"),))

    def restore(self) -> None:
        """The durable half alone, after its nodes were stopped."""
        (self.folder / "bank.db").write_bytes((self.folder / "backup.db").read_bytes())

    @asynccontextmanager
    async def node(self, app: WireApp | None = None) -> AsyncGenerator[tuple[WireApp, StepUp]]:
        """A node, and the app that speaks to it."""
        clock = SettableClock() if app is None else app.clock
        server = StepUp.embedded(
            url=URL,
            storage=f"sqlite:///{self.folder / 'bank.db'}",
            one_time=self.redis.url,
            clients=[App("bank-cli", scopes={"payments"})],
            clock=clock,
            allow_insecure_loopback=True,
        )
        api = FastAPI()
        server.install(api)

        @api.post("/login")
        async def login(request: Request) -> TokenResponse:
            return await server.start_session("ada", amr=["pwd"], request=request)

        http = httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=URL)
        async with api.router.lifespan_context(api), http:
            yield (WireApp(http, clock) if app is None else replace(app, http=http)), server


@pytest.fixture
def place(tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty place, and a secret key."""
    monkeypatch.setenv("UPSTILE_SECRET_KEYS", new_key().decode())
    return Place(tmp_path, redis)


async def test_redis_is_emptied_with_the_restoration_and_all_go_on_after_a_sign_in(place: Place) -> None:
    async with place.node() as (app, server):
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        used_at, used = app.clock.now, app.code()
        await app.elevate()
        place.back_up()
        await server.disable_authenticators("ada")
    place.restore()
    place.redis.do("FLUSHDB")
    async with place.node(app) as (restored, _):
        assert (await restored.start()).reply.json()["error"] == "invalid_grant"  # the sign-in went with Redis
        await restored.sign_in()
        restored.clock.now = used_at
        reply = await restored.answer(await restored.start(), otp=used)  # its step lies in the durable half
        assert (reply.status_code, reply.json()["result"]) == (403, "rejected")
        restored.clock.now += 30
        await restored.elevate()


async def test_a_redis_that_is_not_emptied_remembers_whom_the_help_desk_ended(place: Place) -> None:
    async with place.node() as (app, server):
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        place.back_up()
        await server.disable_authenticators("ada")
    place.restore()
    async with place.node(app) as (restored, server):
        await restored.sign_in()
        assert (await restored.start()).reply.json()["error"] == "invalid_grant"
        await server.disable_authenticators("ada")  # the way out, if Redis was not emptied
        await restored.sign_in()
        assert (await restored.start()).reply.json()["error"] == "unmet_authentication_requirements"
