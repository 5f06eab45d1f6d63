"""The one type of event, and how it looks in the log and in the table."""

from dataclasses import dataclass
from typing import Any

from upstile.server.audit._kinds import KINDS, EventKind, Outcome
from upstile.server.storage import AuditRow, User

LONGEST = 512
"""Characters of a text that are kept; the columns of the table are as wide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityEvent:
    """Something that the user or the operator may want to know. It holds no secret.

    Attributes:
        kind: what happened.
        user: whose account; of what concerns the keys of all users the subject is empty; `None` where nobody showed a
            good token.
        at: epoch seconds.
        client_id: through which app, where one is known.
        method: which authentication method, where one is concerned.
        ceremony: what all events of one ceremony share, its token's first use included.
        instance: what a challenge, its ceremony and the repeated call share: the `urn:uuid:` of the problem (RFC 9457).
        route: the template of the route that asked, such as `POST /transfers/{id}`.
        requirement: what it asked for, in words.
        address: where the call came from, masked.
        reason: why something was refused or changed: an error code, or what the help desk wrote.
        detail: the sentence for developers that went with a refusal.
        by: who changed it, where that is not the user.
        verified: whether a good token stands behind it. Where none does, it is for the log and the counters only: who
            has none must not fill the table.
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
    detail: str | None = None
    by: str | None = None
    verified: bool = True

    @property
    def outcome(self) -> Outcome:
        """How it went."""
        return KINDS[self.kind].outcome

    @property
    def is_stored(self) -> bool:
        """Whether it belongs into the table."""
        return self.verified and self.user is not None

    def row(self) -> AuditRow:
        """The row of the audit table."""
        issuer, subject = self.user or ("", None)
        texts: tuple[str | None, ...] = (
            subject,
            self.client_id,
            self.method,
            self.ceremony,
            self.instance,
            self.route,
            self.requirement,
            self.address,
            self.reason,
            self.detail,
            self.by,
        )
        together = "".join(text for text in texts if text)
        if len(together) > LONGEST or not together.isprintable():
            texts = tuple(map(_shown, texts))
        return AuditRow(issuer, self.at, self.kind, KINDS[self.kind].outcome, *texts)

    def fields(self) -> dict[str, Any]:
        """What the log says, by name: the row without what is not known."""
        return {name: value for name, value in self.row()._asdict().items() if value is not None}


def stored_subject(subject: str) -> str:
    """A subject as the table has it."""
    return _shown(subject) or ""


def _shown(text: str | None) -> str | None:
    """A text of bounded length, on one line, without a character that a terminal or a reader would obey.

    NOTE: `isprintable` is false of controls, line and paragraph separators, bidirectional and other format characters,
    surrogates and unassigned ones, and of all spaces but the ordinary one.
    """
    if text is None or (len(text) <= LONGEST and text.isprintable()):
        return text
    plain = "".join(c if c.isprintable() else _escaped(c) for c in text[:LONGEST])
    return plain if len(plain) <= LONGEST and len(text) <= LONGEST else plain[: LONGEST - 1] + "…"


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
