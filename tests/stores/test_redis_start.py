"""What a Redis must be like for the deployment to start, and what is said where it is not."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from support.redis_server import RedisServer, one_node_cluster, redis_server
from support.redis_stores import first_use, name_in_redis, opened
from support.stores import ISSUER, key, live, put
from upstile.server import ConfigurationError, StorageUnavailable
from upstile.server.storage.redis import RedisStore

pytestmark = pytest.mark.anyio
A = key("a")
PASSWORD = "p@ss:w/o?r#d%20 ünd+&=[]'\""  # what a URL could misread
_EVICTING = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random"]
_ALLOWED = ("~{upstile:*", "-@all", "+get", "+mget", "+set", "+del", "+eval", "+evalsha", "+wait")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("start")) as server:
        yield server


@pytest.fixture
def policy(server: RedisServer) -> Generator[RedisServer]:
    yield server
    server.do("CONFIG", "SET", "maxmemory-policy", "noeviction")


def _url(server: RedisServer, user: str, password: str = PASSWORD) -> str:
    return f"redis://{user}:{quote(password, safe='')}@127.0.0.1:{server.port}/0"


def _user(server: RedisServer, name: str, *rules: str) -> str:
    server.do("ACL", "SETUSER", name, "reset", "on", f">{PASSWORD}", *_ALLOWED, *rules)
    return _url(server, name)


async def _refused(url: str, kind: type[Exception] = ConfigurationError) -> str:
    store = RedisStore(url, ISSUER)
    with pytest.raises(kind) as refused:
        await store.prepare()
    await store.aclose()
    return str(refused.value)


@pytest.mark.parametrize("evicting", [*_EVICTING, "volatile-ttl"])
async def test_a_redis_that_evicts_is_refused_with_the_command_that_changes_it(
    policy: RedisServer, evicting: str
) -> None:
    policy.do("CONFIG", "SET", "maxmemory-policy", evicting)
    said = await _refused(policy.url)
    assert f"(maxmemory-policy {evicting})" in said
    command = f"redis-cli -h 127.0.0.1 -p {policy.port} CONFIG SET maxmemory-policy noeviction"
    assert f"`{command}`" in said
    policy.do(*command.split()[5:])
    async with opened(policy.url) as store:
        assert await first_use(store, key(evicting))


async def test_where_config_is_forbidden_info_says_the_policy(
    policy: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = _user(policy, "informed", "+info")
    async with opened(url):
        assert not caplog.records
    policy.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert "allkeys-lru" in await _refused(url)


async def test_where_both_are_forbidden_one_warning_is_given(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(_user(server, "plain")) as store:
        await store.prepare()
        await store.aclose()
        await store.prepare()
        assert await first_use(store, key("forbidden"))
    assert [(record.levelno, record.name) for record in caplog.records] == [(logging.WARNING, "upstile.server")]
    assert "make sure that it is noeviction" in caplog.text


async def test_a_password_of_any_characters_is_accepted_and_never_shown(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(_user(server, "ada")) as store:
        assert await first_use(store, key("special"))
        assert PASSWORD not in repr(vars(store))
        assert quote(PASSWORD, safe="") not in repr(vars(store))
    assert PASSWORD not in caplog.text


async def test_a_wrong_password_is_a_fault_of_the_configuration(server: RedisServer) -> None:
    _user(server, "ada")
    said = await _refused(_url(server, "ada", "not-" + PASSWORD))
    assert said == (
        f"the Redis at redis://127.0.0.1:{server.port}/0 does not accept the user and password of its URL, "
        "or wants some: correct one_time="
    )


async def test_a_password_that_is_missing_or_not_wanted_is_said(tmp_path: Path, server: RedisServer) -> None:
    with redis_server(tmp_path) as closed:
        closed.do("CONFIG", "SET", "requirepass", "secret")
        assert "or wants some" in await _refused(closed.url)
    said = await _refused(f"redis://:secret@127.0.0.1:{server.port}")
    assert "does not accept the user and password" in said


async def test_a_user_who_may_not_run_the_script_is_refused_at_the_start(server: RedisServer) -> None:
    assert "allow +get +mget" in await _refused(_user(server, "reader", "-eval", "-evalsha"))
    assert "allow +get +mget" in await _refused(_user(server, "stranger", "resetkeys", "~other:*"))


async def test_a_password_that_is_changed_later_makes_the_store_unavailable(server: RedisServer) -> None:
    async with opened(_user(server, "bob")) as store:
        await put(store, {key("bob"): live()})
        server.do("ACL", "SETUSER", "bob", "resetpass", ">another")
        await asyncio.to_thread(server.do, "ACL", "DELUSER", "bob")
        with pytest.raises(StorageUnavailable):
            await store.ping()


async def test_a_database_that_is_not_there_is_said(server: RedisServer) -> None:
    assert "no database of this number" in await _refused(f"redis://127.0.0.1:{server.port}/99")


@asynccontextmanager
async def _repeating_proxy() -> AsyncGenerator[int]:
    """Something that knows no AUTH, and answers with the arguments of what it does not know, as old proxies do."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(65536):
            words = request.split(b"\r\n")[2::2]
            writer.write(b"-ERR unknown command, with args beginning with: " + b" ".join(words) + b"\r\n")
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def test_an_answer_that_repeats_the_password_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    async with _repeating_proxy() as port:
        store = RedisStore(f"redis://ada:secret-word@127.0.0.1:{port}", ISSUER, replicas=1)
        with pytest.raises(ConfigurationError) as refused:
            await store.prepare()
        logging.getLogger("test").error("refused", exc_info=refused.value)
        store._prepared_by = os.getpid()
        for call in (store.ping(), first_use(store, A)):
            with pytest.raises(StorageUnavailable) as unavailable:
                await call
            logging.getLogger("test").error("unavailable", exc_info=unavailable.value)
        await store.aclose()
    assert "secret-word" not in caplog.text
    assert caplog.text.count("does not know a command that is needed") == 3


async def test_a_cluster_takes_the_script_because_all_keys_have_one_tag(tmp_path: Path) -> None:
    with one_node_cluster(tmp_path) as node:
        async with opened(node.url) as store:
            keys = [key(str(number)) for number in range(20)]
            await put(store, {name: live() for name in keys})
            assert len(await store.get_many(keys, 0.0)) == 20
            slots = {node.do("CLUSTER", "KEYSLOT", name) for name in node.do("KEYS", "*")}
            untagged = {node.do("CLUSTER", "KEYSLOT", name) for name in keys}
        assert len(slots) == 1
        assert len(untagged) > 1  # without the tag they would lie in many, and the script be refused
        node.do("CLUSTER", "DELSLOTS", *slots)
        assert "of a Redis Cluster that is down" in await _refused(node.url, StorageUnavailable)


async def test_a_node_of_a_cluster_without_our_slot_is_refused_by_name(tmp_path: Path) -> None:
    with (
        one_node_cluster(tmp_path / "one") as node,
        redis_server(tmp_path / "two", "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf") as other,
    ):
        other_id = other.do("CLUSTER", "MYID")
        node.do("CLUSTER", "MEET", "127.0.0.1", other.port)
        node.await_log("IP address for this node updated")
        slot = node.do("CLUSTER", "KEYSLOT", name_in_redis(A))
        while other_id not in (node.do("CLUSTER", "NODES") or {}):
            await asyncio.sleep(0.01)
        node.do("CLUSTER", "SETSLOT", slot, "NODE", other_id)
        assert "name the node that holds it in one_time=" in await _refused(node.url)
