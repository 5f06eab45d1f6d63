"""What one node does is known at the others in time: revocations in their order, and new signing keys."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import jwt
import psycopg
import pytest

from support.clocks import SharedClock
from support.databases import execute, waiting
from support.nodes import Cluster, NodeProgram, Shared, cluster
from support.redis_server import RedisServer
from support.wire_driver import WireApp
from upstile.server.fastapi import App, StepUp

pytestmark = pytest.mark.anyio
_HELD = 42
_BLOCK_LOGINS = f"""
CREATE FUNCTION block() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock({_HELD}); RETURN NULL; END';
CREATE TRIGGER block AFTER INSERT ON upstile_revocations FOR EACH ROW WHEN (NEW.kind = 'login') EXECUTE FUNCTION block()
"""


@pytest.fixture
async def bank(program: NodeProgram, postgres_url: str, redis: RedisServer, tmp_path: Path) -> AsyncGenerator[Cluster]:
    """Three nodes over PostgreSQL and Redis."""
    shared = Shared(storage=postgres_url, one_time=redis.url, clock=SharedClock(tmp_path / "clock"))
    async with cluster(program, shared) as bank:
        yield bank


async def _revoke(node: WireApp, token: str) -> None:
    form = {"token": token, "client_id": node.client_id}
    async with asyncio.timeout(30):  # it is repeated where others held the log for too long
        while (reply := await node.http.post("/stepup/revoke", data=form)).status_code == 503:
            await asyncio.sleep(0.1)
    assert reply.status_code == 200


async def _known_everywhere(bank: Cluster, app: WireApp, *tokens: str) -> float:
    """Seconds until every node refuses these tokens."""
    began = monotonic()
    async with asyncio.timeout(30):
        for node in bank.everywhere(app):
            for token in tokens:
                while (await node.call("GET", "/balance", token=token)).status_code != 401:
                    await asyncio.sleep(0.02)
    return monotonic() - began


async def test_a_revocation_that_stays_open_while_a_later_one_ends_is_known_a_second_after_its_commit(
    bank: Cluster,
) -> None:
    """It has its number already, and is not committed. The best of three, for the machine may be busy."""
    app = await bank.enrolled_app()
    url = bank.shared.storage
    execute(url, _BLOCK_LOGINS)
    took: list[float] = []
    for _ in range(3):
        elevated = await app.elevate()
        nodes = bank.everywhere(app)
        with _held(url):
            earlier = asyncio.create_task(_revoke(nodes[0], app.token))
            await _until_waiting(url, 1)
            later = asyncio.create_task(_revoke(nodes[1], elevated))
            await _until_waiting(url, 2, unless=later)
            if later.done():  # then everybody has to have read it, before the earlier one is there
                await _known_everywhere(bank, app, elevated)
        await asyncio.gather(earlier, later)
        took.append(await _known_everywhere(bank, app, app.token, elevated))
        await app.sign_in()
    assert min(took) < 1


@contextmanager
def _held(url: str) -> Generator[None]:
    """Revocations of base logins stay open, for the length of a block."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_HELD])
        yield


async def _until_waiting(url: str, number: int, *, unless: "asyncio.Task[None] | None" = None) -> None:
    """Until so many transactions wait for a lock, or this one has ended."""
    while await asyncio.to_thread(waiting, url) < number:
        if unless is not None and unless.done():
            return
        await asyncio.sleep(0.01)


async def _rotate(bank: Cluster) -> None:
    """As `upstile-server keys rotate` does."""
    server = StepUp.embedded(
        url=bank.shared.url,
        storage=bank.shared.storage,
        one_time=bank.shared.one_time,
        secret_keys=[bank.shared.secret_keys],
        clients=[App("bank-cli", scopes={"payments"})],
        clock=bank.shared.clock,
        allow_insecure_loopback=True,
    )
    await server._deployment.prepare()
    await server._deployment.own.signing.rotate(bank.shared.clock())
    await server._deployment.aclose()


@pytest.mark.parametrize("step_ups", [50, pytest.param(200, marks=pytest.mark.long)])
async def test_while_signing_keys_rotate_no_token_is_refused(
    program: NodeProgram, postgres_url: str, redis: RedisServer, tmp_path: Path, step_ups: int
) -> None:
    """A minute goes by with each step-up, so each node looks for new keys more often as well."""
    clock = SharedClock(tmp_path / "clock")
    shared = Shared(storage=postgres_url, one_time=redis.url, clock=clock, keeper=0.05)
    async with cluster(program, shared) as bank:
        app = await bank.enrolled_app()
        keys: set[str] = set()
        for number in range(step_ups):
            if number in (step_ups // 5, step_ups * 3 // 5):
                await _rotate(bank)
            nodes = [bank.at(app, (number + ahead) % 3) for ahead in range(4)]
            token = await _step_up(nodes)
            keys.add(jwt.get_unverified_header(token)["kid"])
            clock.now += 60
        assert len(keys) == 3


async def _step_up(nodes: list[WireApp]) -> str:
    """Start, answer, token and call, each at another node."""
    started = await nodes[0].start()
    assert started.reply.status_code == 403, started.reply.text
    answered = await nodes[1].answer(started, otp=nodes[1].code())
    token = await nodes[2].redeem(started, answered.json()["authorization_code"])
    elevated = str(token.json()["access_token"])
    called = await nodes[3].call("POST", "/transfers", token=elevated, json={"to": "ACME", "amount": "0.01"})
    assert called.status_code == 200, called.headers
    assert (await nodes[3].call("GET", "/balance")).status_code == 200
    return elevated
