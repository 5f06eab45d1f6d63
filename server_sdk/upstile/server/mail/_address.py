"""Mail addresses: what may stand in an envelope and a header, and nothing else."""

import re
from dataclasses import dataclass
from email.headerregistry import Address

import idna

from upstile.server.mail._errors import MailRefused

LONGEST = 254
"""Octets of an address: those of a path (RFC 5321 §4.5.3.1.3) without its brackets."""
_LONGEST_LOCAL = 64  # RFC 5321 §4.5.3.1.1
# NOTE: no quoted local part ("a b"@example.com) and no domain literal: hardly anybody has one, and readers disagree
# about where they end. Beyond ASCII every printable character counts (RFC 6531 §3.3).
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_IN_BRACKETS = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")


@dataclass(frozen=True, slots=True)
class MailAddress:
    """An address that was checked.

    Attributes:
        local: what stands before the @; beyond ASCII perhaps (SMTPUTF8, RFC 6531).
        domain: in ASCII, a name of many scripts as A-labels (IDNA 2008).
        name: what people see beside it, or empty.
    """

    local: str
    domain: str
    name: str = ""

    @property
    def spec(self) -> str:
        """As an envelope has it."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can take it."""
        return not self.local.isascii()

    @property
    def header(self) -> Address:
        """As a header has it."""
        return Address(display_name=self.name, username=self.local, domain=self.domain)


def read_address(text: str) -> MailAddress:
    """The parts of `user@example.com`.

    Raises:
        MailRefused: it is no address, or one that could be read in several ways. The message does not quote it.
    """
    local, at, domain = text.rpartition("@")
    if not at or not text.isprintable() or not _LOCAL.fullmatch(local):
        raise MailRefused("this is no mail address")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise MailRefused("the domain of a mail address is no domain") from None
    read = MailAddress(local, ascii_domain)
    if len(local.encode()) > _LONGEST_LOCAL or len(read.spec.encode()) > LONGEST:
        raise MailRefused("a mail address is too long")
    if not _DOMAIN.fullmatch(ascii_domain):
        raise MailRefused("the domain of a mail address is no domain")
    return read


def read_named_address(text: str) -> MailAddress:
    """The parts of `Bank <no-reply@bank.example>`, or of an address alone.

    Raises:
        MailRefused: it is neither.
    """
    if not text.isprintable():
        raise MailRefused("a mail address, or the name beside it, has a character that is not printed")
    found = _IN_BRACKETS.fullmatch(text)
    if found is None:
        return read_address(text)
    plain = read_address(found["address"])
    return MailAddress(plain.local, plain.domain, found["name"].strip().strip('"'))
