"""What is known of the request under way, so that whatever happens in it says so.

A request learns who it is about step by step, and may be refused after any of them. What it has learnt goes into every
event that is told meanwhile, a refusal at the very edge included. It lies in a context variable, of its own for each
request.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from upstile.server.audit._event import SecurityEvent
from upstile.server.storage import User


@dataclass(slots=True)
class Circumstances:
    """What a request has learnt; the members are those of `SecurityEvent`."""

    address: str | None = None
    user: User | None = None
    client_id: str | None = None
    method: str | None = None
    ceremony: str | None = None
    instance: str | None = None
    route: str | None = None
    requirement: str | None = None


_NAMES = tuple(Circumstances.__dataclass_fields__)
_current: ContextVar[Circumstances | None] = ContextVar("upstile circumstances", default=None)


@contextmanager
def request_from(address: str | None) -> Generator[Circumstances]:
    """One request, for the length of a block."""
    circumstances = Circumstances(address=address)
    token = _current.set(circumstances)
    try:
        yield circumstances
    finally:
        _current.reset(token)


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
    learnt = (user, client_id, method, ceremony, instance, requirement)
    names = ("user", "client_id", "method", "ceremony", "instance", "requirement")
    for name, value in zip(names, learnt, strict=True):
        if value is not None:
            setattr(current, name, value)


def completed(event: SecurityEvent) -> SecurityEvent:
    """An event, with what the request under way has learnt where it says nothing itself."""
    current = _current.get()
    if current is None:
        return event
    missing: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(current, name)
        if value is not None and getattr(event, name) is None:
            missing[name] = value
    return replace(event, **missing) if missing else event
