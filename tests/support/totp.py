"""An authenticator app in three lines, by no code of ours (RFC 6238)."""

import hmac
from base64 import b32decode


def seed_in(secret: str) -> bytes:
    """The seed in the `secret` of a key URI."""
    return b32decode(secret + "=" * (-len(secret) % 8))


def code_at(seed: bytes, step: int) -> str:
    """The six digits of a time step."""
    mac = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    start = mac[19] & 15
    return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"
