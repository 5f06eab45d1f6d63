"""What the deployment is told about: every attempt, success, change and lock."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from upstile.server.storage import User

_log = logging.getLogger("upstile.server.audit")

EventKind = Literal[
    "challenged",
    "call-refused",
    "call-repeated",
    "login",
    "ceremony-started",
    "start-refused",
    "code-sent",
    "answer-accepted",
    "answer-rejected",
    "answer-locked",
    "answer-refused",
    "ceremony-succeeded",
    "token-issued",
    "token-refused",
    "code-replayed",
    "token-revoked",
    "enrolment-begun",
    "enrolment-refused",
    "authenticator-added",
    "authenticator-removed",
    "authenticator-renamed",
    "authenticator-closed",
    "authenticator-opened",
    "authenticator-disabled",
    "sign-count-went-back",
    "enrolment-code-issued",
    "sessions-ended",
    "user-unlocked",
    "user-exported",
    "user-forgotten",
    "signing-key-rotated",
    "secrets-resealed",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityEvent:
    """Something that the user or the operator may want to know. It holds no secret.

    Attributes:
        kind: what happened.
        user: whose account; of what concerns the keys of all users the subject is empty; `None` where it is not known.
        at: epoch seconds.
        client_id: through which app, where one is known.
        method: which authentication method, where one is concerned.
        ceremony: what all events of one ceremony share.
        instance: what a challenge, its ceremony and the repeated call share: the `urn:uuid:` of the problem (RFC 9457).
        route: the template of the route that asked, such as `POST /transfers/{id}`.
        requirement: what it asked for, in words.
        address: where the call came from, masked.
        reason: why something was refused or changed: an error code, or what the help desk wrote.
        by: who changed it, where that is not the user.
    """

    kind: EventKind
    user: User | None
    at: float
    client_id: str | None = None
    method: str | None = None
    ceremony: str | None = None
    instance: str | None = None
    route: str | None = None
    requirement: str | None = None
    address: str | None = None
    reason: str | None = None
    by: str | None = None


Notify = Callable[[SecurityEvent], Awaitable[None] | None]
"""The deployment's hook. It must be quick; an error in it is logged and changes nothing."""


class Events:
    """Writes each event to the log `upstile.server.audit` and hands it to the hook."""

    def __init__(self, notify: Notify | None = None) -> None:
        self._notify = notify

    async def tell(self, event: SecurityEvent) -> None:
        """Report one event."""
        subject = None if event.user is None else event.user.subject
        _log.info("%s subject=%r client=%r method=%r", event.kind, subject, event.client_id, event.method)
        if self._notify is None:
            return
        try:
            waiting = self._notify(event)
            if waiting is not None:
                await waiting
        except Exception:
            _log.exception("the notify hook failed")
