"""What a deployment needs of whatever sends notices; `upstile.server.mail` has one that sends mails."""

from collections.abc import Callable
from typing import Protocol

from upstile.server.audit import EventKind
from upstile.server.storage import DurableStore


class Notices(Protocol):
    """Sends what waits in the queue of notices, in the background."""

    @property
    def kinds(self) -> frozenset[EventKind]:
        """The events that people are told of: for each of them a row is written into the queue."""
        ...

    async def start(self, store: DurableStore, clock: Callable[[], float]) -> None:
        """Begin, in this process and with this event loop; harmless when called again.

        Raises:
            ConfigurationError: the schema of the storage has no queue yet.
        """
        ...

    async def stop(self) -> None:
        """End; what is not sent waits in the queue."""
        ...
