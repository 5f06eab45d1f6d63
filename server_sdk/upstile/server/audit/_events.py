"""Where events go: the log, the counters, the audit table, and the deployment's hook."""

import logging
import re
from collections.abc import Collection, Sequence
from typing import TypeVar

from upstile.server._allowance import Allowance
from upstile.server._http import HttpRequest
from upstile.server.audit._addresses import Addresses
from upstile.server.audit._circumstances import Circumstances, completed
from upstile.server.audit._event import SecurityEvent
from upstile.server.audit._kinds import KINDS, EventKind
from upstile.server.audit._notifier import Notifier, Notify
from upstile.server.audit._telemetry import Telemetry
from upstile.server.storage import Row, Rows, Storage, no_rows

T = TypeVar("T")
REFUSALS = 60
"""Refusals of one user that one process writes into the table, in each minute."""
_log = logging.getLogger("upstile.server.audit")


class Events:
    """Tells what happens to all who want to know.

    What happens in a transaction is written into the table with it (`in_phase`, `rows`), everything else by the thread
    that keeps the storage tidy. The log, the counters and the hook are told right after.

    Args:
        storage: has the audit table, if there is one.
        notify: the deployment's hook.
        addresses: knows where requests come from.
        noticed: the kinds that people get mails about.

    Attributes:
        telemetry: counts.
    """

    def __init__(
        self,
        storage: Storage | None,
        notify: Notify | None = None,
        addresses: Addresses | None = None,
        noticed: Collection[EventKind] = (),
    ) -> None:
        self._storage = storage
        self._addresses = addresses or Addresses()
        self._notifier = None if notify is None else Notifier(notify)
        self._noticed = frozenset(noticed)
        self._unlogged = 0
        self._allowance = Allowance(REFUSALS, 60)
        self.telemetry = Telemetry()

    @property
    def knows_proxies(self) -> bool:
        """Whether any proxy is named whose word on the caller's address is believed."""
        return self._addresses.has_proxies

    @property
    def tells_people(self) -> bool:
        """Whether anybody but the log and the table is told."""
        return self._notifier is not None or bool(self._noticed)

    def request(self, request: HttpRequest) -> Circumstances:
        """One request, for the length of a block: what it learns goes into all of its events."""
        return Circumstances(self._addresses.of(request), _language(request))

    def address(self, request: HttpRequest) -> str | None:
        """Where a request came from, masked."""
        return self._addresses.of(request)

    def in_phase(self, *events: SecurityEvent) -> Rows[object]:
        """What a phase writes into the table with the rest, if one database has both; `tell(…, in_phase=True)` next."""
        if self._storage is None or not self._storage.is_one:
            return no_rows
        rows = self.rows(*events)
        return lambda _: rows

    def rows(self, *events: SecurityEvent) -> Sequence[Row]:
        """What a durable change writes into the table with the rest; `tell(…, written=True)` next."""
        return [row for event in map(completed, events) if event.is_stored for row in self._rows(event)]

    async def tell(self, event: SecurityEvent, *, in_phase: bool = False, written: bool = False) -> None:
        """Report one event.

        Args:
            event: the event; what it leaves open is filled in from the request under way.
            in_phase: a phase was given it (`in_phase`).
            written: a durable change was given it (`rows`), so that it is in the table.
        """
        event = completed(event)
        written = written or (in_phase and self._storage is not None and self._storage.is_one)
        self._note(event, written=written)
        if self._notifier is not None and event.user is not None and KINDS[event.kind].notifies:
            await self._notifier(event)

    def note(self, event: SecurityEvent, *, written: bool = False) -> None:
        """Report one event to all but the hook; nothing here waits."""
        self._note(completed(event), written=written)

    def _note(self, event: SecurityEvent, *, written: bool) -> None:
        self.telemetry.count(event)
        if _log.isEnabledFor(logging.INFO):
            fields = event.fields()
            _log.info("%s", _line(fields), extra=fields)
        if self._storage is None:
            return
        if event.user is not None and event.is_stored and not written:
            if KINDS[event.kind].refuses and self._allowance.spend(event.user, event.at):
                self.telemetry.lost(1)
            else:
                self._storage.durable.append(self._rows(event))
        self._count_lost(self._storage.durable.unlogged)

    def _rows(self, event: SecurityEvent) -> list[Row]:
        """The row of the audit table, and that of the queue of notices where somebody is to be told."""
        notice = event.notice() if event.kind in self._noticed else None
        return [event.row()] if notice is None else [event.row(), notice]

    def _count_lost(self, unlogged: int) -> None:
        if unlogged != self._unlogged:
            self.telemetry.lost(unlogged - self._unlogged)
            self._unlogged = unlogged


def _language(request: HttpRequest) -> str | None:
    """The language that the app prefers (RFC 9110 §12.5.4), in a form that can be shown and compared."""
    first = ",".join(request.lines(b"accept-language")).partition(",")[0].partition(";")[0].strip()
    return first if _tag.fullmatch(first) else None


_tag = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}")


def _line(fields: dict[str, object]) -> str:
    """An event on one line, for a log that shows messages only."""
    shown = (
        f'{name}="{str(value).replace(chr(34), chr(39))}"' for name, value in fields.items() if name not in _LEFT_OUT
    )
    return " ".join((str(fields["kind"]), *shown))


_LEFT_OUT = frozenset({"kind", "at", "issuer"})
