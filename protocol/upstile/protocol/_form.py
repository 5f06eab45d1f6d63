"""`application/x-www-form-urlencoded` as OAuth uses it (RFC 6749 §3.1, §3.2, appendix B)."""

from binascii import a2b_qp
from collections.abc import Mapping
from urllib.parse import urlencode

from upstile.protocol._errors import MalformedMessage

FORM_TYPE = "application/x-www-form-urlencoded"
"""The media type of forms."""
_MAX_FIELDS = 64
_MAX_ESCAPES = 2560


def parse_form(body: bytes) -> dict[str, str]:
    """Read a form; an empty parameter counts as omitted (RFC 6749 §3.2).

    Raises:
        MalformedMessage: a parameter stands twice, there are too many parameters or escapes, an escape is none, or the
            text is not UTF-8.
    """
    if body.count(b"%") > _MAX_ESCAPES:
        raise MalformedMessage("too many escapes in the form")
    pairs = [pair.partition(b"=") for pair in body.replace(b"+", b" ").split(b"&", _MAX_FIELDS) if pair]
    if len(pairs) > _MAX_FIELDS or not body.isascii() or b"\n" in body or b"\r" in body:
        raise MalformedMessage("the form cannot be read")
    try:
        form = {_unescaped(name): _unescaped(value) for name, _, value in pairs}
    except ValueError as error:
        raise MalformedMessage("the form cannot be read") from error
    if len(form) != len(pairs):
        raise MalformedMessage("a parameter stands twice")
    return {name: value for name, value in form.items() if value}


def serialize_form(parameters: Mapping[str, str | int | None]) -> bytes:
    """Write a form; parameters that are `None` are left out."""
    return urlencode({name: value for name, value in parameters.items() if value is not None}).encode("ascii")


def _unescaped(text: bytes) -> str:
    """Replace the escapes.

    `urllib` makes an object for each, so that a stranger's escapes cost many times what letters cost. Quoted-printable
    has the same escapes behind another sign, and the standard library reads them in C.
    """
    escapes = text.count(b"%")
    if not escapes:
        return text.decode()
    octets = a2b_qp(text.replace(b"=", b"=3D").replace(b"%", b"="))
    # It leaves what is no escape longer: without line ends each escape, and nothing else, takes two octets away.
    if len(octets) != len(text) - 2 * escapes:
        raise ValueError("a percent sign without two hexadecimal digits")
    return octets.decode()
