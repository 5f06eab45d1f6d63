"""What is looked at before a store opens: the URL, the way to the server, the tables, the rights."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import conninfo

from upstile.protocol import UpstileError
from upstile.server._errors import ConfigurationError, StorageUnavailable
from upstile.server.storage import schema
from upstile.server.storage.postgresql import _limits
from upstile.server.storage.postgresql._engine import Engine, explained
from upstile.server.storage.postgresql._link import Link
from upstile.server.storage.postgresql._refusals import RIGHTS, SLOW, Lost, Refused
from upstile.server.storage.postgresql._statements import issuers

T = TypeVar("T")
_FORM = "postgresql://user:password@host:5432/database, with what is special in user and password percent-encoded"
_SETTINGS = ("SELECT current_setting('server_encoding')", "SELECT current_setting('transaction_read_only')")
_MISSING_RIGHTS = (
    "SELECT count(*) FROM unnest('{upstile_accounts,upstile_audit,upstile_authenticators,upstile_one_time,"
    "upstile_revocations,upstile_secrets,upstile_signing_keys}'::text[]) AS own,"
    " unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS needed"
    # The version before has no audit table yet.
    " WHERE CASE WHEN own = 'upstile_audit' AND to_regclass(own) IS NULL THEN false"
    " ELSE NOT has_table_privilege(own, needed) END"
)


def parameters(url: str) -> dict[str, Any]:
    """What libpq and psycopg need to connect.

    Args:
        url: as libpq reads it.

    Raises:
        ConfigurationError: it does not.
    """
    given = _parsed(url)
    # Raised out here: libpq's message may quote a piece of the password.
    if given is None or _is_cut_wrongly(given):
        raise ConfigurationError(f"storage= is not a URL that libpq can read: write {_FORM}")
    given.setdefault("connect_timeout", str(int(_limits.ANSWER)))
    given.setdefault("application_name", "upstile")
    # A pooler hands a prepared statement to the wrong session, hence the threshold.
    return {**given, "client_encoding": "UTF8", "prepare_threshold": None}


def _parsed(url: str) -> dict[str, Any] | None:
    if not url.startswith(("postgresql://", "postgres://")):
        return None
    try:
        return dict(conninfo.conninfo_to_dict(url))
    except psycopg.Error:
        return None


def _is_cut_wrongly(given: Mapping[str, Any]) -> bool:
    """Whether a piece of a password that is not encoded is taken for something else, which error messages name."""
    ports = str(given.get("port", "")).split(",")
    return any("@" in str(given.get(name, ""))[1:] for name in ("host", "dbname")) or not all(
        port == "" or port.isdecimal() for port in ports
    )


async def check(parameters: Mapping[str, Any], issuer: str, reseal: schema.Reseal, *, shared: bool) -> None:
    """Check that the database can be used; make the tables of an empty one.

    Args:
        parameters: libpq's.
        issuer: our issuer identifier.
        reseal: seals anew what version 1 of the schema sealed.
        shared: whether the authenticators in it may all be those of other issuers.

    Raises:
        ConfigurationError: it cannot be used as it is.
        StorageUnavailable: it cannot be reached, or written to.
    """

    async def look_at_issuers(link: Link) -> None:
        await _look_at_issuers(link, issuer)

    await _ask(parameters, _look_at_server)
    await asyncio.to_thread(_prepare_schema, parameters, issuer, reseal)
    await _ask(parameters, _look_at_rights)
    if not shared:
        await _ask(parameters, look_at_issuers)


async def _ask(parameters: Mapping[str, Any], look: Callable[[Link], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(_limits.ANSWER):
            link = await Link.open(parameters)
            try:
                return await look(link)
            finally:
                link.close()
    except TimeoutError:
        failure: UpstileError = StorageUnavailable(SLOW)
    except (Lost, Refused) as error:
        failure = error.at_start()
    raise failure


def schema_version(parameters: Mapping[str, Any]) -> int:
    """The version of the database's schema, on which this release works; nothing is changed."""
    return _with_engine(parameters, schema.check)


def upgrade_schema(parameters: Mapping[str, Any], issuer: str, reseal: schema.Reseal) -> int:
    """Bring the database to the newest schema; that version."""
    _with_engine(parameters, lambda engine: schema.upgrade(engine, issuer, reseal))
    return schema.HEAD


def _prepare_schema(parameters: Mapping[str, Any], issuer: str, reseal: schema.Reseal) -> None:
    _with_engine(parameters, lambda engine: schema.prepare(engine, issuer, reseal))


def _with_engine(parameters: Mapping[str, Any], work: Callable[[sa.Engine], T]) -> T:
    engine = Engine(parameters, guarded=False)
    try:
        return explained(lambda: work(engine.engine), at_start=True)
    finally:
        engine.close()


async def _look_at_server(link: Link) -> None:
    encoding, read_only = [result.get_value(0, 0) for result in await link.ask(*_SETTINGS)]
    if encoding != b"UTF8":
        raise ConfigurationError("the database does not store all of Unicode: make it with ENCODING 'UTF8'")
    if read_only != b"off":
        raise Refused("25006")


async def _look_at_rights(link: Link) -> None:
    [result] = await link.ask(_MISSING_RIGHTS)
    if result.get_value(0, 0) != b"0":
        raise ConfigurationError(RIGHTS)


async def _look_at_issuers(link: Link, issuer: str) -> None:
    [result] = await link.ask(issuers(issuer))
    ours, other = result.get_value(0, 0), result.get_value(0, 1)
    if ours == b"f" and other is not None:
        raise ConfigurationError(
            f"this database holds authenticators of {other.decode()}, and nothing of {issuer}. If url= was changed, set"
            " it back: security keys and tokens are bound to the old name. If this is another deployment in the same"
            " database, say so with shared_storage=True"
        )
