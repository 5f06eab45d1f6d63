"""The call of an app, and what the core asks of an adapter: `Send` it with these headers, `Wait` for a ceremony."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from upstile.client._exchange import Incoming
from upstile.client.flow._elevation import Elevation
from upstile.client.flow._flight import Ticket
from upstile.client.flow._retries import CallName
from upstile.client.flow.tokens._logins import Caller, ElevatedToken
from upstile.protocol import Requirement


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """The call of an app.

    Attributes:
        method, url: of the request.
        caller: the base token, and whose call it is; `None` for a call to another origin.
        body: says why the body cannot be sent twice, or `None` if it can: asked when it matters, for what is kept of it
            may turn out to be too long while it is sent.
        step_up: what the app asks ahead.
        within: the block of calls that it belongs to.
        is_retry: whether a library above us sends it again by itself: then nobody is asked for what failed before.
        blocks: whether the caller's thread stands still during a ceremony.
        began: when it was sent, by the monotonic clock, if that was done already, with the base token.
    """

    method: str
    url: str
    caller: Caller | None
    body: Callable[[], str | None] = field(default=lambda: None, repr=False)
    step_up: Requirement | None = None
    within: Elevation | None = None
    blocks: bool = False
    is_retry: bool = False
    began: float | None = None

    @property
    def name(self) -> CallName:
        """What makes it the same call, when it is sent again."""
        return self.caller and self.caller.login, self.method, self.url

    @property
    def unreplayable(self) -> str | None:
        """Why the body cannot be sent twice, as things stand."""
        return self.body()


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """Send the call with these headers; answer with its `Incoming`.

    Attributes:
        headers: what the call carries besides its own.
        repeat: whether it was sent before, so that its body has to be made ready again.
        once: whether its token serves one call: if the response is lost, its outcome is unknown.
    """

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    repeat: bool = False
    once: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Wait for this ceremony, or renewal; answer with what came of it, or throw its error."""

    ticket: Ticket[Any]


Answer = Incoming | ElevatedToken | Caller
"""What an adapter answers with."""
Flow = Generator[Send | Wait, Answer, None]
