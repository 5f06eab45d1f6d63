"""Takes notices out of the queue and sends them, one after the other; several processes share the work."""

import asyncio
import logging
import random
from collections.abc import Callable
from threading import Event
from typing import Protocol

from upstile.server.mail._errors import MailError, MailRefused, MailServerAway
from upstile.server.mail._mail import Mail
from upstile.server.mail.notices._letter import Letters
from upstile.server.storage import ClaimedNotice, DurableStore

FIRST_DELAY, LONGEST_DELAY = 15.0, 3600.0
"""Seconds until a notice is tried again; each time they double."""
GIVEN_UP_AFTER = 24 * 3600.0
"""Seconds after its first try in which a notice is sent or given up."""
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds in which nothing is tried while the mail server is away; each time they double."""

_log = logging.getLogger("upstile.server.mail")


class Sends(Protocol):
    """What sends a mail."""

    async def send(self, mail: Mail) -> None:
        """Send it. Raises `MailError`."""
        ...


class Sender:
    """Sends what is due.

    Args:
        store: has the queue.
        letters: writes the mails.
        mailer: sends them.
        clock: the time in epoch seconds.

    Attributes:
        sent, failed, given_up, dropped: notices of this process: sent; tried in vain; not sent in the end; dropped
            because the queue was full.
    """

    def __init__(self, store: DurableStore, letters: Letters, mailer: Sends, clock: Callable[[], float]) -> None:
        self._store = store
        self._letters = letters
        self._mailer = mailer
        self._clock = clock
        self._pause = SHORTEST_PAUSE
        self.sent = self.failed = self.given_up = self.dropped = 0

    async def round(self, loop: asyncio.AbstractEventLoop | None, stopping: Event | None = None) -> float | None:
        """Send all that is due; seconds to leave the mail server alone, where it is away.

        Args:
            loop: the application's.
            stopping: is set where no more are to be taken.

        Raises:
            StorageUnavailable: the queue cannot be reached.
        """
        await self._tidy()
        while stopping is None or not stopping.is_set():
            claimed = await asyncio.to_thread(self._store.with_notices, lambda notices: notices.claim(self._clock()))
            if claimed is None:
                return None
            failure = await self._tried(claimed, loop)
            if isinstance(failure, MailServerAway):
                pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
                return pause
            self._pause = SHORTEST_PAUSE
        return None

    async def _tried(self, claimed: ClaimedNotice, loop: asyncio.AbstractEventLoop | None) -> Exception | None:
        """Send one notice and settle it; why it was not sent."""
        failure: Exception | None = None
        try:
            mail = await self._letters.write(claimed, loop)
            if mail is not None:
                await self._mailer.send(mail)
                self.sent += 1
        except asyncio.CancelledError:
            await asyncio.shield(self._settle(claimed, self._clock()))  # another process goes on with it at once
            raise
        except Exception as error:
            failure = error
        await self._settle(claimed, None if failure is None else self._again(claimed, failure))
        return failure

    def _again(self, claimed: ClaimedNotice, failure: Exception) -> float | None:
        """When to try again; `None` where that is given up."""
        now = self._clock()
        self.failed += 1
        # NOTE: the error of a hook is logged by its type alone: its text may hold anything.
        why = str(failure) if isinstance(failure, MailError) else f"address= or a template raised {_name(failure)}"
        if isinstance(failure, MailRefused) or now - claimed.begun >= GIVEN_UP_AFTER:
            self.given_up += 1
            _log.error("a notice of %s is given up after %d tries: %s", claimed.kind, claimed.tries, why)
            return None
        _log.warning("a notice of %s was not sent, try %d: %s", claimed.kind, claimed.tries, why)
        delay = min(FIRST_DELAY * 2.0 ** min(claimed.tries - 1, 20), LONGEST_DELAY)
        return now + random.uniform(delay / 2, delay)  # noqa: S311 - no secret

    async def _settle(self, claimed: ClaimedNotice, again: float | None) -> None:
        now = self._clock()
        await asyncio.to_thread(self._store.with_notices, lambda notices: notices.settle(claimed, now, again))

    async def _tidy(self) -> None:
        dropped = await asyncio.to_thread(self._store.with_notices, lambda notices: notices.tidy(self._clock()))
        for kind, times in dropped.items():
            self.dropped += times
            _log.error("the queue of notices is full: %d of %s are dropped", times, kind)


def _name(error: Exception) -> str:
    return type(error).__name__
