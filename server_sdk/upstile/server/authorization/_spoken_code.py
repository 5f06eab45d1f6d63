"""Codes that a person reads aloud, writes down and types: 80 random bits in Crockford's base 32."""

from secrets import token_bytes

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SYMBOLS, _GROUP = 16, 4


def new_code() -> str:
    """A fresh code, in groups: `7QKM-0ZCD-…`."""
    symbols = "".join(_ALPHABET[byte % 32] for byte in token_bytes(_SYMBOLS))
    return "-".join(symbols[at : at + _GROUP] for at in range(0, _SYMBOLS, _GROUP))
