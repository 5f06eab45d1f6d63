"""SQL of the hot path, with its values in it: only so can several statements travel in one message.

A text that is not plain travels as hexadecimal digits, so that no setting of the server (`standard_conforming_strings`,
`bytea_output`) and no character can change what a statement means.
"""
# ruff: noqa: S608  (nothing gets into a statement but through _text, _float, digits and hexadecimal digits)

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from psycopg.pq.abc import PGresult

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._notice_rows import in_order, upsert
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
from upstile.server.storage._stores import Kept
from upstile.server.storage.postgresql import _limits

BEGIN = ("BEGIN ISOLATION LEVEL READ COMMITTED", *_limits.GUARDS)
"""The isolation is always said: with repeatable read, which may be the role's default, most writes would fail."""
PING = "SELECT 1 FROM upstile_one_time WHERE key = ''"
TIME = "SELECT extract(epoch FROM clock_timestamp())"

_PLAIN = re.compile(r"[\w:. /@-]*", re.ASCII)
_AUDIT = ", ".join(f'"{name}"' for name in AuditRow._fields)
_ACCOUNT = """
    SELECT account.logins, account.proofs, own.id, own.method, own.name, own.state, own.created, own.data,
        own.counter, own.closed, own.transports, own.last_used, own.begun_by, own.first, own.expires_at
    FROM (SELECT 1) AS always
    LEFT JOIN upstile_accounts AS account ON account.issuer = {issuer} AND account.subject = {subject}
    LEFT JOIN upstile_authenticators AS own ON own.issuer = {issuer} AND own.subject = {subject}
    ORDER BY own.created, own.id
"""


def lock(numbers: Sequence[int]) -> str:
    """Take advisory locks, one after the other, until the transaction ends.

    It must be a statement of its own before the one that reads: a statement sees the data as they were when it began,
    so one that both locks and reads would read what was there before it waited.

    Args:
        numbers: in ascending order, as everybody takes them: else two transactions could wait for each other.
    """
    return f"SELECT pg_advisory_xact_lock(number) FROM unnest('{{{','.join(map(str, numbers))}}}'::bigint[]) AS number"


def read(keys: Iterable[OneTimeKey], now: float) -> str:
    """The live records of some keys; the caller's clock says which are."""
    return (
        "SELECT key, encode(value, 'hex'), expires_at, kept_until > expires_at FROM upstile_one_time"
        f" WHERE key IN ({', '.join(map(_text, keys)) or 'NULL'}) AND expires_at > {_float(now)}"
    )


def found(result: PGresult) -> dict[OneTimeKey, Record]:
    """What `read` read."""
    return {
        OneTimeKey(key): Record(value=bytes.fromhex(value), expires_at=float(expires_at), used=used == "t")
        for key, value, expires_at, used in _rows(result)
    }


def write(kept: Kept) -> list[str]:
    """Write and delete records."""
    rows = ", ".join(_row(key, record) for key, record in kept.items() if record is not None)
    gone = ", ".join(_text(key) for key, record in kept.items() if record is None)
    statements: list[str] = []
    if rows:
        statements.append(
            f"INSERT INTO upstile_one_time (key, value, expires_at, kept_until) VALUES {rows}"
            " ON CONFLICT (key) DO UPDATE"
            " SET value = excluded.value, expires_at = excluded.expires_at, kept_until = excluded.kept_until"
        )
    if gone:
        statements.append(f"DELETE FROM upstile_one_time WHERE key IN ({gone})")
    return statements


def tell(rows: Sequence[Row]) -> list[str]:
    """Append rows to the audit table, and put notices into their queue."""
    notices = in_order(rows)
    values = ", ".join(f"({', '.join(map(_value, row))})" for row in rows if isinstance(row, AuditRow))
    audit = [f"INSERT INTO upstile_audit ({_AUDIT}) VALUES {values}"] if values else []
    return [*audit, *map(_notice, notices)]


def _notice(row: NoticeRow) -> str:
    return upsert(lambda name: _value(getattr(row, name)))


def use(use: Use) -> str:
    """Compare-and-set what a proof uses up; it gives one row if this was the first use."""
    learnt = "" if use.data is None else f", data = {_text(json.dumps(dict(use.data)))}::json"
    counter = f"counter < {use.counter:d}" if use.counter else "counter = 0"
    if use.back_from is not None:
        counter = f"counter = {use.back_from:d}"
    return (
        f"UPDATE upstile_authenticators SET counter = {use.counter:d}, last_used = {use.at:d}{learnt}"
        f" WHERE issuer = {_text(use.user.issuer)} AND subject = {_text(use.user.subject)} AND id = {_text(use.id)}"
        f" AND state = 'active' AND {counter} RETURNING id"
    )


def account(user: User) -> str:
    """One user, in one statement: what it reads is of one moment."""
    return _ACCOUNT.format(issuer=_text(user.issuer), subject=_text(user.subject))


def read_account(user: User, result: PGresult) -> Account:
    """What `account` read."""
    rows = _rows(result)
    logins, proofs = rows[0][:2]
    records = tuple(_authenticator(row[2:]) for row in rows if row[2] is not None)
    return Account(user=user, authenticators=records, logins=int(logins or 0), proofs=int(proofs or 0))


def issuers(issuer: str) -> str:
    """Whether the database knows an issuer, and the first issuer of whom it holds authenticators."""
    known = " OR ".join(
        f"EXISTS (SELECT 1 FROM upstile_{table} WHERE issuer = {_text(issuer)})"
        for table in ("accounts", "authenticators", "signing_keys")
    )
    return f"SELECT {known}, (SELECT min(issuer) FROM upstile_authenticators)"


def _authenticator(row: Sequence[Any]) -> AuthenticatorRecord:
    id, method, name, state, created, data, counter, closed, ways, last_used, begun_by, first, expires_at = row
    return AuthenticatorRecord(
        id=id,
        method=method,
        name=name,
        state=state,
        created=int(created),
        data=json.loads(data),
        counter=int(counter),
        closed=closed == "t",
        transports=tuple((ways or "").split()),
        last_used=_number(last_used),
        begun_by=begun_by,
        first=first == "t",
        expires_at=_number(expires_at),
    )


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)


def _rows(result: PGresult) -> list[list[Any]]:
    columns = range(result.nfields)
    return [[_decoded(result.get_value(row, column)) for column in columns] for row in range(result.ntuples)]


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _row(key: OneTimeKey, record: Record) -> str:
    value = f"decode('{record.value.hex()}', 'hex')"
    return f"({_text(key)}, {value}, {_float(record.expires_at)}, {_float(record.kept_until)})"


def _value(value: str | float | None) -> str:
    if value is None:
        return "NULL"
    return _text(value) if isinstance(value, str) else _float(value)


def _float(value: float) -> str:
    return f"'{float(value)!r}'::float8"


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return f"'{value}'"
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        encoded = b"\x00"
    if b"\x00" in encoded:
        raise StorageUnavailable("PostgreSQL cannot store a name with a NUL character or half a surrogate pair")
    return f"convert_from(decode('{encoded.hex()}', 'hex'), 'UTF8')"
