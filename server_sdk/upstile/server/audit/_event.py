"""The one type of event, and how it looks in the log and in the table."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from upstile.protocol import base64url_encode
from upstile.server.audit._kinds import KINDS, EventKind, Outcome
from upstile.server.storage import AuditRow, NoticeRow, User

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
        told: the mail addresses that were told of it already, as `place_of` has them.
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
    told: tuple[str, ...] = ()
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
        if len(together) >= LONGEST or not _is_plain(together):
            subject = None if subject is None else stored_subject(subject)
            texts = (subject, *map(_shown, texts[1:]))
        return AuditRow(issuer, self.at, self.kind, KINDS[self.kind].outcome, *texts)

    def notice(self) -> NoticeRow | None:
        """What waits in the queue of notices, with the user by their own name; `None` where a store cannot keep it."""
        issuer, subject = self.user or ("", "")
        if not subject or len(subject) > LONGEST or not _is_text(subject):
            return None
        row = self.row()
        detail = " ".join(self.told)[:LONGEST] if self.told else row.detail
        return NoticeRow(issuer, subject, self.kind, self.at, row.client_id, row.method, row.address, detail)

    def fields(self) -> dict[str, Any]:
        """What the log says, by name: the row without what is not known."""
        return {name: value for name, value in self.row()._asdict().items() if value is not None}


def place_of(user: User, address: str) -> str:
    """A user's mail address, so that two can be compared and none is read.

    Args:
        user: whose.
        address: with its domain in ASCII.
    """
    return sha256("\0".join((*user, address)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def stored_subject(subject: str) -> str:
    """A subject as the table has it: no two have the same.

    One that is too long ends in its SHA-256, and only such a one is as long as the column. An escape begins with a
    backslash, and so is a backslash of its own.
    """
    if len(subject) < LONGEST and _is_plain(subject):
        return subject
    plain = _escaped(subject)
    if len(plain) < LONGEST:
        return plain
    digest = base64url_encode(sha256(subject.encode("utf-8", "surrogatepass")).digest())
    return f"{plain[: LONGEST - 1 - len(digest)]}…{digest}"


def _shown(text: str | None) -> str | None:
    """A text of bounded length, on one line, without a character that a terminal or a reader would obey."""
    if text is None or (len(text) <= LONGEST and _is_plain(text)):
        return text
    plain = _escaped(text[: LONGEST + 1])
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def _is_plain(text: str) -> bool:
    """Whether a text is stored as it is.

    NOTE: `isprintable` is false of controls, line and paragraph separators, bidirectional and other format characters,
    surrogates and unassigned ones, and of all spaces but the ordinary one.
    """
    return text.isprintable() and "\\" not in text


def _is_text(text: str) -> bool:
    """Whether every database keeps it: PostgreSQL takes no NUL, and none takes half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _escaped(text: str) -> str:
    return "".join(c if _is_plain(c) else _escape(c) for c in text)


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
