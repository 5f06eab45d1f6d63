"""A PostgreSQL that cannot be used says what to do about it, and never what it must not."""

import traceback
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from support.databases import database_of, execute, opened
from support.postgres import PostgresServer
from support.stores import ISSUER, NOW, USER, authenticator, enrol, increment, key, use
from upstile.protocol import UpstileError
from upstile.server import ConfigurationError, StorageUnavailable
from upstile.server.storage import schema
from upstile.server.storage._records import Revocation, User
from upstile.server.storage.postgresql import PostgresStore

pytestmark = pytest.mark.anyio
PASSWORD = "open-sesame"
OTHER = "https://other.example"

CALLS: list[Callable[[PostgresStore], Awaitable[object]]] = [
    lambda store: increment(store, "counter"),
    lambda store: store.settle(use(1), [key("a")], lambda _, first: ({}, first), NOW),
    lambda store: store.use(use(1)),
    lambda store: store.revoke(Revocation(kind="token", name="t", expires_at=int(NOW) + 60)),
]
"""What writes."""


async def _refused_at_start(url: str, kind: type[UpstileError], words: str, issuer: str = ISSUER) -> None:
    store = PostgresStore(url, issuer)
    with pytest.raises(kind, match=words) as caught:
        await store.prepare()
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in repr(store)
    with pytest.raises(StorageUnavailable, match="closed"):
        await store.ping()
    await store.aclose()


async def _refuses(store: PostgresStore, words: str) -> None:
    for call in CALLS:
        with pytest.raises(StorageUnavailable, match=words) as caught:
            await call(store)
        assert caught.value.__context__ is None


@pytest.fixture
def guarded(postgres: PostgresServer, postgres_url: str) -> str:
    """The URL of a database for a role that needs a password; the URL has a wrong one."""
    [(rules,)] = execute(postgres_url, "SHOW hba_file")
    if not execute(postgres_url, "SELECT 1 FROM pg_roles WHERE rolname = 'guarded'"):
        execute(postgres_url, f"CREATE ROLE guarded LOGIN PASSWORD 'right-{PASSWORD}'")
        lines = "VALUES ('local all guarded scram-sha-256'), ('local all all trust')"
        execute(postgres_url, f"COPY ({lines}) TO '{rules}'")
        execute(postgres_url, "SELECT pg_reload_conf()")
    while _is_let_in(postgres_url):
        pass
    return postgres_url.replace("postgres@", f"guarded:{PASSWORD}@")


def _is_let_in(url: str) -> bool:
    try:
        psycopg.connect(url.replace("postgres@", f"guarded:{PASSWORD}@")).close()
    except psycopg.OperationalError:
        return False
    return True


async def test_a_wrong_password_is_named_and_not_shown(guarded: str) -> None:
    await _refused_at_start(guarded, ConfigurationError, "check user, password and database")


async def test_a_database_or_a_role_that_is_not_there_is_named(postgres: PostgresServer) -> None:
    await _refused_at_start(postgres.url("nowhere"), ConfigurationError, '"nowhere" does not exist')
    await _refused_at_start(postgres.url(user="nobody"), ConfigurationError, '"nobody" does not exist')


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{PASSWORD}@host:{PASSWORD}/db",
        f"postgresql://ada:%zz{PASSWORD}@host/db",
        f"postgresql://ada:{PASSWORD}@host/db?unknown={PASSWORD}",
        f"postgresql://ada:1/{PASSWORD}@host/db",
        f"postgresql://ada:@{PASSWORD}@host/db",
        f"postgresql+psycopg://ada:{PASSWORD}@host/db",
        f"host=db password={PASSWORD}",
        f"mysql://ada:{PASSWORD}@host/db",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://user:password@host") as caught:
        PostgresStore(url, ISSUER)
    assert PASSWORD not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__context__ is None


async def test_a_read_only_database_is_refused_at_the_start_and_later(postgres_url: str) -> None:
    database = database_of(postgres_url)
    async with opened(postgres_url) as store:
        await enrol(store, authenticator())
        execute(postgres_url, f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        await _refused_at_start(postgres_url, StorageUnavailable, "is read-only: name the primary")
        execute(
            postgres_url,
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        await _refuses(store, "is read-only: name the primary")
        assert (await store.account(USER)).authenticators == (authenticator(),)


async def test_a_full_disk_is_named_and_nothing_is_written(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        await enrol(store, authenticator())
        full = "BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END"
        execute(postgres_url, f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $${full}$$")
        for table in ("one_time", "authenticators", "revocations"):
            execute(
                postgres_url,
                f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON upstile_{table} EXECUTE FUNCTION full_disk()",
            )
        await _refuses_writes(store)
        for table in ("one_time", "authenticators", "revocations"):
            execute(postgres_url, f"DROP TRIGGER full_disk ON upstile_{table}")
        assert await increment(store, "counter") == 1
        assert await store.use(use(1))


async def _refuses_writes(store: PostgresStore) -> None:
    await _refuses(store, "disk is full")


async def test_a_role_without_rights_is_told_which(postgres: PostgresServer, postgres_url: str) -> None:
    role = database_of(postgres_url)
    execute(postgres_url, f"CREATE ROLE {role} LOGIN")
    url = postgres_url.replace("postgres@", f"{role}@")
    execute(postgres_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    await _refused_at_start(url, ConfigurationError, "role lacks rights")
    async with opened(postgres_url):
        execute(postgres_url, f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}")
        await _refused_at_start(url, ConfigurationError, "GRANT SELECT, INSERT, UPDATE, DELETE")
    execute(postgres_url, f"GRANT DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    execute(postgres_url, f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
    async with opened(url) as store:
        assert await increment(store, "counter") == 1
        await store.revoke(Revocation(kind="token", name="t", expires_at=int(NOW) + 60))
        execute(postgres_url, f"REVOKE UPDATE ON ALL TABLES IN SCHEMA public FROM {role}")
        with pytest.raises(StorageUnavailable, match="role lacks rights"):
            await increment(store, "counter")


async def test_a_server_without_connections_left_says_so(postgres: PostgresServer, postgres_url: str) -> None:
    database = database_of(postgres_url)
    role = f"{database}_few"
    execute(postgres_url, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
    url = postgres_url.replace("postgres@", f"{role}@")
    await _refused_at_start(url, StorageUnavailable, "too many connections for role")


async def test_a_database_of_a_later_release_is_refused(postgres_url: str) -> None:
    async with opened(postgres_url):
        execute(postgres_url, "UPDATE upstile_schema SET version_num = %s", str(schema.HEAD + 1))
    await _refused_at_start(postgres_url, ConfigurationError, "install the release that upgraded it")


async def test_a_database_of_the_first_release_is_not_upgraded_unasked(postgres_url: str) -> None:
    execute(postgres_url, "CREATE TABLE upstile_ephemeral (key text)")
    await _refused_at_start(postgres_url, ConfigurationError, "run `upstile-server db upgrade`")


async def test_tables_that_vanish_are_missed(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        execute(postgres_url, "DROP TABLE upstile_one_time, upstile_authenticators, upstile_revocations")
        await _refuses(store, "run `upstile-server db upgrade`")
        with pytest.raises(StorageUnavailable, match="run `upstile-server db upgrade`"):
            await store.ping()


async def test_a_database_of_another_issuer_is_refused_unless_it_is_shared(postgres_url: str) -> None:
    async with opened(postgres_url, OTHER) as store:
        await enrol(store, authenticator(), user=User(OTHER, "ada"))
    await _refused_at_start(postgres_url, ConfigurationError, f"authenticators of {OTHER}")
    async with opened(postgres_url, shared=True) as store:
        await enrol(store, authenticator("second"))
    async with opened(postgres_url) as store:
        assert (await store.account(USER)).authenticators == (authenticator("second"),)


async def test_a_database_that_cannot_hold_every_name_is_refused(postgres: PostgresServer) -> None:
    postgres.execute("DROP DATABASE IF EXISTS latin")
    postgres.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    await _refused_at_start(postgres.url("latin"), ConfigurationError, "ENCODING 'UTF8'")


@pytest.mark.parametrize("subject", ["ada\x00", "ada\ud800"])
async def test_a_name_that_cannot_be_stored_is_nobody_elses(postgres_url: str, subject: str) -> None:
    async with opened(postgres_url) as store:
        await enrol(store, authenticator())
        user = User(ISSUER, subject)
        with pytest.raises(StorageUnavailable):
            await store.account(user)
        with pytest.raises(StorageUnavailable):
            await store.change_account(user, lambda account: (account, None))
        assert (await store.account(USER)).authenticators == (authenticator(),)


@pytest.mark.parametrize("subject", ["o'hara", "back\\slash'; --", "", "%s", "日本 🔑", "'||'", "E'\\x00"])
async def test_a_name_means_itself(postgres_url: str, subject: str) -> None:
    user = User(ISSUER, subject)
    database = database_of(postgres_url)
    execute(postgres_url, f"ALTER DATABASE {database} SET standard_conforming_strings = off")
    execute(postgres_url, f"ALTER DATABASE {database} SET bytea_output = 'escape'")
    async with opened(postgres_url) as store:
        await enrol(store, authenticator(), user=user)
        assert await store.use(use(7, user=user, data={"learnt": subject}))
        found = await store.account(user)
        assert found.user == user
        assert found.authenticators[0].data == {"learnt": subject}
        assert await increment(store, subject) == 1
        assert await increment(store, subject) == 2


async def test_a_value_that_the_database_quotes_gets_into_no_error(postgres_url: str) -> None:
    secret = "secret-" * 20
    async with opened(postgres_url) as store:
        with pytest.raises(StorageUnavailable) as caught:
            await enrol(store, authenticator(name=secret))
        assert "secret" not in "".join(traceback.format_exception(caught.value)).replace("name=secret", "")
        assert caught.value.__context__ is None
