"""What the command needs of a deployment."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from upstile.server.audit import SecurityEvent
from upstile.server.authorization.enrolment._help_desk import HelpDesk
from upstile.server.keys._seal import Seal
from upstile.server.keys._signing import SigningKeys
from upstile.server.resource._issuer import Issuer
from upstile.server.storage._stores import DurableStore


class DurableHalf(Protocol):
    """Of a storage only what must survive is opened: keys and users lie there."""

    @property
    def durable(self) -> DurableStore:
        """The durable store."""
        ...


class Told(Protocol):
    """What is told of what happens: the log, and the deployment's `notify`."""

    def tell(self, event: SecurityEvent) -> Awaitable[None]:
        """Report one event."""
        ...


class Operated(Protocol):
    """A deployment, as the application made it."""

    @property
    def issuer(self) -> Issuer:
        """Whose keys these are."""
        ...

    @property
    def storage(self) -> DurableHalf:
        """Where they are kept."""
        ...

    @property
    def signing(self) -> SigningKeys:
        """The signing keys."""
        ...

    @property
    def seal(self) -> Seal:
        """The secret keys."""
        ...

    @property
    def events(self) -> Told:
        """Who is told."""
        ...

    @property
    def help_desk(self) -> HelpDesk:
        """Acts for users."""
        ...

    async def open(self) -> None:
        """Open all stores."""
        ...

    async def aclose(self) -> None:
        """Close them."""
        ...

    @property
    def clock(self) -> Callable[[], float]:
        """The time in epoch seconds."""
        ...
