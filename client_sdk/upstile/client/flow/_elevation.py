"""A block of calls for which one ceremony serves: what it asks, whose it is, and which calls are in it."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from upstile.client._errors import StepUpCancelled
from upstile.client.flow.tokens._logins import ElevatedToken, Login
from upstile.client.words import said
from upstile.protocol import Requirement


@dataclass(eq=False, kw_only=True, slots=True)
class Elevation:
    """One block.

    Attributes:
        client: whose calls it is for.
        requirement: what each of its calls needs.
        login: who has to be signed in.
        token: what the calls go with; another one once the person was asked again.
        is_open: whether it goes on: a task that outlives it is an ordinary caller again.
    """

    client: object = field(repr=False)
    requirement: Requirement
    login: Login
    token: ElevatedToken | None = None
    is_open: bool = False

    def check(self, login: Login) -> None:
        """Its calls are those of who was signed in at its beginning.

        Raises:
            StepUpCancelled: it is another sign-in.
        """
        if login != self.login:
            raise StepUpCancelled(**said("another-sign-in"))

    def renew(self, token: ElevatedToken, tick: float) -> None:
        """Go on with a new token, if it is one that serves; `tick` is the time by the monotonic clock."""
        if token.login == self.login and token.satisfies(self.requirement, tick):
            self.token = token


_blocks: ContextVar[tuple[Elevation, ...]] = ContextVar("upstile.elevated", default=())


@contextmanager
def entered(block: Elevation) -> Generator[None]:
    """The calls of this context belong to the block: of this thread or task, and of the tasks that it begins."""
    block.is_open = True
    _blocks.set((*_blocks.get(), block))
    try:
        yield
    finally:
        block.is_open = False
        _blocks.set(tuple(other for other in _blocks.get() if other is not block))


def innermost(client: object) -> Elevation | None:
    """The block that a call of this client is in."""
    return next((block for block in reversed(_blocks.get()) if block.client is client and block.is_open), None)
