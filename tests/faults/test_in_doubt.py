"""A store that may have written or not: nobody gets a second yes, and no code is given out on a guess."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from support.clocks import SharedClock
from support.databases import database_of, execute
from support.nodes import Cluster, NodeProgram, Shared, cluster
from support.proxy import Proxy, proxy_to
from support.redis_server import RedisServer, redis_server, replica_of
from support.wire_driver import Started, WireApp, problem_of

pytestmark = pytest.mark.anyio
_WRITTEN = {"claim": b'"answering"', "outcome": b'"answered"', "redemption": b'"used_jti":"', "single use": b":used:"}


@pytest.fixture
def lossy(redis: RedisServer) -> Generator[Proxy]:
    """What is between the nodes and Redis."""
    with proxy_to(("127.0.0.1", redis.port)) as proxy:
        yield proxy


async def _answers(bank: Cluster, app: WireApp, form: dict[str, str], number: int = 16) -> list[httpx.Response]:
    """The identical form many times, over all nodes."""
    nodes = bank.everywhere(app)
    posts = (nodes[n % len(nodes)].post("/stepup/challenge", form) for n in range(number))
    return list(await asyncio.gather(*posts))


def _codes(replies: list[httpx.Response]) -> set[str]:
    return {reply.json()["authorization_code"] for reply in replies if reply.status_code == 200}


async def _is_used_up(app: WireApp, code: str) -> None:
    """Another ceremony does not accept this code."""
    assert (await app.answer(await app.start(), otp=code)).json()["result"] == "rejected"


@pytest.mark.parametrize("phase", ["claim", "outcome"])
async def test_an_answer_whose_script_has_no_reply_is_accepted_once(
    program: NodeProgram, postgres_url: str, lossy: Proxy, tmp_path: Path, phase: str
) -> None:
    shared = _over(postgres_url, f"redis://127.0.0.1:{lossy.port}/0", tmp_path)
    async with cluster(program, shared) as bank:
        app = await bank.enrolled_app()
        form, code = app.answer_form(await app.start(), otp=app.code()), app.code()
        lossy.lose_reply_to(_WRITTEN[phase])
        replies = await _answers(bank, app, form)
        assert lossy.lost.wait(5)
        assert 503 in {reply.status_code for reply in replies}
        app.clock.now += 10  # who claimed it and got no reply does not judge any more
        replies += await _answers(bank, app, form)
        assert len(_codes(replies)) == 1
        assert {reply.status_code for reply in replies} <= {200, 429, 503}
        await _is_used_up(app, code)


async def test_a_code_whose_script_has_no_reply_gives_no_second_token(
    program: NodeProgram, postgres_url: str, lossy: Proxy, tmp_path: Path
) -> None:
    shared = _over(postgres_url, f"redis://127.0.0.1:{lossy.port}/0", tmp_path)
    async with cluster(program, shared) as bank:
        app = await bank.enrolled_app()
        started, code = await _with_code(app)
        lossy.lose_reply_to(_WRITTEN["redemption"])
        assert (await app.redeem(started, code)).status_code == 503
        assert lossy.lost.wait(5)
        replies = [await node.redeem(started, code) for node in bank.everywhere(app)]
        assert {reply.json()["error"] for reply in replies} == {"invalid_grant"}


async def test_a_token_whose_script_has_no_reply_serves_no_second_call(
    program: NodeProgram, postgres_url: str, lossy: Proxy, tmp_path: Path
) -> None:
    shared = _over(postgres_url, f"redis://127.0.0.1:{lossy.port}/0", tmp_path)
    async with cluster(program, shared) as bank:
        app = await bank.enrolled_app()
        token = await app.elevate(max_age="0")
        lossy.lose_reply_to(_WRITTEN["single use"])
        assert (await app.call("DELETE", "/account", token=token)).status_code == 503
        assert lossy.lost.wait(5)
        replies = [await node.call("DELETE", "/account", token=token) for node in bank.everywhere(app)]
        assert {problem_of(reply) for reply in replies} == {"token-used"}


@asynccontextmanager
async def _with_a_replica(
    program: NodeProgram, postgres_url: str, tmp_path: Path
) -> AsyncGenerator[tuple[Cluster, RedisServer]]:
    """Nodes that give no answer until a replica has what it rests on."""
    with (
        redis_server(tmp_path / "primary") as primary,
        replica_of(tmp_path / "replica", primary.port, primary) as replica,
    ):
        one_time = f"{primary.url}?wait_replicas=1&wait_ms=500"
        async with cluster(program, _over(postgres_url, one_time, tmp_path)) as bank:
            yield bank, replica


async def test_with_a_frozen_replica_no_code_is_given_out(
    program: NodeProgram, postgres_url: str, tmp_path: Path
) -> None:
    async with _with_a_replica(program, postgres_url, tmp_path) as (bank, replica):
        app = await bank.enrolled_app()
        form = app.answer_form(await app.start(), otp=app.code())
        replica.freeze()
        replies = await _answers(bank, app, form)
        assert 503 in {reply.status_code for reply in replies}
        assert {reply.status_code for reply in replies} <= {429, 503}
        assert (await app.start()).reply.status_code == 503
        replica.thaw()
        app.clock.now += 10
        assert len(_codes(await _answers(bank, app, form))) == 1


async def test_with_a_frozen_replica_nothing_is_used_with_success(
    program: NodeProgram, postgres_url: str, tmp_path: Path
) -> None:
    async with _with_a_replica(program, postgres_url, tmp_path) as (bank, replica):
        app = await bank.enrolled_app()
        token = await app.elevate(max_age="0")
        started, code = await _with_code(app)
        replica.freeze()
        tokens = [await node.redeem(started, code) for node in bank.everywhere(app)]
        calls = [await node.call("DELETE", "/account", token=token) for node in bank.everywhere(app)]
        assert {reply.status_code for reply in (*tokens, *calls)} == {503}
        replica.thaw()
        tokens = [await node.redeem(started, code) for node in bank.everywhere(app)]
        calls = [await node.call("DELETE", "/account", token=token) for node in bank.everywhere(app)]
        assert {reply.json()["error"] for reply in tokens} == {"invalid_grant"}
        assert {problem_of(reply) for reply in calls} == {"token-used"}


@pytest.mark.parametrize("one_time", ["postgresql", "redis"])
async def test_whatever_isolation_the_role_prefers_one_wins_each(
    program: NodeProgram, postgres_url: str, redis: RedisServer, tmp_path: Path, one_time: str
) -> None:
    prefers = "SET default_transaction_isolation = 'repeatable read'"
    execute(postgres_url, f"ALTER ROLE postgres IN DATABASE {database_of(postgres_url)} {prefers}")
    shared = _over(postgres_url, redis.url if one_time == "redis" else None, tmp_path)
    async with cluster(program, shared) as bank:
        app = await bank.enrolled_app()
        started = await app.start()
        replies = await _answers(bank, app, app.answer_form(started, otp=app.code()), 64)
        assert {reply.status_code for reply in replies} <= {200, 429}
        (code,) = _codes(replies)
        nodes = bank.everywhere(app)
        replies = list(await asyncio.gather(*(nodes[n % 3].redeem(started, code) for n in range(64))))
        assert sorted({reply.status_code for reply in replies}) == [200, 400]
        assert [reply.status_code for reply in replies].count(200) == 1
        app.clock.now += 30
        token = await app.elevate(max_age="0")
        uses = (nodes[n % 3].call("DELETE", "/account", token=token) for n in range(64))
        statuses = [reply.status_code for reply in await asyncio.gather(*uses)]
        assert (statuses.count(200), statuses.count(401)) == (1, 63)


async def _with_code(app: WireApp) -> tuple[Started, str]:
    started = await app.start()
    return started, (await app.answer(started, otp=app.code())).json()["authorization_code"]


def _over(storage: str, one_time: str | None, folder: Path) -> Shared:
    return Shared(storage=storage, one_time=one_time, clock=SharedClock(folder / "clock"))
