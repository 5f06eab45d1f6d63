"""One mail, and how it looks on the wire."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from secrets import token_hex

from upstile.server.mail._address import MailAddress, read_address
from upstile.server.mail._errors import MailRefused

LONGEST_SUBJECT = 200
"""Characters of a subject; a mail client shows about 70."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """What one person is told.

    Attributes:
        to: the address, such as `ada@example.com`.
        subject: one line; never a secret: phones show it while they are locked.
        text, html: the two parts; no `repr` shows them.
        language: of both (RFC 5646), such as `de`.
        id: what its Message-ID begins with. The same mail sent again keeps it, so that a mailbox can tell.
    """

    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    language: str = "en"
    id: str = field(default_factory=lambda: token_hex(16))

    @property
    def recipient(self) -> MailAddress:
        """The address, checked.

        Raises:
            MailRefused: it is none.
        """
        return read_address(self.to)


def message_of(mail: Mail, sender: MailAddress, now: float) -> EmailMessage:
    """A mail as a message (RFC 5322): `multipart/alternative` (RFC 2046 §5.1.4) with text first.

    Args:
        mail: the mail.
        sender: who it is from.
        now: epoch seconds.

    Raises:
        MailRefused: a member would be more than the one header that it is for, or the address is none.
    """
    # NOTE: `isprintable` is false of CR and LF and of all else that some reader takes for the end of a line.
    if not mail.subject.isprintable() or not 0 < len(mail.subject) <= LONGEST_SUBJECT:
        raise MailRefused("the subject of a mail is one line")
    if not _ID.fullmatch(mail.id) or not _LANGUAGE.fullmatch(mail.language):
        raise MailRefused("the id or the language of a mail has a character that does not belong there")
    recipient = mail.recipient
    wide = recipient.needs_smtputf8 or sender.needs_smtputf8
    message = EmailMessage(policy=SMTPUTF8 if wide else SMTP)
    message["From"] = sender.header
    message["To"] = recipient.header
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(int(now), UTC))
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no holiday notice comes back
    # Quoted-printable has no line longer than 76 octets, whatever the template does (RFC 2045 §6.7).
    message.set_content(_lines(mail.text), cte="quoted-printable")
    message.add_alternative(_lines(mail.html), subtype="html", cte="quoted-printable")
    message["Content-Language"] = mail.language  # last: what begins with Content- goes into the first part else
    return message


def _lines(text: str) -> str:
    """A part with plain line ends: a bare CR is one to some servers and not to others."""
    return "\n".join(text.splitlines()) + "\n"
