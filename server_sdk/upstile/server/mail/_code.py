"""One-time codes by mail: the hook `deliver` of a method that sends codes."""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from upstile.server.authorization.user._logins import masked
from upstile.server.mail._mail import Mail
from upstile.server.mail._mailer import Mailer
from upstile.server.mail._texts import Rendered, Texts

_MAILS = {"confirm": "code", "enrol": "code", "restore": "restore", "restore-asked": "restore_asked"}
"""The name of the template, by purpose."""


class CodeMessage(Protocol):
    """What a mail with a code is made of: the message that the method hands over.

    Attributes:
        destination: the mail address.
        code: digits, or another code; good once. Empty where there is none.
        service: the name of the deployment.
        app: the `client_id` of the app that asks.
        account: what the user calls the account; it is shown masked.
        purpose: `confirm` something, or `enrol` this address; `restore-asked` and `restore` for the way back by mail.
        language: the reader's (RFC 5646); `None` where it is not known.
        requested_at: when it was asked for (epoch seconds).
        address: from where, masked: `192.0.2.0/24`.
        expires_in: seconds for which the code is good.
    """

    @property
    def destination(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def app(self) -> str: ...
    @property
    def account(self) -> str | None: ...
    @property
    def purpose(self) -> Literal["confirm", "enrol", "restore", "restore-asked"]: ...
    @property
    def language(self) -> str | None: ...
    @property
    def requested_at(self) -> float: ...
    @property
    def address(self) -> str | None: ...
    @property
    def expires_in(self) -> int: ...


class CodeMails:
    """Sends one-time codes by mail: `EmailCode(CodeMails(mailer))`.

    Args:
        mailer: sends them.
        texts: the templates, the time zone and the languages.
        apps: what people call an app, by its client_id.
        place: where a masked address such as `192.0.2.0/24` is, in words, or `None`.
    """

    def __init__(
        self,
        mailer: Mailer,
        *,
        texts: Texts | None = None,
        apps: Mapping[str, str] | None = None,
        place: Callable[[str], str | None] | None = None,
    ) -> None:
        self._mailer = mailer
        self._texts = texts or Texts()
        self._apps = dict(apps or {})
        self._place = place

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
        place, address = self._place, message.address
        facts = {
            "service": message.service,
            "code": message.code,
            "minutes": max(1, int(message.expires_in // 60)),
            "app": self._apps.get(message.app, message.app),
            "account": masked(message.account),
            "purpose": message.purpose,
            "at": message.requested_at,
            "address": address,
            "place": None if place is None or address is None else place(address),
        }
        return self._texts.render(_MAILS[message.purpose], message.language, facts)
