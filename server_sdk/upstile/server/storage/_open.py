"""Which stores a deployment has, by what its author wrote. Nothing is opened here."""

from collections.abc import Callable
from pathlib import Path

from upstile.server._errors import ConfigurationError
from upstile.server.keys._seal import Seal
from upstile.server.storage._stores import OneTimeStore, Storage, TwoStores
from upstile.server.storage._url import StorageUrl
from upstile.server.storage.schema import no_secret_keys, resealing
from upstile.server.storage.sqlite import MemoryStore, SqliteStore


def stores(
    durable: StorageUrl,
    one_time: StorageUrl | None,
    issuer: str,
    seal: Seal | None,
    *,
    clock: Callable[[], float],
    shared: bool,
    allow_group_files: bool,
    audit_kept_for: float | None = None,
) -> Storage:
    """The stores of a deployment.

    Args:
        durable, one_time: where they are; `None` keeps one-time state where the rest is.
        issuer: our issuer identifier.
        seal: seals anew what version 1 of the schema sealed, where that may be.
        clock: the time in epoch seconds.
        shared: several deployments share `durable`.
        allow_group_files: accept an SQLite file that its group may read and write.
        audit_kept_for: seconds after which a row of the audit table is deleted; `None`: never.

    Raises:
        ConfigurationError: a URL cannot be used, or a driver is not installed.
    """
    if durable.kind == "memory":
        if one_time is not None:
            raise ConfigurationError("storage=':memory:' has everything in it: leave one_time= out")
        return MemoryStore(issuer, clock=clock, shared=shared, audit_kept_for=audit_kept_for)
    reseal = no_secret_keys if seal is None else resealing(seal.version_1_keys, seal)
    if durable.kind == "sqlite":
        whole = SqliteStore(
            durable.address,
            issuer,
            allow_group_files=allow_group_files,
            reseal=reseal,
            clock=clock,
            shared=shared,
            audit_kept_for=audit_kept_for,
        )
        return whole if one_time is None else TwoStores(whole, _redis(one_time, issuer))
    try:
        from upstile.server.storage.postgresql import PostgresStore
    except ModuleNotFoundError as error:
        raise ConfigurationError("storage='postgresql://…' needs psycopg: pip install 'upstile[postgresql]'") from error
    database = PostgresStore(
        durable.address, issuer, reseal=reseal, clock=clock, shared=shared, audit_kept_for=audit_kept_for
    )
    return database if one_time is None else TwoStores(database, _redis(one_time, issuer))


def key_file(durable: StorageUrl) -> Path | None:
    """Where a development server keeps its secret key: beside its data; `None` where that is no file."""
    if durable.kind != "sqlite":
        return None
    path = Path(durable.address)
    return path.with_name(path.name + ".key")


def _redis(url: StorageUrl, issuer: str) -> OneTimeStore:
    try:
        from upstile.server.storage.redis import RedisStore
    except ModuleNotFoundError as error:
        raise ConfigurationError("one_time='redis://…' needs redis-py: pip install 'upstile[redis]'") from error
    return RedisStore(url.address, issuer)
