"""Sends mails to a mail server, each over a connection of its own; nothing waits for ever."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from time import time

import aiosmtplib

from upstile.server._errors import ConfigurationError
from upstile.server.deployment._settings import check_positive
from upstile.server.mail._address import MailAddress, read_named_address
from upstile.server.mail._errors import MailDeferred, MailError, MailRefused, MailServerAway
from upstile.server.mail._mail import Mail, message_of
from upstile.server.mail._smtp_url import MailServer, read_server

TIMEOUT = 10.0
"""Seconds for connecting, for TLS, and for each reply."""
DEADLINE = 30.0
"""Seconds for all of one mail."""
_GOODBYE = 1.0


class Mailer:
    """Sends mails through one mail server.

    STARTTLS is required (RFC 3207), and the certificate is checked; a server that does not offer it gets no mail and no
    password. Only a server on this machine is spoken to in the clear.

    Args:
        url: `smtp://user@host:587`, or `smtps://user@host:465` for TLS from the start (RFC 8314). A password in it is
            percent-encoded.
        sender: who mails are from, such as `Bank <no-reply@bank.example>`. The domain is that of each Message-ID, and
            what SPF, DKIM and DMARC are about.
        password: of the user, where it does not stand in the URL.
        timeout: seconds for connecting, for TLS, and for each reply.
        deadline: seconds for all of one mail.
        tls: what to trust instead of the system's certificate authorities, such as your own authority. A context that
            checks no host names or no certificates is refused.
        allow_plaintext: speak to another machine without TLS. Everybody on the way reads the codes.
        clock: the time in epoch seconds.

    Raises:
        ConfigurationError: something above is missing, unsafe or contradictory.
    """

    def __init__(
        self,
        url: str,
        *,
        sender: str,
        password: str | None = None,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        tls: ssl.SSLContext | None = None,
        allow_plaintext: bool = False,
        clock: Callable[[], float] = time,
    ) -> None:
        self._server = read_server(url, password=password, allow_plaintext=allow_plaintext)
        try:
            self._sender = read_named_address(sender)
        except MailRefused as error:
            raise ConfigurationError(f"sender={sender!r} must look like 'Bank <no-reply@bank.example>'") from error
        self._timeout = check_positive("timeout", timeout)
        self._deadline = check_positive("deadline", deadline)
        if tls is not None and (tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname):
            raise ConfigurationError("tls= must check certificates and host names")
        self._tls = tls
        self._clock = clock

    def __repr__(self) -> str:
        return f"Mailer({self._server}, tls={self._server.tls}, sender={self._sender.spec})"

    @property
    def sender(self) -> MailAddress:
        """Who mails are from."""
        return self._sender

    async def send(self, mail: Mail) -> None:
        """Send one mail; when this returns, the server has it.

        A connection that ends after the mail and before the reply leaves open whether the server has it: that is
        `MailServerAway`, and whoever sends it again may send it twice. Its Message-ID is the same then.

        Raises:
            MailRefused: it is never accepted: its address is none, or unknown, or the server has no SMTPUTF8 for it.
            MailDeferred: it is not accepted now.
            MailServerAway: no mail can be sent now.
        """
        message = message_of(mail, self._sender, self._clock())
        smtp = self._client()
        try:
            async with asyncio.timeout(self._deadline):
                await smtp.connect()
                await self._introduce(smtp)
                await self._deliver(smtp, mail.recipient, message)
            return
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            failure = _meaning(error, self._server)
        finally:
            smtp.close()
        # Raised out here, so that the library's error, which quotes the server, is not even its context.
        raise failure

    async def _introduce(self, smtp: aiosmtplib.SMTP) -> None:
        """Say who we are, encrypted first where that is the rule, and sign in."""
        server = self._server
        await smtp.ehlo()
        if server.tls == "starttls":
            if not smtp.supports_extension("starttls"):
                raise MailServerAway(f"the mail server {server} offers no STARTTLS, so nothing is sent to it")
            await smtp.starttls()
            await smtp.ehlo()  # what was said before TLS counts no more (RFC 3207 §4.2)
        if server.user is not None:
            await smtp.login(server.user, server.password or "")

    async def _deliver(self, smtp: aiosmtplib.SMTP, recipient: MailAddress, message: EmailMessage) -> None:
        sender, options = self._sender, list[str]()
        if sender.needs_smtputf8 or recipient.needs_smtputf8:
            if not smtp.supports_extension("smtputf8"):
                raise MailRefused("the address needs SMTPUTF8 (RFC 6531), and the mail server does not have it")
            options.append("SMTPUTF8")
        await smtp.sendmail(sender.spec, [recipient.spec], message.as_bytes(), mail_options=options)
        with suppress(aiosmtplib.SMTPException, OSError):  # it has the mail, whatever it says to the goodbye
            await smtp.quit(timeout=_GOODBYE)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._sender.domain,
            timeout=self._timeout,
            use_tls=server.tls == "implicit",
            start_tls=False,  # `_introduce` does it
            tls_context=None if server.tls == "none" else self._tls or ssl.create_default_context(),
        )


def _meaning(error: Exception, server: MailServer) -> MailError:
    refusal = error.recipients[0] if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else error
    code = refusal.code if isinstance(refusal, aiosmtplib.SMTPResponseException) else None
    if isinstance(refusal, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError) and code != 421:
        if 500 <= refusal.code <= 599:
            return MailRefused(f"the mail server refuses this mail for good ({code})")
        return MailDeferred(f"the mail server does not take this mail now ({code})")
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return MailServerAway(f"the mail server {server} has no certificate that can be trusted: nothing is sent to it")
    if isinstance(error, TimeoutError):
        return MailServerAway(f"the mail server {server} does not answer in time")
    if isinstance(error, OSError):
        return MailServerAway(f"the mail server {server} cannot be reached, or closed the connection")
    return MailServerAway(f"the mail server {server} does not serve us" + (f" ({code})" if code else ""))
