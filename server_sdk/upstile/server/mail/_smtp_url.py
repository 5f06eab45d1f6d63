"""Where the mail server is, and whether what is said to it is encrypted."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from upstile.server._errors import ConfigurationError

SUBMISSION, SUBMISSIONS = 587, 465
"""The ports of message submission (RFC 6409), and of submission over TLS (RFC 8314 §3.3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MailServer:
    """A checked address of a mail server.

    Attributes:
        host, port: where it is.
        user: who signs in there; `None`: nobody does.
        password: of that user; no `repr` shows it.
        tls: `implicit` from the first octet, by `starttls` or not at all; never "if it is offered", which everybody on
            the way could turn into "not".
    """

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    tls: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def read_server(url: str, *, password: str | None, allow_plaintext: bool) -> MailServer:
    """The mail server that a URL names.

    Args:
        url: `smtp://user@host:587` or `smtps://user@host:465`; a password in it is percent-encoded.
        password: of the user, where it does not stand in the URL.
        allow_plaintext: send without TLS to another machine.

    Raises:
        ConfigurationError: the URL cannot be used; the message does not quote it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit("none:"), "", None
    if parts.scheme not in ("smtp", "smtps") or not host or parts.path not in ("", "/") or parts.query:
        raise ConfigurationError("the URL of the mail server must look like smtp://user@mail.example.com:587")
    if not host.isascii() or not host.isprintable() or " " in host:
        raise ConfigurationError("the host of the mail server must be a name in ASCII or an address")
    user = None if parts.username is None else unquote(parts.username)
    secret = unquote(parts.password) if parts.password is not None else password
    if (user is None) != (secret is None):
        raise ConfigurationError("a user of the mail server needs a password, and a password a user: smtp://user@host")
    if parts.scheme == "smtps":
        if allow_plaintext:
            raise ConfigurationError("allow_plaintext=True contradicts smtps://: take one of the two away")
        return MailServer(host=host, port=port or SUBMISSIONS, user=user, password=secret, tls="implicit")
    tls = "none" if allow_plaintext or _is_loopback(host) else "starttls"
    return MailServer(host=host, port=port or SUBMISSION, user=user, password=secret, tls=tls)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
