"""Threads, tasks and event loops that need one step-up: they share prompt and outcome, and who leaves stops nobody."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest

from support.ada import Ada
from support.libraries import current
from upstile.client import Client, StepUpCancelled
from upstile.client.testing import ScriptedPrompter

ORDER = {"to": "ACME", "amount": "1.00"}


def test_ten_threads_cause_one_prompt(ada: Ada) -> None:
    with ada.app() as client, ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: client.post("/transfers", json=ORDER).status_code, range(10)))
    assert replies == [200] * 10
    assert len(ada.person.occasions) == 1


@pytest.mark.both_libraries
def test_ten_tasks_cause_one_prompt(ada: Ada) -> None:
    with ada.app():
        pass

    async def main() -> list[int]:
        async with ada.clients.AsyncClient(ada.bank.url, **ada.options()) as client:
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
            async with current().http.AsyncClient(base_url=ada.bank.url, auth=auth) as plain:
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
        async with ada.clients.AsyncClient(ada.bank.url, **ada.options()) as client:
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
        async with ada.clients.AsyncClient(ada.bank.url, **ada.options()) as client:
            await client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            call = asyncio.create_task(client.post("/transfers", json=ORDER))
            await asyncio.to_thread(_until, lambda: len(ada.person.labels) == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(main())
    _until(lambda: ada.person.outcomes == [False])


def _challenged(ada: Ada) -> int:
    return ada.bank.exchanges.count(("POST", "/transfers", 401))


def _until(true: Callable[[], bool]) -> None:
    waiting = Event()
    for _ in range(1000):
        if true():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not happen within ten seconds")
