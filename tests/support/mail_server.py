"""Mail servers: a real one (aiosmtpd), and one of our own that does what no server should."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(kw_only=True)
class Arrived:
    """A mail as it came in.

    Attributes:
        sender, recipient: the envelope's.
        raw: the octets of the message.
        encrypted: whether it came over TLS.
        user: who signed in.
    """

    sender: str
    recipient: str
    raw: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        """As a mail client parses it."""
        parsed = message_from_bytes(self.raw, policy=modern)
        assert isinstance(parsed, EmailMessage)
        assert not parsed.defects
        return parsed

    @property
    def text(self) -> str:
        """What a client without HTML shows."""
        return _part(self.message, "plain")

    @property
    def html(self) -> str:
        """What all others show."""
        return _part(self.message, "html")


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@dataclass(kw_only=True)
class Mailbox:
    """A real mail server, and what arrived.

    Attributes:
        port: where it listens, on 127.0.0.1.
        mails: in the order in which they came.
        replies: what it answers to a recipient instead of taking them, such as `550 5.1.1 unknown`.
    """

    port: int = 0
    mails: list[Arrived] = field(default_factory=list[Arrived])
    replies: dict[str, str] = field(default_factory=dict[str, str])
    tried: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        """Its address for a `Mailer`."""
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        self.tried.append(address)
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        user = session.auth_data.login.decode() if isinstance(session.auth_data, LoginPassword) else None
        for recipient in envelope.rcpt_tos:
            self.mails.append(
                Arrived(
                    sender=envelope.mail_from or "",
                    recipient=recipient,
                    raw=content,
                    encrypted=session.ssl is not None,
                    user=user,
                )
            )
        return "250 OK"

    async def wait(self, count: int, seconds: float = 10.0) -> list[Arrived]:
        """The mails, once so many are there."""
        async with asyncio.timeout(seconds):
            while len(self.mails) < count:
                await asyncio.sleep(0.02)
        return self.mails


@asynccontextmanager
async def mailbox(
    *, accounts: Mapping[str, str] | None = None, box: Mailbox | None = None, **options: Any
) -> AsyncGenerator[Mailbox]:
    """A mail server in this event loop; with `box` at the port where that one was.

    Args:
        accounts: users and passwords of those who must sign in.
        box: one that was stopped.
        options: aiosmtpd's; `implicit=` is a TLS context for TLS from the start.
    """
    box = box or Mailbox()
    implicit = options.pop("implicit", None)

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and (accounts or {}).get(data.login.decode()) == data.password.decode()
        return AuthResult(success=known, handled=False, auth_data=data)

    def serve() -> SMTP:
        if accounts is not None:
            options.update(authenticator=check, auth_required=True)
        return SMTP(box, hostname="localhost", ident="test", **options)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(serve, "127.0.0.1", box.port, ssl=implicit)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await asyncio.sleep(0)


Dialogue = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def odd_server(dialogue: Dialogue) -> AsyncGenerator[str]:
    """A server that says what it likes: its URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await dialogue(reader, writer)
        except (ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def scripted(replies: Mapping[str, str | None], greeting: str = "220 odd", then: str = "250 OK") -> Dialogue:
    """A dialogue by the verb of each line.

    Args:
        replies: what is answered to a verb, or to `.`, the end of the mail; `None` closes the connection, and an empty
            text says nothing for ever.
        greeting: the first line; empty for none.
        then: what is answered to all else.
    """

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greeting:
            writer.write(f"{greeting}\r\n".encode())
        in_mail = False
        while octets := await reader.readline():
            line = octets.decode("utf-8", "replace").strip()
            if in_mail and line != ".":
                continue
            verb = line.partition(" ")[0].upper()
            in_mail = verb == "DATA" and "DATA" not in replies
            reply = replies.get(verb, "354 go on" if in_mail else then)
            if reply is None:
                return
            if not reply:
                await asyncio.sleep(3600)
            writer.write(f"{reply}\r\n".encode())

    return dialogue


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """What a server shows, and what a client trusts."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@cache
def certificates(host: str = "127.0.0.1") -> Certificates:
    """A certificate for a host, signed by itself, and a context that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    alternative = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        chain = Path(folder) / "chain.pem"
        chain.write_bytes(secret + pem)
        server.load_cert_chain(chain)
    return Certificates(server=server, client=ssl.create_default_context(cadata=pem.decode()))
