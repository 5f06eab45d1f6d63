"""What must survive, in a relational database: accounts, signing keys, the log of revocations."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from upstile.server._errors import ConfigurationError
from upstile.server.storage._audit import WaitingRows
from upstile.server.storage._records import (
    ENDS_AFTER,
    Account,
    AuditRow,
    AuthenticatorRecord,
    Revocation,
    Row,
    SigningKeyRecord,
    Use,
    User,
)
from upstile.server.storage._stores import DecideAccount, DecideKeys, Rows, no_rows
from upstile.server.storage._transactions import SCHEMA_LOCK, lock_number, read, write
from upstile.server.storage.schema import _tables as tables
from upstile.server.storage.schema._version import WITH_NOTICES, version
from upstile.server.storage.sql import _audit, _log, _notices
from upstile.server.storage.sql._notices import SqlNotices
from upstile.server.storage.sql._rows import delete_account, read_account, read_authenticators, write_account
from upstile.server.storage.sql._sweep import sweep

T = TypeVar("T")

TIDY_EVERY = 60.0
"""Seconds between two sweeps that find little."""

_authenticators, _keys = tables.authenticators.c, tables.signing_keys.c


class SqlLedger:
    """The durable operations of a store, each in a transaction of its own that is on the disk when it returns.

    The methods wait, so they are for a thread. They mean what those of `DurableStore` mean.

    Args:
        engine: from `sqlite_engine` or `postgresql_engine`.
        issuer: our issuer identifier; keys and revocations of others in the same database are not seen.
        clock: the time in epoch seconds; it says how long an ended generation stays in the log.
        waiting: the rows that wait for the audit table.
        audit_kept_for: seconds after which a row of the audit table is deleted; `None`: never.
    """

    def __init__(
        self,
        engine: sa.Engine,
        issuer: str,
        *,
        clock: Callable[[], float] = time.time,
        waiting: WaitingRows | None = None,
        audit_kept_for: float | None = None,
    ) -> None:
        self._engine = engine
        self._issuer = issuer
        self._clock = clock
        self._waiting = waiting or WaitingRows()
        self._audit_kept_for = audit_kept_for
        self._version = 0
        self._audit_swept = 0.0
        self._tidied = 0.0

    def account(self, user: User) -> Account:
        """One user, as they are now."""
        return read(self._engine, lambda connection: read_account(connection, user))

    def change_account(
        self, user: User, decide: DecideAccount[T], rows: Rows[T] = no_rows, *, spared: str | None = None
    ) -> T:
        """Read, decide, write; a generation that goes up is in the log when this returns, and rows are in the table.

        Raises:
            CredentialTaken: a new credential is enrolled already.
        """

        def work(connection: sa.Connection) -> T:
            found = read_account(connection, user, lock=True)
            before = _log.not_before(connection, found)
            after, result = decide(before)
            if after is not before:
                write_account(connection, found, after)
            self._note(connection, before, after, spared)
            told = rows(result)
            _log.settling(connection, told, after)
            _append(connection, told)
            return result

        return write(self._engine, work, lock_number("account", *user))

    def forget_account(self, user: User, rows: Sequence[Row] = (), *, audited: User | None = None) -> Account:
        """Delete all that is kept of a user; what they had has ended when this returns, and rows are in the table."""

        def work(connection: sa.Connection) -> Account:
            before = _log.not_before(connection, read_account(connection, user, lock=True))
            after = Account(user=user, logins=before.logins + 1, proofs=before.proofs + 1)
            delete_account(connection, user)
            self._note(connection, before, after)
            _audit.forget(connection, audited or user)
            if self._has(connection, WITH_NOTICES):
                _notices.forget(connection, user)
            _log.settling(connection, rows, after)
            _append(connection, rows)
            return after

        return write(self._engine, work, lock_number("account", *user))

    def settled_at(self, user: User, now: float) -> int | None:
        """Until when some things stay closed to a user after a reset."""
        return read(self._engine, lambda connection: _log.settled_at(connection, user, now))

    def authenticators_after(self, id: str, limit: int) -> list[tuple[User, AuthenticatorRecord]]:
        """The next authenticators of this issuer, in the order of their ids."""

        return read(self._engine, lambda connection: read_authenticators(connection, self._issuer, id, limit))

    def use(self, use: Use) -> bool:
        """Compare-and-set what a proof uses up, in one statement."""
        fresh = _authenticators.counter < use.counter if use.counter else _authenticators.counter == 0
        if use.back_from is not None:
            fresh = _authenticators.counter == use.back_from
        statement = (
            sa.update(tables.authenticators)
            .where(
                _authenticators.id == use.id,
                _authenticators.issuer == use.user.issuer,
                _authenticators.subject == use.user.subject,
                _authenticators.state == "active",
                fresh,
            )
            .values(counter=use.counter, last_used=use.at)
        )
        if use.data is not None:
            statement = statement.values(data=dict(use.data))
        return write(self._engine, lambda connection: connection.execute(statement).rowcount == 1)

    def change_signing_keys(self, decide: DecideKeys[T]) -> T:
        """Read this issuer's keys, the newest first, decide, write; one process at a time."""

        def work(connection: sa.Connection) -> T:
            before = self._signing_keys(connection)
            after, result = decide(before)
            self._write_keys(connection, before, after)
            return result

        return write(self._engine, work, SCHEMA_LOCK)

    def revoke(self, entry: Revocation, rows: Sequence[Row] = ()) -> bool:
        """Append to the log, and tell of it, once. What is there already is found without waiting for anybody."""
        if read(self._engine, lambda connection: _log.is_there(connection, self._issuer, entry)):
            return False

        def work(connection: sa.Connection) -> tuple[bool, bool]:
            new = _log.append(connection, self._issuer, [entry])
            return new, not new or self._tells(connection, rows)

        new, told = write(self._engine, work)
        if not told:
            self._waiting.add(rows)
        return new

    def revocations_after(self, number: int, now: float) -> list[Revocation]:
        """The live entries of this issuer with a higher number, in order."""
        return read(self._engine, lambda connection: _log.after(connection, self._issuer, number, now))

    def secret(self, name: str, made: bytes) -> bytes:
        """A random value of this storage: `made`, or what another process made before."""
        query = sa.select(tables.secrets.c.value).where(tables.secrets.c.name == name)

        def work(connection: sa.Connection) -> bytes:
            found = connection.execute(query).scalar_one_or_none()
            if found is None:
                connection.execute(sa.insert(tables.secrets), {"name": name, "value": made})
            return made if found is None else found

        found = read(self._engine, lambda connection: connection.execute(query).scalar_one_or_none())
        return write(self._engine, work, SCHEMA_LOCK) if found is None else found

    def append(self, rows: Sequence[Row]) -> None:
        """Append to the audit table."""
        write(self._engine, lambda connection: _append(connection, rows))

    def audited(self, user: User) -> list[AuditRow]:
        """What the audit table says of a user, the oldest first."""
        return read(self._engine, lambda connection: _audit.of_user(connection, user))

    def with_notices(self, work: Callable[[SqlNotices], T]) -> T:
        """Do some work with the queue of notices.

        Raises:
            ConfigurationError: the schema has no queue yet.
        """
        if not read(self._engine, lambda connection: self._has(connection, WITH_NOTICES)):
            raise ConfigurationError(
                f"notices= needs version {WITH_NOTICES} of the schema: run `upstile-server db upgrade`"
            )
        return work(SqlNotices(self._engine, self._issuer))

    def tidy(self, now: float) -> None:
        """Delete some of what is dead; once a minute, sooner while there is more."""
        if abs(now - self._tidied) >= TIDY_EVERY and not write(self._engine, lambda connection: sweep(connection, now)):
            self._tidied = now
        kept_for = self._audit_kept_for
        if kept_for is None or abs(now - self._audit_swept) < TIDY_EVERY:
            return
        if not write(self._engine, lambda connection: _audit.sweep(connection, now - kept_for)):
            self._audit_swept = now

    def _tells(self, connection: sa.Connection, rows: Sequence[Row]) -> bool:
        """Write rows with what must not fail with them; whether that worked."""
        if not rows:
            return True
        if self._waiting.spares:
            return False
        try:
            with connection.begin_nested():
                _append(connection, rows)
        except SQLAlchemyError as error:
            self._waiting.failed(error)
            return False
        return True

    def _has(self, connection: sa.Connection, since: int) -> bool:
        """Whether the schema has what came with a version; asked until it has."""
        if self._version < since:
            self._version = version(connection) or 0
        return self._version >= since

    def _note(self, connection: sa.Connection, before: Account, after: Account, spared: str | None = None) -> None:
        expires_at = int(self._clock()) + ENDS_AFTER
        _log.append(connection, before.user.issuer, _log.ended(before, after, expires_at, spared))

    def _signing_keys(self, connection: sa.Connection) -> list[SigningKeyRecord]:
        query = (
            sa.select(_keys.kid, _keys.sealed, _keys.created, _keys.signs_from)
            .where(_keys.issuer == self._issuer)
            .order_by(_keys.created.desc(), _keys.signs_from.desc(), _keys.kid)
        )
        return [SigningKeyRecord(**row) for row in connection.execute(query).mappings()]

    def _write_keys(
        self, connection: sa.Connection, before: Sequence[SigningKeyRecord], after: Sequence[SigningKeyRecord]
    ) -> None:
        for key in set(before) - set(after):
            connection.execute(sa.delete(tables.signing_keys).where(_keys.issuer == self._issuer, _keys.kid == key.kid))
        for key in set(after) - set(before):
            values = {"issuer": self._issuer, "kid": key.kid, "created": key.created, "signs_from": key.signs_from}
            connection.execute(sa.insert(tables.signing_keys), {**values, "sealed": key.sealed})


def _append(connection: sa.Connection, rows: Sequence[Row]) -> None:
    _audit.append(connection, [row for row in rows if isinstance(row, AuditRow)])
    _notices.append(connection, rows)
