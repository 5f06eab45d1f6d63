"""What the client reports while it works, for logs and user interfaces; no event holds a secret."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from upstile.protocol import Requirement

_log = logging.getLogger("upstile.client")

EventKind = Literal["challenged", "started", "succeeded", "failed", "repeated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened on the way from a challenge to the repeated call.

    Attributes:
        kind: what happened.
        requirement: what was asked.
        seconds: how long it took, where it took time.
        error: the code of the error, where it failed.
    """

    kind: EventKind
    requirement: Requirement
    seconds: float | None = None
    error: str | None = None


OnEvent = Callable[[Event], None]


def report(on_event: OnEvent | None, event: Event) -> None:
    """Log an event and hand it to the app's hook; an error in the hook is logged and changes nothing."""
    _log.info(
        "%s acr=%s max_age=%s error=%s", event.kind, event.requirement.acr, event.requirement.max_age, event.error
    )
    if on_event is None:
        return
    try:
        on_event(event)
    except Exception:
        _log.exception("the on_event hook failed")
