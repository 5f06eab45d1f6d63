"""What is known of the request under way, so that whatever happens in it says so.

A request learns who it is about step by step, and may be refused after any of them. What it has learnt goes into every
event that is told meanwhile, a refusal at the very edge included. It lies in a context variable, of its own for each
request.
"""

from contextvars import ContextVar, Token

from upstile.server._changed import changed
from upstile.server.audit._event import SecurityEvent
from upstile.server.storage import User


class Circumstances:
    """One request, for the length of a `with` block; the members are those of `SecurityEvent`.

    Args:
        address: where it came from, masked.
        language: what the app says that its person reads (BCP 47), if it says so.
    """

    __slots__ = (
        "_completed",
        "_outer",
        "address",
        "ceremony",
        "client_id",
        "instance",
        "language",
        "method",
        "requirement",
        "route",
        "user",
    )

    def __init__(self, address: str | None, language: str | None = None) -> None:
        self.address = address
        self.language = language
        self.user: User | None = None
        self.client_id: str | None = None
        self.method: str | None = None
        self.ceremony: str | None = None
        self.instance: str | None = None
        self.route: str | None = None
        self.requirement: str | None = None
        self._completed: tuple[SecurityEvent, SecurityEvent] | None = None
        self._outer: Token[Circumstances | None] | None = None

    def __enter__(self) -> "Circumstances":
        self._outer = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._outer is not None:
            _current.reset(self._outer)

    def completed(self, event: SecurityEvent) -> SecurityEvent:
        """An event, with what the request has learnt where it says nothing itself.

        The same event is asked for more than once: for the table, and then for the rest.
        """
        known = self._completed
        if known is not None and (event is known[0] or event is known[1]):
            return known[1]
        made = changed(
            event,
            user=event.user or self.user,
            client_id=event.client_id or self.client_id,
            method=event.method or self.method,
            ceremony=event.ceremony or self.ceremony,
            instance=event.instance or self.instance,
            route=event.route or self.route,
            requirement=event.requirement or self.requirement,
            address=event.address or self.address,
        )
        self._completed = event, made
        return made


_current: ContextVar[Circumstances | None] = ContextVar("upstile circumstances", default=None)


def learn(
    *,
    user: User | None = None,
    client_id: str | None = None,
    method: str | None = None,
    ceremony: str | None = None,
    instance: str | None = None,
    requirement: str | None = None,
) -> None:
    """Note what the request under way is about. A user only once a good token of theirs, or their session, was seen."""
    current = _current.get()
    if current is None:
        return
    current.user = user or current.user
    current.client_id = client_id or current.client_id
    current.method = method or current.method
    current.ceremony = ceremony or current.ceremony
    current.instance = instance or current.instance
    current.requirement = requirement or current.requirement


def completed(event: SecurityEvent) -> SecurityEvent:
    """An event, with what the request under way has learnt."""
    current = _current.get()
    return event if current is None else current.completed(event)


def whereabouts() -> tuple[str | None, str | None]:
    """Of the request under way: the masked address, and the language."""
    current = _current.get()
    return (None, None) if current is None else (current.address, current.language)
