"""PostgreSQL behind a network that loses replies, falls silent and hangs up, and nodes that stop in the middle."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest

from support.databases import opened, proxied, until_it_waits
from support.stores import NOW, USER, authenticator, enrol, increment, key, live, use
from upstile.server import StorageUnavailable
from upstile.server.storage._records import Revocation
from upstile.server.storage._stores import Found, Kept
from upstile.server.storage._transactions import LOG_LOCK
from upstile.server.storage.postgresql import PostgresStore

pytestmark = pytest.mark.anyio
_ROOT = Path(__file__).parents[2]
SESSION, CODE = key("session"), key("code")
COMMIT = b"; COMMIT"


def _issue(found: Found, first: bool) -> tuple[Kept, bool]:
    return ({CODE: live(b"code")} if first else {}), first


async def _count(store: PostgresStore, name: str = "counter") -> int:
    found = await store.get_many([key(name)], NOW)
    return int(found[key(name)].value) if found else 0


async def test_a_commit_whose_reply_is_lost_is_done_and_is_not_repeated(postgres_url: str) -> None:
    with proxied(postgres_url) as (proxy, url):
        async with opened(url) as store, opened(postgres_url) as direct:
            assert await increment(store, "counter") == 1
            proxy.lose_reply_to(COMMIT)
            with pytest.raises(StorageUnavailable, match="cannot be reached"):
                await increment(store, "counter")
            assert await asyncio.to_thread(proxy.lost.wait, 30)
            assert await _count(direct) == 2
            assert await increment(store, "counter") == 3


async def test_a_use_whose_reply_is_lost_is_done_and_is_not_repeated(postgres_url: str) -> None:
    with proxied(postgres_url) as (proxy, url):
        async with opened(url) as store:
            await enrol(store, authenticator())
            for call, counter in ((store.use, 7), (lambda use: store.settle(use, [SESSION, CODE], _issue, NOW), 8)):
                await store.ping()  # over a connection that is used before, too
                proxy.lose_reply_to(COMMIT)
                with pytest.raises(StorageUnavailable):
                    await call(use(counter))
                assert not await call(use(counter))
            # The person is told to try again, and whoever has the code by now was told it by nobody.
            assert await store.get_many([CODE], NOW) == {CODE: live(b"code")}


async def test_a_transaction_that_was_only_begun_is_begun_again(postgres_url: str) -> None:
    with proxied(postgres_url) as (proxy, url):
        async with opened(url) as store:
            assert await increment(store, "counter") == 1
            proxy.lose_reply_to(b"BEGIN ISOLATION LEVEL READ COMMITTED")
            assert await increment(store, "counter") == 2
            assert proxy.lost.wait(5)


async def test_connections_that_were_cut_are_replaced(postgres_url: str) -> None:
    with proxied(postgres_url) as (proxy, url):
        async with opened(url) as store:
            await asyncio.gather(*(increment(store, str(other)) for other in range(8)))
            proxy.hang_up()
            assert await asyncio.gather(*(increment(store, str(other)) for other in range(8))) == [2] * 8


async def test_a_server_that_falls_silent_is_unavailable_and_nobody_waits_for_ever(postgres_url: str) -> None:
    calls: list[Callable[[PostgresStore], Awaitable[object]]] = [
        lambda store: increment(store, "counter"),
        lambda store: store.get_many([key("counter")], NOW),
        lambda store: store.settle(use(1), [SESSION], _issue, NOW),
        lambda store: store.use(use(1)),
        lambda store: store.account(USER),
        lambda store: store.ping(),
        lambda store: store.change_account(USER, lambda account: (account, None)),
        lambda store: store.revoke(Revocation(kind="token", name="t", expires_at=int(NOW))),
        lambda store: asyncio.to_thread(store.revocations_after, 0, NOW),
        lambda store: asyncio.to_thread(store.tidy, NOW),
    ]
    with proxied(postgres_url) as (proxy, url):
        async with opened(url) as store, opened(postgres_url) as direct:
            await increment(store, "counter")
            await store.secret("names", b"made")
            proxy.freeze()
            other = PostgresStore(url, "https://as.example")
            told = await asyncio.wait_for(
                asyncio.gather(*(call(store) for call in calls), other.prepare(), return_exceptions=True), 60
            )
            assert [type(each) for each in told] == [StorageUnavailable] * (len(calls) + 1)
            assert all("did not answer" in str(each) or "cannot be reached" in str(each) for each in told)
            # What was sent before the silence is done when it ends, or not: but nothing of it a second time.
            proxy.thaw()
            assert await _count(direct) in (1, 2)
            assert await increment(store, "other") == 1
            assert await store.secret("names", b"other") == b"made"


@pytest.mark.long
async def test_a_thread_does_not_wait_for_ever_for_a_server_that_falls_silent(postgres_url: str) -> None:
    with proxied(postgres_url) as (proxy, url):
        async with opened(url) as store:
            for work in (lambda: store.revocations_after(0, NOW), lambda: store.tidy(NOW + 9999)):
                await store.secret("names", b"made")  # a connection that was used before, too
                proxy.freeze()
                waits = asyncio.ensure_future(asyncio.to_thread(work))
                try:
                    with pytest.raises(StorageUnavailable):
                        await asyncio.wait_for(asyncio.shield(waits), 30)
                finally:
                    proxy.thaw()


async def test_a_slow_network_is_only_slow(postgres_url: str) -> None:
    with proxied(postgres_url) as (proxy, url):
        async with opened(url) as store:
            proxy.delay = 0.02
            assert await asyncio.gather(*(increment(store, "counter") for _ in range(8))) == list(range(1, 9))


async def test_a_server_that_is_away_is_unavailable_and_is_found_again(postgres_url: str) -> None:
    with proxied(postgres_url) as (proxy, url):
        async with opened(url) as store:
            assert await increment(store, "counter") == 1
            proxy.stop()
            for call in (increment(store, "counter"), store.secret("names", b"made")):
                with pytest.raises(StorageUnavailable, match="check that it runs"):
                    await call
            with pytest.raises(StorageUnavailable, match="check that it runs"):
                await PostgresStore(url, "https://as.example").prepare()


NODE = """
import asyncio, os, signal, sys
from support.databases import opened
from support.stores import NOW, key, live
from upstile.server import StorageUnavailable

def decide(found):
    os.kill(os.getpid(), signal.SIGSTOP)
    return {key("counter"): live(b"1000")}, None

async def main():
    async with opened(sys.argv[1]) as store:
        try:
            await store.update_many([key("counter")], decide, NOW)
        except StorageUnavailable as error:
            print("unavailable:", error)

asyncio.run(main())
"""


async def test_a_node_that_is_stopped_in_the_middle_holds_nobody_up_and_writes_nothing_later(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        assert await increment(store, "counter") == 1
        environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
        command = [sys.executable, "-c", NODE, postgres_url]
        node = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
        try:
            _, status = await asyncio.to_thread(os.waitpid, node.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            refused = 0
            while True:
                try:
                    assert await increment(store, "counter") == 2
                    break
                except StorageUnavailable:
                    refused += 1
                    assert refused <= 3
            assert refused
            node.send_signal(signal.SIGCONT)
            said = await asyncio.to_thread(node.communicate, timeout=30)
            assert said[0].startswith("unavailable:")
            assert await _count(store) == 2
        finally:
            node.kill()
            node.communicate()


async def test_a_revocation_is_known_soon_after_its_commit_though_an_earlier_one_stays_open(postgres_url: str) -> None:
    """The one that came later must not get a number, and be read, before the one that stays open."""
    insert = (
        "INSERT INTO upstile_revocations (issuer, kind, name, below, expires_at)"
        " VALUES ('https://as.example', 'token', 'early', 0, 1900000000)"
    )
    end = 1_900_000_000
    async with opened(postgres_url) as store, opened(postgres_url) as reader:

        def read(after: int) -> list[Revocation]:
            return reader.revocations_after(after, NOW)

        with psycopg.connect(postgres_url) as early:
            early.execute("SELECT pg_advisory_xact_lock(%s)", [LOG_LOCK])
            early.execute(insert.encode())
            late = asyncio.ensure_future(store.revoke(Revocation(kind="token", name="late", expires_at=end)))
            await until_it_waits(postgres_url, late)
            assert await asyncio.to_thread(read, 0) == []
        await late
        seen = await asyncio.to_thread(read, 0)
        assert [entry.name for entry in seen] == ["early", "late"]
        assert await asyncio.to_thread(read, seen[0].number) == seen[1:]
