"""`storage=":memory:"`: of one process with all its threads, gone when it is closed, and for tests only."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from support.shop import URL, shop
from upstile.server import ConfigurationError
from upstile.server.keys._secret_keys import new_key
from upstile.server.storage.sqlite import MemoryStore
from upstile.server.testing import token_for

THREADS, ROUNDS = 8, 10


def test_all_of_it_is_gone_when_the_application_stops() -> None:
    app, server = shop()
    before = token_for(server, "ada", acr="mfa")
    with TestClient(app) as client:
        assert client.post("/orders/book", auth=before).status_code == 200
        keys = client.get("/stepup/jwks").json()
    with TestClient(app) as client:
        assert client.get("/stepup/jwks").json() != keys
        assert client.post("/orders/book", auth=before).status_code == 401
        assert not asyncio.run(server.end_sessions("ada")).seen


def test_what_ended_before_it_was_closed_says_nothing_about_what_comes_after() -> None:
    app, server = shop()
    for _ in range(2):  # the second time a log is read that begins with number 1 again
        with TestClient(app) as client:
            made = token_for(server, "ada", acr="mfa")
            assert client.post("/orders/book", auth=made).status_code == 200
            assert client.portal is not None
            client.portal.call(server.end_sessions, "ada")
            assert client.post("/orders/book", auth=made).status_code == 401


def test_the_log_of_a_new_storage_is_read_from_its_beginning() -> None:
    _, server = shop()
    deployment: Any = server._deployment
    revocations = deployment.authority.revocations

    async def life(ends: int) -> bool:
        await deployment.prepare()
        for number in range(ends):
            await revocations.revoke("token", f"token {number}", deployment.clock() + 1000)
        await asyncio.to_thread(revocations.look, deployment.clock())
        known: bool = revocations._last == ends
        await deployment.aclose()
        assert not revocations.usable
        return known

    assert asyncio.run(life(3))
    assert asyncio.run(life(1))


def test_many_threads_use_it_at_once_and_what_serves_once_serves_once() -> None:
    app, server = shop()
    with TestClient(app), ThreadPoolExecutor(THREADS) as threads:

        def calls(once: Any) -> int:
            client = TestClient(app)  # of this thread, with an event loop of its own
            assert client.post("/orders/book", auth=token_for(server, "ada", acr="mfa")).status_code == 200
            return client.delete("/once", auth=once).status_code

        for _ in range(ROUNDS):
            once = token_for(server, "ada", acr="mfa", single_use=True)
            statuses = list(threads.map(calls, [once] * THREADS))
            assert sorted(statuses) == [200] + [401] * (THREADS - 1)


def test_two_of_them_never_meet() -> None:
    _, one = shop()
    other_app, _ = shop()
    made = token_for(one, "ada", acr="mfa")
    with TestClient(other_app) as client:
        assert client.post("/orders/book", auth=made).status_code == 401


def test_it_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app, server = shop()
    with TestClient(app) as client:
        assert client.post("/orders/book", auth=token_for(server, "ada", acr="mfa")).status_code == 200
        assert not [*tmp_path.iterdir()]
    assert not [*tmp_path.iterdir()]


def test_an_https_address_refuses_it() -> None:
    with pytest.raises(ConfigurationError, match="storage=':memory:' is for tests: it forgets every authenticator"):
        shop(url="https://api.example.com", secret_keys=[new_key()])


def test_redis_beside_it_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has everything in it: leave one_time= out"):
        shop(one_time="redis://localhost:6379/0")


def test_a_forked_process_gets_none_of_it() -> None:
    store = MemoryStore(URL, clock=lambda: 0.0)
    asyncio.run(store.prepare())
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(store.prepare())
        except ConfigurationError as error:
            os._exit(7 if "of one process" in str(error) else 8)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    asyncio.run(store.aclose())


def test_a_command_has_nothing_to_look_at() -> None:
    store = MemoryStore(URL, clock=lambda: 0.0)
    for verb in (store.check_schema, store.upgrade_schema):
        with pytest.raises(ConfigurationError, match="gone when it is closed: name a file"):
            verb()
