"""A process that was forked after the storage was opened opens its own connections."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.stores import ISSUER, NOW, USER, authenticator, enrol, increment, key, live, put, use
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
_ROOT = Path(__file__).parents[2]


async def _all(store: SqliteStore) -> None:
    for _ in range(20):
        await increment(store, "counter")
        await store.use(use(0))
    await store.secret("names", b"made")
    await asyncio.to_thread(store.tidy, NOW)
    await store.ping()


def _with_prepare(store: SqliteStore) -> Awaitable[None]:
    return store.prepare()


async def _nothing(_: SqliteStore) -> None:
    pass


FIRST: dict[str, Callable[[SqliteStore], Awaitable[None]]] = {"prepare": _with_prepare, "nothing": _nothing}


def main() -> None:
    """Open, fork, use the storage in both; the child closes first."""
    path, first = sys.argv[1:]
    store = SqliteStore(path, ISSUER)

    async def begin() -> None:
        await store.prepare()
        await enrol(store, authenticator())
        await put(store, {key("of the parent"): live()})

    asyncio.run(begin())
    inherited = store._here()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            _child(store, FIRST[first])
        children.append(child)
    asyncio.run(_all(store))
    codes = [os.waitpid(child, 0)[1] for child in children]
    assert store._here() is inherited

    async def end() -> None:
        assert await increment(store, "counter") == 81
        assert await store.get_many([key("of the parent")], NOW)
        await store.aclose()

    asyncio.run(end())
    sys.stdout.write(f"{codes}")


def _child(store: SqliteStore, first: Callable[[SqliteStore], Awaitable[None]]) -> None:
    code = 1
    try:
        inherited = store._opened

        async def work() -> None:
            await first(store)
            await _all(store)
            assert (await store.account(USER)).authenticators
            await store.aclose()

        asyncio.run(work())
        assert inherited is not None
        assert inherited.phases._connection is not None  # the parent's was not closed here
        code = 0
    finally:
        os._exit(code)


@pytest.mark.parametrize("first", FIRST)
def test_forked_processes_use_connections_of_their_own(tmp_path: Path, first: str) -> None:
    command = [sys.executable, __file__, str(tmp_path / "state.db"), first]
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)  # noqa: S603
    assert done.stdout == "[0, 0, 0]", done.stderr


if __name__ == "__main__":
    main()
