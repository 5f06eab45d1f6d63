"""A node that is stopped while it judges an answer, and goes on when nobody waits for it any more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGCONT
from typing import Any

import httpx
import pytest

from support.clocks import SharedClock
from support.databases import execute
from support.node_faults import Fault
from support.nodes import Cluster, NodeProgram, Shared, cluster
from support.redis_server import RedisServer
from support.wire_driver import WireApp

pytestmark = pytest.mark.anyio
AFTER_T1 = Fault(store="RedisStore", method="update_many", when="after", how="SIGSTOP")
_DURABLE = ("upstile_accounts", "upstile_authenticators", "upstile_revocations", "upstile_signing_keys")


class Stopped:
    """A right answer that a stopped node has claimed, and the app that gave it."""

    def __init__(self, bank: Cluster, redis: RedisServer, app: WireApp, form: dict[str, str]) -> None:
        self.bank = bank
        self.redis = redis
        self.app = app
        self.form = form
        self.asked = asyncio.create_task(bank.at(app, 0).post("/stepup/challenge", form))

    def all_state(self) -> dict[str, Any]:
        """Whatever lies in both stores, but for what says nothing."""
        rows = {table: execute(self.bank.shared.storage, f"SELECT * FROM {table}") for table in _DURABLE}  # noqa: S608
        names: list[bytes] = self.redis.do("KEYS", "*")
        return {**rows, **{str(name): self.redis.do("GET", name) for name in sorted(names)}}

    async def answer_elsewhere(self, **changed: Any) -> httpx.Response:
        """The same answer, or another one, at a node that goes."""
        return await self.bank.at(self.app, 1).post("/stepup/challenge", {**self.form, **changed})

    async def wake(self) -> httpx.Response:
        """Let the node go on; its late reply."""
        self.bank.nodes[0].send(SIGCONT)
        return await self.asked


@asynccontextmanager
async def _stopped(
    program: NodeProgram, postgres_url: str, redis: RedisServer, folder: Path, *, really: bool = False
) -> AsyncGenerator[Stopped]:
    """A node that stopped after T1, twenty seconds ago; by a clock that a test moves, unless those are `really` so."""
    shared = Shared(storage=postgres_url, one_time=redis.url, clock=SharedClock(folder / "clock", goes=really))
    async with cluster(program, shared) as bank:
        app = await bank.enrolled_app()
        form = app.answer_form(await app.start(), otp=app.code())
        bank.nodes[0].arm(AFTER_T1)
        stopped = Stopped(bank, redis, app, form)
        await asyncio.to_thread(bank.nodes[0].await_stop)
        if really:
            await asyncio.sleep(20)
        else:
            app.clock.now += 20
        yield stopped


async def test_what_another_node_has_judged_meanwhile_is_left_alone(
    program: NodeProgram, postgres_url: str, redis: RedisServer, tmp_path: Path
) -> None:
    async with _stopped(program, postgres_url, redis, tmp_path) as stopped:
        reply = await stopped.answer_elsewhere()
        assert reply.status_code == 200
        before = stopped.all_state()
        assert (await stopped.wake()).json()["error"] == "slow_down"
        assert stopped.all_state() == before
        # The repetition that the refusal asks for has the reply of the node that judged.
        assert (await stopped.answer_elsewhere()).json() == reply.json()


async def test_a_code_is_not_used_up_by_a_node_that_lost_its_claim_to_another_answer(
    program: NodeProgram, postgres_url: str, redis: RedisServer, tmp_path: Path
) -> None:
    async with _stopped(program, postgres_url, redis, tmp_path) as stopped:
        reply = await stopped.answer_elsewhere(otp="000000")
        assert (reply.status_code, reply.json()["attempts_left"]) == (403, 3)
        before = stopped.all_state()
        assert (await stopped.wake()).status_code == 429
        assert stopped.all_state() == before


@pytest.mark.parametrize("really", [False, pytest.param(True, marks=pytest.mark.long)])
async def test_a_claim_that_is_over_is_over_for_the_node_that_held_it(
    program: NodeProgram, postgres_url: str, redis: RedisServer, tmp_path: Path, really: bool
) -> None:
    """Nobody judged meanwhile, and the client, who asks for fifteen seconds, has gone."""
    async with _stopped(program, postgres_url, redis, tmp_path, really=really) as stopped:
        before = stopped.all_state()
        assert (await stopped.wake()).json()["error"] == "slow_down"
        assert stopped.all_state() == before
        assert (await stopped.answer_elsewhere()).status_code == 200
