"""The key URI that authenticator apps scan: `otpauth://totp/Bank:ada?secret=…&issuer=Bank`.

The label has one separator, a colon, and most apps take what stands before it for the issuer; some refuse a URI whose
issuer parameter differs from it, or show the rest of a name with a colon as the account. So each part is brought into a
form without one, the same in label and parameter, and is escaped by itself. Blanks are `%20`: some apps show a `+`.
"""

from base64 import b32encode
from unicodedata import normalize
from urllib.parse import quote

from upstile.server.authorization.enrolment._shown import shown

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
    shown = quote(_part(issuer), safe="")
    label = f"{shown}:{quote(_part(account), safe='@')}"
    return f"otpauth://totp/{label}?secret={secret}&issuer={shown}&digits={digits}&period={period}&algorithm=SHA1"


def _part(text: str) -> str:
    """A name as the label can hold it: no colon, and nothing that Unicode calls another form of one."""
    without = "".join(" " if ":" in normalize("NFKC", character) else character for character in text)
    return shown(without) or _NAMELESS
