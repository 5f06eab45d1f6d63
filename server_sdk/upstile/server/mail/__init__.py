"""Mails that people get: a mailer, one-time codes, and notices of what happens with their account.

It needs the extra `mail`. docs/mails.md shows the mails, and says how to have them arrive.
"""

from importlib.util import find_spec

for _needed in ("aiosmtplib", "idna", "jinja2"):
    if find_spec(_needed) is None:
        raise ImportError(f"upstile.server.mail needs {_needed}: pip install 'upstile[mail]'")

from upstile.server.mail._code import CodeMails, CodeMessage  # noqa: E402
from upstile.server.mail._errors import MailDeferred, MailError, MailRefused, MailServerAway  # noqa: E402
from upstile.server.mail._mail import Mail  # noqa: E402
from upstile.server.mail._mailer import Mailer  # noqa: E402
from upstile.server.mail._texts import Texts  # noqa: E402
from upstile.server.mail.notices import Notices  # noqa: E402

__all__ = [
    "CodeMails",
    "CodeMessage",
    "Mail",
    "MailDeferred",
    "MailError",
    "MailRefused",
    "MailServerAway",
    "Mailer",
    "Notices",
    "Texts",
]
