"""The key URI that authenticator apps scan: `otpauth://totp/Bank:ada?secret=…&issuer=Bank`.

The label has one separator, a colon, and most apps take what stands before it for the issuer; some refuse a URI whose
issuer parameter differs from it, or show the rest of a name with a colon as the account. So each part is brought into a
form without one, the same in label and parameter, and is escaped by itself. Blanks are `%20`: some apps show a `+`.
"""

from base64 import b32encode
from unicodedata import normalize
from urllib.parse import quote

from upstile.protocol import hides_something

_LONGEST = 100
"""Characters of a part: a picture of much more cannot be scanned."""
_NAMELESS = "account"


def key_uri(seed: bytes, *, issuer: str, account: str, digits: int, period: int) -> str:
    """The key URI of a seed.

    Args:
        seed: the shared secret.
        issuer: who the code is for, as the app shows it.
        account: whose account.
        digits: how many digits a code has.
        period: seconds for which a code is shown.
    """
    secret = b32encode(seed).decode("ascii").rstrip("=")
    shown = quote(label_part(issuer), safe="")
    label = f"{shown}:{quote(label_part(account), safe='@')}"
    return f"otpauth://totp/{label}?secret={secret}&issuer={shown}&digits={digits}&period={period}&algorithm=SHA1"


def label_part(text: str) -> str:
    """A name as the label can hold it: no colon, nothing that hides, no blank at its ends."""
    clean = "".join(" " if _unfit(character) else character for character in text)
    return " ".join(clean.split())[:_LONGEST].rstrip() or _NAMELESS


def _unfit(character: str) -> bool:
    return ":" in normalize("NFKC", character) or hides_something(f"x{character}")
