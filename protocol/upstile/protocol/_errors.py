"""What can be wrong with something that came over the wire.

UpstileError                 every error of this distribution; has a stable `code`
└── ProtocolError            a peer sent what the standards do not allow
    ├── MalformedHeader      a field value that does not follow its grammar
    ├── MalformedMessage     a body, form or document that does not follow its shape
    └── InvalidProof         a DPoP proof that fails one of the checks of RFC 9449 §4.3

The halves add their own branches below `UpstileError`.
"""

from collections.abc import Mapping
from typing import Any


class UpstileError(Exception):
    """The root of all errors that upstile raises on purpose. Each can be copied, and sent to another process."""

    code: str = "upstile"

    def __reduce__(self) -> tuple[Any, ...]:
        """What it says and holds, without a call of `__init__`: that takes more than the text."""
        return _made_again, (type(self), self.args, dict(vars(self)))


def _made_again(kind: type[UpstileError], args: tuple[Any, ...], held: Mapping[str, Any]) -> UpstileError:
    error = kind.__new__(kind, *args)
    vars(error).update(held)
    return error


class ProtocolError(UpstileError):
    """The other side sent something that the standards do not allow."""

    code = "protocol"


class MalformedHeader(ProtocolError):
    """A header field value does not follow its grammar (RFC 9110 §11)."""

    code = "malformed_header"


class MalformedMessage(ProtocolError):
    """A form, a JSON body or a metadata document does not have the shape that the wire profile gives it."""

    code = "malformed_message"


class InvalidProof(ProtocolError):
    """A DPoP proof fails a check of RFC 9449 §4.3; the message names the check, never the proof.

    Attributes:
        detail: what to change in the app, where that is plain.
    """

    code = "invalid_dpop_proof"

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail
