"""`application/x-www-form-urlencoded` as OAuth uses it (RFC 6749 §3.1, §3.2, appendix B)."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from upstile.protocol._errors import MalformedMessage

FORM_TYPE = "application/x-www-form-urlencoded"
_MAX_FIELDS = 64


def parse_form(body: bytes) -> dict[str, str]:
    """Read a form; an empty parameter counts as omitted (RFC 6749 §3.2).

    Raises:
        MalformedMessage: a parameter stands twice, there are too many, or the text is not UTF-8.
    """
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise MalformedMessage("the form cannot be read") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise MalformedMessage("a parameter stands twice")
    return {name: value for name, value in form.items() if value}


def serialize_form(parameters: Mapping[str, str | int | None]) -> bytes:
    """Write a form; parameters that are `None` are left out."""
    return urlencode({name: value for name, value in parameters.items() if value is not None}).encode("ascii")
