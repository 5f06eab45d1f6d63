"""Words of others, made harmless for a terminal or a dialogue."""

from unicodedata import category

_LONGEST = 300
# Cc: control, Cf: format (bidirectional overrides, zero width), Cs/Co/Cn: not characters, Zl/Zp: line breaks.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def harmless(text: str | None, longest: int = _LONGEST) -> str | None:
    """The text without control and bidirectional characters, at most so many characters of it."""
    if text is None:
        return None
    clean = "".join(" " if category(character) in _HARMFUL else character for character in text)
    return " ".join(clean.split())[:longest] or None
