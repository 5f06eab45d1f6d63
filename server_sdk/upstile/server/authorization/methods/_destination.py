"""Where codes are sent: addresses that are what they look like, and how they are shown to others."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import idna

from upstile.protocol import MalformedMessage, hides_something

_LONGEST = 254
"""Characters of an e-mail address (RFC 5321 §4.5.3.1.3, less the angle brackets)."""
_LONGEST_LOCAL = 64
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_local = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""A dot-atom (RFC 5322 §3.2.3). NOTE: no quoted strings, and no SMTPUTF8: mailers and shops do not take them."""
_domain = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_number = re.compile(r"\+[1-9][0-9]{6,14}")
_in_number = re.compile(r"[ ().\-/]")


@dataclass(frozen=True, slots=True)
class Destination:
    """A place that codes are sent to.

    Attributes:
        address: as a mailer or a text message service takes it.
        hint: as its owner recognises it, of little use to others.
    """

    address: str
    hint: str


Reads = Callable[[str | None], Destination]


def email_address(text: str | None) -> Destination:
    """An e-mail address; the domain in its ASCII form (IDNA 2008), so that nothing in it can be mistaken.

    Raises:
        MalformedMessage: it is none.
    """
    local, at, domain = (text or "").rpartition("@")
    if text is None or not at or len(text) > _LONGEST or hides_something(text):
        raise _refused("an e-mail address such as ada@example.com")
    try:
        host = idna.encode(domain, uts46=True).decode("ascii").lower()
    except UnicodeError:  # idna's own error is one
        raise _refused("an e-mail address with a domain that exists") from None
    address = f"{local}@{host}"
    if not _local.fullmatch(local) or not _domain.fullmatch(host) or host.rpartition(".")[2].isdigit():
        raise _refused("an e-mail address such as ada@example.com")
    if len(local) > _LONGEST_LOCAL or len(address) > _LONGEST:
        raise _refused("an e-mail address of at most 254 characters")
    return Destination(address, f"{local[0]}•••@{host}")


def phone_number(text: str | None) -> Destination:
    """A phone number with its country's code (E.164), written with blanks and such or without.

    Raises:
        MalformedMessage: it is none.
    """
    number = _in_number.sub("", text or "")
    if not _number.fullmatch(number):
        raise _refused("a phone number with its country's code, such as +49 170 1234567")
    return Destination(number, f"{number[:3]} ••• {number[-2:]}")


def _refused(wanted: str) -> MalformedMessage:
    return MalformedMessage(f"destination: {wanted}")
