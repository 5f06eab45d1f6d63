"""What a ceremony does with the file: prepared statements on one connection, each call some tens of microseconds.

So it runs on the event loop itself: a thread hop would cost more. Nothing here waits. A file that somebody else is
writing is an `sqlite3.OperationalError` at once, and the caller tries again later.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from threading import Lock
from typing import Any, TypeVar

from pydantic_core import from_json

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._audit import WaitingRows
from upstile.server.storage._notice_rows import upsert
from upstile.server.storage._records import (
    Account,
    AuditRow,
    AuthenticatorRecord,
    NoticeRow,
    OneTimeKey,
    Record,
    Row,
    Use,
    User,
)
from upstile.server.storage._stores import Decide, DecideUsed, Found, Kept, Rows

T = TypeVar("T")

_CHANGE = "UPDATE upstile_one_time SET value = ? WHERE key = ?"
_DELETE = "DELETE FROM upstile_one_time WHERE key = ?"
_AT_ONCE = 200
"""Keys of one statement; a phase has a handful."""
_TELL = (
    f"INSERT INTO upstile_audit ({', '.join(chr(34) + name + chr(34) for name in AuditRow._fields)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(AuditRow._fields))})"
)
_NOTICE = upsert(lambda name: f":{name}")
# One statement, so that the generations and the authenticators are of one moment.
_ACCOUNT = """
SELECT coalesce(u.logins, 0), coalesce(u.proofs, 0), a.id, a.method, a.name, a.state, a.created, a.data, a.counter,
    a.closed, a.transports, a.last_used, a.begun_by, a.first, a.expires_at
FROM (SELECT ? AS issuer, ? AS subject) AS q
LEFT JOIN upstile_accounts AS u ON u.issuer = q.issuer AND u.subject = q.subject
LEFT JOIN upstile_authenticators AS a ON a.issuer = q.issuer AND a.subject = q.subject
ORDER BY a.created, a.id
"""
_USE = """
UPDATE upstile_authenticators SET counter = :counter, last_used = :at, data = coalesce(:data, data)
WHERE issuer = :issuer AND subject = :subject AND id = :id AND state = 'active'
    AND CASE WHEN :back_from IS NOT NULL THEN counter = :back_from
        ELSE counter < :counter OR (:counter = 0 AND counter = 0) END
"""


class Phases:
    """The event loop's connection. Several loops may share it: each try has it for itself.

    Args:
        connection: it commits nothing by itself and waits for no lock.
        waiting: the rows that wait for the audit table.

    Attributes:
        writes: how many transactions there were; tidying looks whether there is anything to do.
    """

    def __init__(self, connection: sqlite3.Connection, waiting: WaitingRows) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._waiting = waiting
        self._lock = Lock()
        self.writes = 0

    def get_many(self, keys: Sequence[OneTimeKey], now: float) -> dict[OneTimeKey, Record]:
        """The live records of these keys."""
        with self._lock:
            return _found(self._open(), keys, now)

    def update_many(self, keys: Sequence[OneTimeKey], decide: Decide[T], now: float, rows: Rows[T]) -> T:
        """Read, decide, write, in one transaction."""
        return self._decide(None, keys, lambda found, _: decide(found), now, rows)

    def settle(self, use: Use, keys: Sequence[OneTimeKey], decide: DecideUsed[T], now: float, rows: Rows[T]) -> T:
        """Use up, read, decide, write, in one transaction."""
        return self._decide(use, keys, decide, now, rows)

    def _decide(
        self, use: Use | None, keys: Sequence[OneTimeKey], decide: DecideUsed[T], now: float, rows: Rows[T]
    ) -> T:
        with self._lock:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                first = use is not None and _use(connection, use)
                found = _found(connection, keys, now)
                kept, result = decide(found, first)
                _write(connection, found, kept)
                told = rows(result)
                late = told if told and not self._tell(connection, told) else ()
                connection.execute("COMMIT")
            except BaseException:
                _undo(connection)
                raise
            self.writes += 1
            if late:
                self._waiting.add(late)
            return result

    def _tell(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> bool:
        """Write rows of the audit table with the rest; whether that worked. Where not, the rest goes on alone."""
        if self._waiting.spares:
            return False
        try:
            for row in rows:
                if isinstance(row, NoticeRow):
                    connection.execute(_NOTICE, row._asdict())
                else:
                    connection.execute(_TELL, row)
        except sqlite3.Error as error:
            if not connection.in_transaction:  # SQLite gave up all of it: a full disk, an I/O error
                raise
            self._waiting.failed(error)
            return False
        return True

    def use(self, use: Use) -> bool:
        """Use up; whether this was the first use."""
        with self._lock:
            self.writes += 1
            return _use(self._open(), use)

    def account(self, user: User) -> Account:
        """One user, as they are now."""
        with self._lock:
            rows = self._open().execute(_ACCOUNT, user).fetchall()
        logins, proofs = rows[0][:2]
        authenticators = tuple(_authenticator(*row[2:]) for row in rows if row[2] is not None)
        return Account(user=user, authenticators=authenticators, logins=logins, proofs=proofs)

    def ping(self) -> None:
        """Read something."""
        with self._lock:
            self._open().execute("SELECT 1 FROM upstile_one_time LIMIT 1").fetchall()

    def close(self) -> None:
        """Give the connection back, after the try that has it."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StorageUnavailable("the storage is closed")
        return self._connection


@cache
def _select(keys: int) -> str:
    """Point look-ups one after the other: for `IN` SQLite would sort the keys into a table of their own first."""
    columns = "key, value, expires_at, kept_until"
    return " UNION ALL ".join(
        f"SELECT {columns} FROM upstile_one_time WHERE key = ?{n} AND expires_at > ?1"  # noqa: S608
        for n in range(2, keys + 2)
    )


@cache
def _upsert(records: int) -> str:
    marks = ", ".join(["(?, ?, ?, ?)"] * records)
    return (
        f"INSERT INTO upstile_one_time (key, value, expires_at, kept_until) VALUES {marks}"  # noqa: S608
        " ON CONFLICT (key) DO UPDATE"
        " SET value = excluded.value, expires_at = excluded.expires_at, kept_until = excluded.kept_until"
    )


def _found(connection: sqlite3.Connection, keys: Sequence[OneTimeKey], now: float) -> dict[OneTimeKey, Record]:
    found: dict[OneTimeKey, Record] = {}
    for some in _pieces(keys):
        for key, value, expires_at, kept_until in connection.execute(_select(len(some)), (now, *some)):
            found[key] = Record(value=value, expires_at=expires_at, used=kept_until > expires_at)
    return found


def _write(connection: sqlite3.Connection, found: Found, kept: Kept) -> None:
    whole: list[tuple[OneTimeKey, Record]] = []
    for key, record in kept.items():
        before = found.get(key)
        if record is None:
            connection.execute(_DELETE, (key,))
        elif before is None or (record.expires_at, record.used) != (before.expires_at, before.used):
            whole.append((key, record))
        elif record is not before:  # it lives as long as before: the index by that is left alone
            connection.execute(_CHANGE, (record.value, key))
    for some in _pieces(whole):
        values = [value for key, it in some for value in (key, it.value, it.expires_at, it.kept_until)]
        connection.execute(_upsert(len(some)), values)


def _pieces(items: Sequence[T]) -> Iterable[Sequence[T]]:
    """As many at once as one statement takes."""
    return (items[n : n + _AT_ONCE] for n in range(0, len(items), _AT_ONCE))


def _use(connection: sqlite3.Connection, use: Use) -> bool:
    values = {
        "issuer": use.user.issuer,
        "subject": use.user.subject,
        "id": use.id,
        "counter": use.counter,
        "back_from": use.back_from,
        "at": use.at,
        "data": None if use.data is None else json.dumps(use.data),
    }
    return connection.execute(_USE, values).rowcount == 1


def _authenticator(
    id: str,
    method: str,
    name: str,
    state: Any,
    created: int,
    data: str,
    counter: int,
    closed: int,
    transports: str | None,
    last_used: int | None,
    begun_by: str | None,
    first: int,
    expires_at: int | None,
) -> AuthenticatorRecord:
    return AuthenticatorRecord(
        id=id,
        method=method,
        name=name,
        state=state,
        created=created,
        data=from_json(data),
        counter=counter,
        closed=bool(closed),
        transports=tuple((transports or "").split()),
        last_used=last_used,
        begun_by=begun_by,
        first=bool(first),
        expires_at=expires_at,
    )


def _undo(connection: sqlite3.Connection) -> None:
    """End the transaction, unless the failure has ended it (a full disk does)."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
