"""The option `notices=` of a deployment, and the thread that sends."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import Event, Thread

from upstile.server._errors import ConfigurationError, StorageUnavailable
from upstile.server.audit import EventKind
from upstile.server.mail._mailer import Mailer
from upstile.server.mail._texts import Texts
from upstile.server.mail.notices._kinds import MAILS
from upstile.server.mail.notices._letter import Address, Letters
from upstile.server.mail.notices._sender import Sender
from upstile.server.storage import DurableStore

PERIOD = 1.0
"""Seconds between two looks into the queue."""
_log = logging.getLogger("upstile.server.mail")


class Notices:
    """Tells people by mail what happens with their account: `StepUp.embedded(..., notices=Notices(mailer, address))`.

    What happens is written into a queue, a table of `storage=`, in the transaction in which it happens; a thread sends
    it. So nobody waits for a mail, and a mail server that is away costs none: it is tried again for 24 hours. Each
    notice is sent at least once; where a process is killed in between it may come twice, with the same Message-ID.

    Of one kind a user gets one mail in ten minutes, and the next one says how often it happened since. All in all it is
    10 mails a day about what a thief could cause at will, and 20 about changes; what is more comes a day later, in one.

    Args:
        mailer: sends the mails.
        address: where a user gets mails, and in which language: `address(user) -> ("ada@example.com", "de") | None`. It
            may be a coroutine function; then it runs on the application's event loop.
        service: who writes, as people know it; the name beside the mailer's sender by default, or its domain.
        texts: the templates, the time zone and the languages.
        kinds: the events that people are told of; by default all that there is a mail for.
        apps: what people call an app, by its client_id.
        place: where a masked address such as `192.0.2.0/24` is, in words, or `None`.

    Raises:
        ConfigurationError: there is no mail for one of the kinds.
    """

    def __init__(
        self,
        mailer: Mailer,
        address: Address,
        *,
        service: str | None = None,
        texts: Texts | None = None,
        kinds: Iterable[EventKind] | None = None,
        apps: Mapping[str, str] | None = None,
        place: Callable[[str], str | None] | None = None,
    ) -> None:
        self.kinds = frozenset(MAILS if kinds is None else kinds)
        unknown = self.kinds - MAILS.keys()
        if unknown:
            raise ConfigurationError(f"kinds={sorted(unknown)}: there is a mail for {', '.join(sorted(MAILS))}")
        self._mailer = mailer
        self._letters = Letters(
            address,
            texts=texts or Texts(),
            service=service or mailer.sender.name or mailer.sender.domain,
            place=place,
            apps=dict(apps or {}),
        )
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._application: asyncio.AbstractEventLoop | None = None
        self._stopping = Event()
        self.sender: Sender | None = None

    async def start(self, store: DurableStore, clock: Callable[[], float]) -> None:
        """Begin to send, in a thread; harmless when called again. A forked process has a thread of its own.

        Raises:
            ConfigurationError: the schema of the storage has no queue yet.
        """
        self._application = asyncio.get_running_loop()
        if self._thread is not None and self._thread.is_alive():
            return
        await asyncio.to_thread(store.with_notices, lambda _: None)
        self.sender = Sender(store, self._letters, self._mailer, clock)
        self._loop, self._stopping = asyncio.new_event_loop(), Event()
        self._task = self._loop.create_task(self._send(self.sender, self._stopping))
        self._thread = Thread(target=_run, args=(self._loop, self._task), name="upstile notices", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End; a mail under way is given back to the queue."""
        thread, loop, task = self._thread, self._loop, self._task
        self._thread = self._loop = self._task = None
        if thread is not None and loop is not None and task is not None:
            self._stopping.set()  # for `asyncio.wait_for` of Python 3.11 may lose a cancellation, and libraries use it
            with suppress(RuntimeError):  # it ended already
                loop.call_soon_threadsafe(task.cancel)
            await asyncio.to_thread(thread.join)

    async def _send(self, sender: Sender, stopping: Event) -> None:
        fails = False
        while not stopping.is_set():
            pause: float | None = None
            try:
                pause = await sender.round(self._application, stopping)
                fails = False
            except StorageUnavailable as error:
                if not fails:
                    _log.error("notices cannot be sent, they wait: %s", error)
                fails = True
            except Exception:
                _log.exception("sending notices failed")
            if not stopping.is_set():
                await asyncio.sleep(PERIOD if pause is None else pause)


def _run(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]") -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
