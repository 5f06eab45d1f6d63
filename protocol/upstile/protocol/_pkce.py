"""Proof Key for Code Exchange (RFC 7636), S256 only."""

import re
from hashlib import sha256
from hmac import compare_digest

from upstile.protocol._encoding import base64url_encode

_code_verifier = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 §4.1
_code_challenge = re.compile(r"[A-Za-z0-9\-_]{43}")


def code_challenge(code_verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 §4.2)."""
    return base64url_encode(sha256(code_verifier.encode("ascii")).digest())


def is_code_challenge(text: str) -> bool:
    """Whether `text` has the form of an S256 challenge."""
    return _code_challenge.fullmatch(text) is not None


def code_verifier_matches(code_verifier: str, challenge: str) -> bool:
    """Whether `code_verifier` is well-formed and belongs to `challenge` (RFC 7636 §4.6)."""
    if not _code_verifier.fullmatch(code_verifier):
        return False
    return compare_digest(code_challenge(code_verifier), challenge)
