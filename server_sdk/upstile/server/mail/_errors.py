"""What can go wrong with a mail, by what helps.

MailError
├── MailRefused      this mail is never accepted: trying again does not help
├── MailDeferred     this mail is not accepted now (RFC 5321 §4.2.1, 4yz): try it again later
└── MailServerAway   no mail can be sent: the server is away or slow, refuses us, or offers no TLS

No message quotes what a server said, which may repeat what it was told; the code of its reply (RFC 5321 §4.2, RFC 3463)
says enough.
"""

from upstile.protocol import UpstileError


class MailError(UpstileError):
    """A mail was not sent."""

    code = "mail"


class MailRefused(MailError):
    """This mail is never accepted: its address is none, or the server refuses it for good."""

    code = "mail_refused"


class MailDeferred(MailError):
    """The server does not accept this mail now; it says that a later try may succeed."""

    code = "mail_deferred"


class MailServerAway(MailError):
    """No mail can be sent: the server cannot be reached, is slow, refuses us, or cannot encrypt."""

    code = "mail_server_away"
