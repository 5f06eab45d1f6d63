"""A durable and a one-time store: what a crash between the two writes costs, and whom."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar, cast

import pytest

from support.redis_server import RedisServer, redis_server
from support.redis_stores import opened
from support.stores import ISSUER, NOW, authenticator, enrol, key, live, prepare, put, use
from upstile.server import StorageUnavailable
from upstile.server.storage._records import OneTimeKey, Record, Use
from upstile.server.storage._stores import Decide, DurableStore, Found, Kept, OneTimeStore, TwoStores
from upstile.server.storage.redis import RedisStore
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
T = TypeVar("T")
SESSION, CODE = key("session"), key("code")
_CODE = 7
_NEXT_CODE = 8


def issue(found: Found, first: bool) -> tuple[Kept, str]:
    """The outcome of a right answer: a code, unless the answer was used before."""
    if not first:
        return {SESSION: live(b"wrong")}, "wrong"
    return {SESSION: live(b"closed"), CODE: live(b"the code")}, "the code"


class Recorder:
    """A durable and a one-time store that write down what is asked of them, in its order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = ""
        self._counter = 0

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what == self.fails:
            raise StorageUnavailable(what)

    async def use(self, use: Use) -> bool:
        self._ask("use")
        first, self._counter = use.counter > self._counter, max(use.counter, self._counter)
        return first

    async def update_many(self, keys: Sequence[OneTimeKey], decide: Decide[T], now: float) -> T:
        self._ask("update")
        return decide(cast(dict[OneTimeKey, Record], {}))[1]


def _recorded() -> tuple[Recorder, TwoStores]:
    both = Recorder()
    return both, TwoStores(cast(DurableStore, both), cast(OneTimeStore, both))


async def test_what_is_used_up_is_written_before_the_outcome() -> None:
    both, storage = _recorded()
    assert await storage.settle(use(_CODE), [SESSION, CODE], issue, NOW) == "the code"
    assert both.asked == ["use", "update"]


async def test_where_the_use_is_not_written_there_is_no_outcome() -> None:
    both, storage = _recorded()
    both.fails = "use"
    with pytest.raises(StorageUnavailable):
        await storage.settle(use(_CODE), [SESSION, CODE], issue, NOW)
    assert both.asked == ["use"]
    both.fails = ""
    assert await storage.settle(use(_CODE), [SESSION, CODE], issue, NOW) == "the code"


async def test_where_the_outcome_is_not_written_the_code_is_lost_and_the_next_one_works() -> None:
    both, storage = _recorded()
    both.fails = "update"
    with pytest.raises(StorageUnavailable):
        await storage.settle(use(_CODE), [SESSION, CODE], issue, NOW)
    both.fails = ""
    assert await storage.settle(use(_CODE), [SESSION, CODE], issue, NOW) == "wrong"
    assert await storage.settle(use(_NEXT_CODE), [SESSION, CODE], issue, NOW) == "the code"


_DIES = """
import asyncio, os, signal, sys
from support.stores import ISSUER, NOW, use
from test_two_stores import CODE, SESSION, issue
from upstile.server.storage._stores import TwoStores
from upstile.server.storage.redis import RedisStore
from upstile.server.storage.sqlite import SqliteStore

class Dies(RedisStore):
    async def update_many(self, keys, decide, now):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    storage = TwoStores(SqliteStore(sys.argv[1], ISSUER), Dies(sys.argv[2], ISSUER))
    await storage.durable.prepare()
    await storage.one_time.prepare()
    await storage.settle(use(7), [SESSION, CODE], issue, NOW)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_between_the_two_costs_that_code_and_gives_nobody_a_token(
    redis: RedisServer, tmp_path: Path
) -> None:
    storage = TwoStores(SqliteStore(str(tmp_path / "state.db"), ISSUER), RedisStore(redis.url, ISSUER))
    await prepare(storage)
    await enrol(storage, authenticator())
    await put(storage.one_time, {SESSION: live(b"answering")})
    died = await asyncio.to_thread(_run, _DIES, str(tmp_path / "state.db"), redis.url)
    assert died == -signal.SIGKILL
    # Nothing of the outcome is there, and nobody who has the code gets one for it, however many try.
    assert await storage.one_time.get_many([SESSION, CODE], NOW) == {SESSION: live(b"answering")}
    again = await asyncio.gather(*(storage.settle(use(_CODE), [SESSION, CODE], issue, NOW) for _ in range(16)))
    assert again == ["wrong"] * 16
    assert CODE not in await storage.one_time.get_many([CODE], NOW)
    assert await storage.settle(use(_NEXT_CODE), [SESSION, CODE], issue, NOW) == "the code"
    await storage.one_time.aclose()
    await storage.durable.aclose()


async def test_a_redis_that_dies_between_the_two_costs_that_code(tmp_path: Path) -> None:
    durable = SqliteStore(str(tmp_path / "state.db"), ISSUER)
    await durable.prepare()
    with redis_server(tmp_path / "redis", "--appendonly", "yes") as server:
        async with opened(server.url) as one_time:
            storage = TwoStores(durable, one_time)
            await enrol(storage, authenticator())
            await put(one_time, {SESSION: live(b"answering")})
            await asyncio.to_thread(server.kill)
            with pytest.raises(StorageUnavailable):
                await storage.settle(use(_CODE), [SESSION, CODE], issue, NOW)
            server.start()
            assert await storage.settle(use(_CODE), [SESSION, CODE], issue, NOW) == "wrong"
            assert await storage.settle(use(_NEXT_CODE), [SESSION, CODE], issue, NOW) == "the code"
    await durable.aclose()


def _run(program: str, *arguments: str) -> int:
    environment = {"PYTHONPATH": "tests:tests/stores"}
    return subprocess.run([sys.executable, "-c", program, *arguments], timeout=60, env=environment).returncode  # noqa: S603
