"""What a person writes: a code in any spelling, a name that can be shown to others."""

import re
from unicodedata import category, digit, normalize

_HIDING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, line and paragraph separators."""
# The property Bidi_Control turns the text around it; the rest is invisible (Default_Ignorable_Code_Point).
# NOTE: joiners and variation selectors stay: scripts and emoji are written with them.
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_hidden = re.compile(f"[{_BIDI}{_INVISIBLE}]")
_LOOK_ALIKE = str.maketrans("OIL", "011")
_spoken = re.compile("[0-9A-HJKMNP-TV-Z]{16}")


def plain_code(text: str) -> str:
    """A code as it is compared, whatever a keyboard, a password manager or a chat made of it.

    Letters and digits in one case and one script (NFKC; digits of all scripts are digits); all else is dropped: blanks,
    hyphens, marks without width.
    """
    plain = normalize("NFKC", normalize("NFKC", text).upper())
    return "".join(_plain(character) for character in plain)


def spoken_code(text: str) -> str:
    """A recovery or enrolment code as it is compared, however it was written: 80 bits in Crockford's base 32.

    As `plain_code`, and letters that look like digits are digits: O is 0, I and L are 1.
    """
    return plain_code(text).translate(_LOOK_ALIKE)


def is_spoken_code(code: str) -> bool:
    """Whether what `spoken_code` returned may be such a code: 16 symbols, U not among them."""
    return _spoken.fullmatch(code) is not None


def hides_something(name: str) -> bool:
    """Whether a name holds a control, bidirectional or invisible character, or nothing that can be seen.

    Such a name could look like another one, or turn the text around it (upstile profile §8).
    """
    if any(category(character) in _HIDING for character in name) or _hidden.search(name):
        return True
    return not any(category(character)[0] in "LNPS" for character in name)


def _plain(character: str) -> str:
    number = digit(character, None)
    if number is not None:
        return str(number)
    return character if category(character).startswith("L") and not _hidden.search(character) else ""
