"""One-time codes by mail: the hook `deliver` of a method that sends codes."""

from typing import Protocol

from upstile.server.authorization.user._logins import masked
from upstile.server.mail._mail import Mail
from upstile.server.mail._mailer import Mailer
from upstile.server.mail._texts import Rendered, Texts


class CodeMessage(Protocol):
    """What a mail with a code is made of.

    Attributes:
        destination: the mail address.
        code: digits; they are good once.
        app: through which app it was asked for.
        account: what the user calls the account; it is shown masked.
        language: the reader's (RFC 5646); `None` where it is not known.
        purpose: what it is for, in words of the service: `Send 50.00 EUR to ACME`.
        at: when it was asked for (epoch seconds).
        address: from where, masked: `192.0.2.0/24`.
        place: the same in words, where somebody knows.
        expires_in: seconds for which the code is good.
    """

    @property
    def destination(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def app(self) -> str: ...
    @property
    def account(self) -> str | None: ...
    @property
    def language(self) -> str | None: ...
    @property
    def purpose(self) -> str | None: ...
    @property
    def at(self) -> float: ...
    @property
    def address(self) -> str | None: ...
    @property
    def place(self) -> str | None: ...
    @property
    def expires_in(self) -> float: ...


class CodeMails:
    """Sends one-time codes by mail: `EmailCode(CodeMails(mailer))`.

    Args:
        mailer: sends them.
        service: who writes, as people know it; the name beside the mailer's sender by default, or its domain.
        texts: the templates, the time zone and the languages.
    """

    def __init__(self, mailer: Mailer, *, service: str | None = None, texts: Texts | None = None) -> None:
        self._mailer = mailer
        self._service = service or mailer.sender.name or mailer.sender.domain
        self._texts = texts or Texts()

    async def __call__(self, message: CodeMessage) -> None:
        """Send a code.

        Raises:
            MailError: it was not sent; the kind says what helps.
        """
        made = self.render(message)
        await self._mailer.send(
            Mail(to=message.destination, subject=made.subject, text=made.text, html=made.html, language=made.language)
        )

    def render(self, message: CodeMessage) -> Rendered:
        """The mail without its envelope."""
        facts = {
            "service": self._service,
            "code": message.code,
            "minutes": max(1, int(message.expires_in // 60)),
            "app": message.app,
            "account": masked(message.account),
            "purpose": message.purpose,
            "at": message.at,
            "address": message.address,
            "place": message.place,
        }
        return self._texts.render("code", message.language, facts)
