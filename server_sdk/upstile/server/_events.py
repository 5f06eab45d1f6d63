"""What the deployment is told about: every attempt, success, change and lock."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from upstile.server.storage import User

_log = logging.getLogger("upstile.server.audit")

EventKind = Literal[
    "login",
    "ceremony-started",
    "answer-rejected",
    "answer-locked",
    "ceremony-succeeded",
    "token-issued",
    "code-replayed",
    "token-revoked",
    "authenticator-added",
    "authenticator-removed",
    "authenticator-renamed",
    "authenticator-closed",
    "authenticator-disabled",
    "enrolment-code-issued",
    "signing-key-rotated",
    "secrets-resealed",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityEvent:
    """Something that the user or the operator may want to know. It holds no secret.

    Attributes:
        kind: what happened.
        user: whose account; of what concerns the keys of all users the subject is empty.
        client_id: through which app, where one is known.
        method: which authentication method, where one is concerned.
        at: epoch seconds.
    """

    kind: EventKind
    user: User
    at: float
    client_id: str | None = None
    method: str | None = None


Notify = Callable[[SecurityEvent], Awaitable[None] | None]
"""The deployment's hook. It must be quick; an error in it is logged and changes nothing."""


class Events:
    """Writes each event to the log `upstile.server.audit` and hands it to the hook."""

    def __init__(self, notify: Notify | None = None) -> None:
        self._notify = notify

    async def tell(self, event: SecurityEvent) -> None:
        """Report one event."""
        _log.info("%s subject=%r client=%r method=%r", event.kind, event.user.subject, event.client_id, event.method)
        if self._notify is None:
            return
        try:
            waiting = self._notify(event)
            if waiting is not None:
                await waiting
        except Exception:
            _log.exception("the notify hook failed")
