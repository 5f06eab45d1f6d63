"""Which words belong to the protocol, and have no place in what a person reads."""

import re
from typing import Any

from upstile.protocol import (
    AnswerRequest,
    EnrollRequest,
    ErrorResponse,
    Message,
    Problem,
    RenameRequest,
    StartRequest,
    Step,
    TokenRequest,
    TokenResponse,
    VerifyRequest,
)

_MESSAGES: tuple[type[Message], ...] = (
    *(StartRequest, AnswerRequest, TokenRequest, TokenResponse, Step, ErrorResponse),
    *(EnrollRequest, VerifyRequest, RenameRequest, Problem),
)
_ENGLISH = {
    "account",
    "code",
    "codes",
    "name",
    "password",
    "method",
    "error",
    "title",
    "detail",
    "hint",
    "status",
    "type",
}
"""Parameters whose names a person says too."""
_SPOKEN = ("authorization server", "token", "acr", "scope", "endpoint", "dpop", "jti", "htu", "iat", "proof", "issuer")


def protocol_words() -> frozenset[str]:
    """The words of the protocol, and the names of its parameters."""
    parameters = {name for message in _MESSAGES for name in message.model_fields}
    return frozenset(parameters - _ENGLISH | set(_SPOKEN))


def protocol_words_in(text: str) -> list[str]:
    """Those that a text has, as words or as parts of a name such as `access_token`."""
    lower = text.lower()
    return sorted(word for word in protocol_words() if re.search(rf"(?<![a-z]){re.escape(word)}s?(?![a-z])", lower))


def said_to_the_person(body: dict[str, Any]) -> str:
    """What a refusal says to the person."""
    return f"{body['title']} {body.get('detail', '')}"
