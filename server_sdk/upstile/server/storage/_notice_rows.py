"""How a notice gets into its queue: one statement, for SQLite and PostgreSQL, for phases and for what is rare."""

from collections.abc import Callable, Sequence

from upstile.server.storage._records import NoticeRow, Row

PAUSE = 600
"""Seconds between two notices of one kind to one user. What happens in between waits, and is counted."""


def in_order(rows: Sequence[Row]) -> list[NoticeRow]:
    """The notices among some rows, in the order in which everybody writes them: else two could wait for each other."""
    return sorted((row for row in rows if isinstance(row, NoticeRow)), key=lambda row: row[:3])


def upsert(value: Callable[[str], str]) -> str:
    """The statement for one notice.

    Args:
        value: how the statement says a member of `NoticeRow`, by its name.
    """
    issuer, subject, kind, at = (value(name) for name in ("issuer", "subject", "kind", "at"))
    told = {name: value(name) for name in ("client_id", "method", "address", "detail")}
    newest = ", ".join(f"{name} = excluded.{name}" for name in ("at", *told))
    return f"""
INSERT INTO upstile_notices AS own (issuer, subject, kind, waiting, since, at, {", ".join(told)}, due, tries, sent, day)
VALUES ({issuer}, {subject}, {kind}, 1, {at}, {at}, {", ".join(told.values())}, {at}, 0, 0, 0)
ON CONFLICT (issuer, subject, kind) DO UPDATE SET waiting = own.waiting + 1, {newest},
    since = CASE WHEN own.waiting = 0 THEN excluded.since ELSE own.since END,
    due = CASE WHEN own.due IS NOT NULL THEN own.due
        WHEN own.last_sent > excluded.due - {PAUSE} THEN own.last_sent + {PAUSE} ELSE excluded.due END"""  # noqa: S608
