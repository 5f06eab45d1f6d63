"""The app chooses the moment: the person is asked now, for the calls that follow or for a block of them."""

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from upstile.client._errors import ConfigurationError, UntrustedChallenge
from upstile.client.adapters._waiting import landed
from upstile.client.flow._asked import Asked
from upstile.client.flow._elevation import Elevation, entered
from upstile.client.flow._session import Session
from upstile.client.flow.tokens._logins import Caller, ElevatedToken
from upstile.client.words import said
from upstile.protocol import Requirement

if TYPE_CHECKING:
    from upstile.client.adapters._auth import StepUpFlow

Names = str | Iterable[str]
Begin = Callable[[Caller], Asked]
"""What is asked, once it is known who is signed in."""


def asking(session: Session, requirement: Requirement, url: str | None) -> Begin:
    """What the app asks, for the resource that `url` belongs to; by default for its API as it was named.

    Raises:
        UntrustedChallenge: that is another API.
    """
    target = session.pins.base + "/" if url is None else url
    if not session.pins.is_api(target):
        raise UntrustedChallenge(**said("other-api", url=target))
    return lambda caller: Asked(requirement=requirement, url=target, since=session.monotonic(), caller=caller)


def for_later_calls(session: Session, requirement: Requirement, url: str | None) -> Begin:
    """The same for what serves the calls that follow.

    Raises:
        ConfigurationError: none of them would use it.
    """
    if session.interaction == "required":
        raise ConfigurationError(
            "with interaction='required' no later call uses what step_up() brings: "
            "take elevated(), or step_up= of the call itself"
        )
    return asking(session, requirement, url)


def for_block(session: Session, requirement: Requirement, url: str | None) -> Begin:
    """The same for what serves a block of calls.

    Raises:
        ConfigurationError: it would serve one call only.
    """
    if requirement.for_this_call:
        raise ConfigurationError(
            "max_age=0 asks for a confirmation of one call, so it cannot serve a block of them: "
            "give elevated() a longer one, or the call step_up=Requirement(max_age=0)"
        )
    return asking(session, requirement, url)


def step_up(auth: "StepUpFlow", asked: Asked) -> ElevatedToken:
    """Ask the person, in blocking code."""
    ticket = auth.session.step_up(replace(asked, blocks=True))
    try:
        return ticket.future.result()
    finally:
        ticket.give_back()


async def astep_up(auth: "StepUpFlow", asked: Asked) -> ElevatedToken:
    """Ask the person, in async code."""
    ticket = auth.session.step_up(asked)
    try:
        await landed(ticket.future)
        return ticket.future.result()
    finally:
        ticket.give_back()


@contextmanager
def elevated(auth: "StepUpFlow", begin: Begin) -> Generator[None]:
    """A block of calls, in blocking code."""
    block, asked = _in_block(auth.session, begin(auth.session.tokens.current()))
    block.token = auth.session.at_hand(asked) or step_up(auth, asked)
    with entered(block):
        yield


@asynccontextmanager
async def aelevated(auth: "StepUpFlow", begin: Begin) -> AsyncGenerator[None]:
    """A block of calls, in async code."""
    auth.is_in_loop()
    block, asked = _in_block(auth.session, begin(await auth.awaited()))
    block.token = auth.session.at_hand(asked) or await astep_up(auth, asked)
    with entered(block):
        yield


class Elevated:
    """A block of the calls of a client that exists: `with` for a sync one, `async with` for an async one."""

    def __init__(self, auth: "StepUpFlow", begin: Begin) -> None:
        self._auth, self._begin = auth, begin
        self._sync, self._async = ExitStack(), AsyncExitStack()

    def __enter__(self) -> None:
        self._sync.enter_context(elevated(self._auth, self._begin))

    def __exit__(self, *error: Any) -> None:
        self._sync.__exit__(*error)

    async def __aenter__(self) -> None:
        await self._async.enter_async_context(aelevated(self._auth, self._begin))

    async def __aexit__(self, *error: Any) -> None:
        await self._async.__aexit__(*error)


def _in_block(session: Session, asked: Asked) -> tuple[Elevation, Asked]:
    block = Elevation(client=session, requirement=asked.requirement, login=asked.caller.login)
    return block, replace(asked, within=block)
