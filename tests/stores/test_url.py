"""The one reader of `storage=` and `one_time=`."""

import asyncio
import stat
from pathlib import Path

import pytest

from support.stores import ISSUER, USER, authenticator, enrol
from upstile.server import ConfigurationError
from upstile.server.storage._url import StorageUrl, read_one_time, read_storage
from upstile.server.storage.sqlite import SqliteStore

NAMES = [
    "plain.db",
    "a#b.db",
    "#.db",
    "a%20b.db",
    "100%.db",
    "%3Fmode=ro.db",
    "with blank.db",
    "a+b&c=d.db",
    "käse 🧀.db",
    "ka\u0308se.db",
    "back\\slash.db",
    "quote'\".db",
    "semi;colon:.db",
    "user:pass@host.db",
    "file:x.db",
    "[x].db",
    "~.db",
    "..db",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_the_name_that_was_given_and_is_its_owners_alone(tmp_path: Path, name: str) -> None:
    async def use(path: str) -> None:
        store = SqliteStore(path, ISSUER)
        await store.prepare()
        await enrol(store, authenticator())  # through SQLAlchemy
        assert await store.account(USER)  # through the standard library
        made = sorted(path.name for path in tmp_path.iterdir())
        assert made == sorted([name, f"{name}-shm", f"{name}-wal"])
        for path_made in tmp_path.iterdir():
            assert stat.S_IMODE(path_made.stat().st_mode) == 0o600
        await store.aclose()

    asyncio.run(use(read_storage(f"sqlite:///{tmp_path}/{name}").address))
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///bank.db", "bank.db"),
        ("sqlite:///./data/bank.db", "./data/bank.db"),
        ("sqlite:////var/lib/bank.db", "/var/lib/bank.db"),
        ("sqlite:///C:/data/bank.db", "C:/data/bank.db"),
        ("sqlite:///C:\\data\\bank.db", "C:\\data\\bank.db"),
        ("sqlite:///a%3fb#c.db", "a%3fb#c.db"),
    ],
)
def test_an_sqlite_path_is_taken_as_it_is(text: str, path: str) -> None:
    assert read_storage(text) == StorageUrl("sqlite", path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sqlite:///s.db?check_same_thread=false", r"options behind '\?' \(check_same_thread\)"),
        ("sqlite:///s.db?mode=ro&cache=shared", r"\(mode, cache\)"),
        ("sqlite:///s.db?", r"without a name"),
        ("sqlite:///a?b.db", r"\(b\.db\)"),
        ("sqlite:///:memory:", "would forget every authenticator"),
        ("sqlite:////:memory:", "would forget every authenticator"),
        ("sqlite:///", "name one, as in sqlite:///bank.db"),
        ("sqlite://", "three slashes"),
        ("sqlite://bank.db", "as in 'sqlite:///bank.db'"),
        ("sqlite:bank.db", "as in 'sqlite:///bank.db'"),
        ("sqlite+pysqlite:///bank.db", r"leave '\+pysqlite' out"),
        ("sqlite+aiosqlite:///bank.db", r"leave '\+aiosqlite' out"),
        ("postgres://u@h/d", "write postgresql://"),
        ("postgresql+asyncpg://u@h/d", r"leave '\+asyncpg' out"),
        ("postgresql+psycopg://u@h/d", r"leave '\+psycopg' out"),
        ("postgresql:/h/d", "postgresql://user@host/database"),
        ("redis://h/0", "one_time='redis://…'"),
        ("rediss://h/0", "one_time='redis://…'"),
        ("mysql://u@h/d", "'mysql:…' is not known"),
        ("bank.db", "must be a URL, such as sqlite:///bank.db"),
        ("", "must be a URL"),
        ("sqlite:///bank.db\n", "white space around it"),
        (" sqlite:///bank.db", "white space around it"),
        ("sqlite:///bank\x00.db", "a control character"),
        ("SQLITE:///bank.db", "'SQLITE:…' is not known"),
    ],
)
def test_what_is_no_storage_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_storage(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:p%40ss@h:5432/d?sslmode=verify-full&target_session_attrs=read-write",
        "postgresql://u:p@h1:1,h2:2/d?application_name=bank#x",
        "postgresql:///d?host=/run/postgresql",
    ],
)
def test_a_url_of_postgresql_goes_to_its_library_as_it_is(text: str) -> None:
    assert read_storage(text) == StorageUrl("postgresql", text)


@pytest.mark.parametrize("text", ["redis://h:1/0?socket_timeout=2", "rediss://:p%23@h/0?ssl_cert_reqs=required"])
def test_a_url_of_redis_goes_to_its_library_as_it_is(text: str) -> None:
    assert read_one_time(text) == StorageUrl("redis", text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sqlite:///s.db", "leave one_time= out"),
        ("postgresql://h/d", "leave one_time= out"),
        ("memcached://h", "'memcached:…' is not known: write redis://"),
        ("redis:h", "'redis:…' is not known: write redis://"),
        ("redis+sentinel://h", r"leave '\+sentinel' out"),
        ("localhost", "must be a URL, such as redis://"),
    ],
)
def test_what_is_no_one_time_store_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_one_time(text)


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+asyncpg", "mysql", "redis", "rediss", "redis+x"]
)
@pytest.mark.parametrize(
    "rest", ["u:hunter2@h/d", "u:hunter2/x@h/d", "u:hunter2", ":hunter2@h", "u:hunter2#@h\n", "u:h?hunter2@h"]
)
def test_no_password_is_ever_shown(scheme: str, rest: str) -> None:
    for read in (read_storage, read_one_time):
        try:
            shown = repr(read(f"{scheme}://{rest}"))
        except ConfigurationError as error:
            shown = f"{error!r} {error.__cause__!r} {error.__context__!r}"
        assert "hunter2" not in shown
