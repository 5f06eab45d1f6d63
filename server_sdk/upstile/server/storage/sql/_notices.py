"""The queue of notices: a row for each user and kind, which one process at a time sends."""

import json
from collections.abc import Sequence
from secrets import token_hex

import sqlalchemy as sa

from upstile.server.storage import _notice_rules as rules
from upstile.server.storage._notice_rows import PAUSE, in_order, upsert
from upstile.server.storage._notice_rules import BY_STRANGERS, DAY, LEASE, ClaimedNotice
from upstile.server.storage._records import NoticeRow, Row, User
from upstile.server.storage._transactions import lock_number, read, write
from upstile.server.storage.schema import _tables as tables

ROWS = 500
"""The most rows that are looked at, or deleted, in one transaction."""
_notices = tables.notices.c
_APPEND = sa.text(upsert(lambda name: f":{name}"))


def append(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Put the notices among some rows into the queue."""
    for row in in_order(rows):
        connection.execute(_APPEND, row._asdict())


def forget(connection: sa.Connection, user: User) -> None:
    """Delete what waits for a user."""
    own = (_notices.issuer == user.issuer, _notices.subject == user.subject)
    connection.execute(sa.delete(tables.notices).where(*own))


class SqlNotices:
    """The queue of one issuer.

    Args:
        engine: from `sqlite_engine` or `postgresql_engine`.
        issuer: our issuer identifier; notices of others in the same database are not seen.
    """

    def __init__(self, engine: sa.Engine, issuer: str) -> None:
        self._engine = engine
        self._ours = _notices.issuer == issuer
        self._lock = lock_number("notices", issuer)

    def claim(self, now: float) -> ClaimedNotice | None:
        """The next notice that is due, for this process alone until `LEASE` is over.

        Those who claim wait for each other, and for nobody else: a row that a ceremony is writing is left for later.
        """
        due = self._ours & (_notices.due <= now)
        if not read(self._engine, lambda connection: connection.scalar(sa.select(sa.exists().where(due)))):
            return None
        query = sa.select(tables.notices).where(due).order_by(_notices.due).limit(ROWS)

        def work(connection: sa.Connection) -> ClaimedNotice | None:
            rows = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
            return next(filter(None, (self._claimed(connection, row, now) for row in rows)), None)

        return write(self._engine, work, self._lock)

    def settle(self, claimed: ClaimedNotice, now: float, again: float | None = None) -> None:
        """End a claim: the notice was sent or given up, or is to be tried `again` (epoch seconds).

        A claim whose lease is over, and that another process has taken since, changes nothing.
        """
        done = {
            "mail": None,
            "claim": None,
            "tries": 0,
            "last_sent": now,
            "due": sa.case((_notices.waiting > 0, now + PAUSE), else_=None),
        }
        values = done if again is None else {"claim": None, "due": again}
        where = (*_is(*claimed[:3]), _notices.claim == claimed.claim)
        write(self._engine, lambda c: c.execute(sa.update(tables.notices).where(*where).values(values)).rowcount)

    def tidy(self, now: float) -> dict[str, int]:
        """Drop what is more than the queue holds, and forget users of whom nothing waits: what was dropped, by kind."""
        quiet = self._ours & _notices.due.is_(None) & (_notices.day < now // DAY - 1)
        count = sa.select(sa.func.count()).where(self._ours, _notices.due.is_not(None))
        surplus = read(self._engine, lambda connection: connection.scalar(count) or 0) - rules.MOST

        def work(connection: sa.Connection) -> dict[str, int]:
            old = sa.select(_notices.subject, _notices.kind).where(quiet).limit(ROWS)
            keys = connection.execute(old.with_for_update(skip_locked=True)).all()
            for subject, kind in keys:
                key = (self._ours, _notices.subject == subject, _notices.kind == kind)
                connection.execute(sa.delete(tables.notices).where(*key))
            return self._drop(connection, surplus)

        has_old = read(self._engine, lambda connection: connection.scalar(sa.select(sa.exists().where(quiet))))
        return write(self._engine, work, self._lock) if surplus > 0 or has_old else {}

    def _drop(self, connection: sa.Connection, surplus: int) -> dict[str, int]:
        """Take notices out of the queue; nobody is sending them. Their rows stay: they bound what comes next."""
        if surplus <= 0:
            return {}
        order = {kind: number for number, kind in enumerate(rules.DROPPED_FIRST)}
        rank = sa.case(order, value=_notices.kind, else_=len(order))
        query = sa.select(_notices.issuer, _notices.subject, _notices.kind, _notices.waiting, _notices.mail)
        query = query.where(self._ours, _notices.due.is_not(None), _notices.claim.is_(None))
        rows = connection.execute(query.order_by(rank, _notices.due.desc()).limit(surplus).with_for_update())
        dropped: dict[str, int] = {}
        for row in rows.all():
            held = 0 if row.mail is None else int(json.loads(row.mail)["times"])
            dropped[row.kind] = dropped.get(row.kind, 0) + row.waiting + held
            empty = {"waiting": 0, "mail": None, "tries": 0, "due": None}
            connection.execute(sa.update(tables.notices).where(*_is(*row[:3])).values(empty))
        return dropped

    def _claimed(self, connection: sa.Connection, row: sa.RowMapping, now: float) -> ClaimedNotice | None:
        """Claim a row; `None` where the user gets no more mails of this sort today, and it waits until tomorrow."""
        key = {name: row[name] for name in ("issuer", "subject", "kind")}
        where = _is(**key)
        if row["mail"] is None and self._is_full(connection, row, now):
            tomorrow = (now // DAY + 1) * DAY
            connection.execute(sa.update(tables.notices).where(*where).values(due=tomorrow))
            return None
        ours = {**key, "claim": token_hex(16), "tries": row["tries"] + 1}
        values = {"claim": ours["claim"], "tries": ours["tries"], "due": now + LEASE}
        if row["mail"] is not None:
            claimed = ClaimedNotice(**ours, **json.loads(row["mail"]))
        else:
            told = {name: row[name] for name in (*NoticeRow._fields[3:], "since")}
            claimed = ClaimedNotice(**ours, **told, id=token_hex(16), begun=now, times=row["waiting"])
            sent = row["sent"] + 1 if row["day"] == now // DAY else 1
            values |= {"mail": json.dumps(claimed.mail()), "waiting": 0, "sent": sent, "day": int(now // DAY)}
        connection.execute(sa.update(tables.notices).where(*where).values(values))
        return claimed

    def _is_full(self, connection: sa.Connection, row: sa.RowMapping, now: float) -> bool:
        by_strangers = row["kind"] in BY_STRANGERS
        kinds = _notices.kind.in_(BY_STRANGERS) if by_strangers else _notices.kind.not_in(BY_STRANGERS)
        own = (self._ours, _notices.subject == row["subject"], _notices.day == now // DAY, kinds)
        sent = connection.scalar(sa.select(sa.func.sum(_notices.sent)).where(*own)) or 0
        return sent >= (rules.A_DAY_BY_STRANGERS if by_strangers else rules.A_DAY_OF_CHANGES)


def _is(issuer: str, subject: str, kind: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _notices.issuer == issuer, _notices.subject == subject, _notices.kind == kind
