"""Whether a process is ready: how often the stores are asked, what is told to whom, and what is not."""

import asyncio
import logging

import pytest

from upstile.server import StorageUnavailable
from upstile.server._http import HttpRequest, HttpResponse
from upstile.server.deployment._health import Health

SECRET = "redis://user:s3cret@db.internal"


class Stores:
    """What is asked, and its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.health = Health(self.ping, lambda: self.now)

    async def ping(self) -> None:
        self.asked += 1
        await self.answers.wait()
        if self.error is not None:
            raise self.error

    async def get(self, name: str) -> HttpResponse:
        """What a load balancer is told."""
        (route,) = (route for route in self.health.routes("/stepup") if route.path == f"/stepup/health/{name}")
        assert not route.needs_storage
        return await route.answer(HttpRequest(method="GET", path=route.path, headers=()), {}, self.ping)


def test_the_stores_are_asked_once_a_second_whoever_asks() -> None:
    async def main() -> None:
        stores = Stores()
        for moment, asked in ((1000.0, 1), (1000.9, 1), (1001.0, 2), (1001.5, 2), (1009.0, 3)):
            stores.now = moment
            assert all(await asyncio.gather(*(stores.health.is_ready() for _ in range(100))))
            assert stores.asked == asked

    asyncio.run(main())


def test_a_slow_store_is_asked_once_at_a_time_and_one_who_leaves_takes_nobody_along() -> None:
    async def main() -> None:
        stores = Stores()
        stores.answers.clear()
        impatient, patient = (asyncio.create_task(stores.health.is_ready()) for _ in range(2))
        await asyncio.sleep(0)
        stores.now += 1.9
        third = asyncio.create_task(stores.health.is_ready())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        stores.answers.set()
        assert (await patient, await third, stores.asked) == (True, True, 1)

    asyncio.run(main())


def test_a_store_that_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upstile.server.deployment._health.LOOK_TAKES", 0.0)

    async def main() -> None:
        stores = Stores()
        stores.answers.clear()
        assert not await stores.health.is_ready()

    asyncio.run(main())


@pytest.mark.parametrize("error", [StorageUnavailable(SECRET), RuntimeError(SECRET)])
def test_who_asks_is_told_whether_and_never_why(error: Exception) -> None:
    async def main() -> list[HttpResponse]:
        stores = Stores()
        alive, ready = await stores.get("live"), await stores.get("ready")
        stores.error = error
        stores.now += 1
        return [alive, ready, await stores.get("ready"), await stores.get("live")]

    replies = asyncio.run(main())
    assert [reply.status for reply in replies] == [200, 200, 503, 200]
    words = [b'{"status":"alive"}', b'{"status":"ready"}', b'{"status":"not ready"}', b'{"status":"alive"}']
    assert [reply.body for reply in replies] == words
    assert all(("cache-control", "no-store") in reply.headers for reply in replies)


def test_the_log_says_why_once_a_change(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "upstile.server")

    async def main() -> None:
        stores = Stores()
        for error in (None, None, OSError("no route"), OSError("no route"), TimeoutError(), None, None, OSError()):
            stores.error = error
            stores.now += 1
            await stores.health.is_ready()
        assert stores.asked == 8

    asyncio.run(main())
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    away, back = ("ERROR", "not ready: storage cannot be read"), ("WARNING", "ready again: storage can be read")
    assert said == [away, back, away]
    assert "no route" in caplog.text


def test_a_process_that_was_told_to_end_is_not_ready_at_once_and_asks_no_store() -> None:
    async def main() -> None:
        stores = Stores()
        assert await stores.health.is_ready()
        stores.health.drain()
        assert not await stores.health.is_ready()
        stores.health.begin()
        stores.answers.clear()
        stores.now += 1
        late = asyncio.create_task(stores.health.is_ready())
        await asyncio.sleep(0)
        stores.health.drain()
        stores.answers.set()
        assert (await late, stores.asked) == (False, 2)

    asyncio.run(main())


def test_another_event_loop_looks_for_itself() -> None:
    stores = Stores()
    assert asyncio.run(stores.health.is_ready())
    assert asyncio.run(stores.health.is_ready())
    assert stores.asked == 2
