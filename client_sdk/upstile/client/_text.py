"""Words of others, made harmless for a terminal or a dialogue; words of the person, made plain."""

from unicodedata import category, east_asian_width

_LONGEST = 300
_MOST_MARKS = 3
"""Marks that one letter may carry: more of them would stand on the rows above and below."""
# Cc: control, Cf: format (bidirectional overrides, zero width), Cs/Co/Cn: not characters, Zl/Zp: line breaks.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# They show nothing and count as letters or symbols: Hangul fillers, the empty Braille pattern, a musical null note.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
# Marks that show nothing wherever they stand: joiner, inherent vowels, variation selectors, a Khitan filler.
_UNSEEN_MARKS = frozenset(
    "\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f\U00016fe4"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)


def harmless(text: str | None, longest: int = _LONGEST) -> str | None:
    """The text without control and bidirectional characters, at most so many characters of it.

    What shows nothing becomes one blank, or goes, so that no text can push what follows to another place.
    """
    if text is None:
        return None
    seen = (_seen(character) for character in text if character not in _UNSEEN_MARKS)
    clean = " ".join("".join(seen).split())
    return _on_their_bases(clean)[:longest].rstrip() or None


def rows(text: str, width: int) -> list[str]:
    """The text in rows of at most so many columns, so that a terminal never breaks one by itself.

    Args:
        text: harmless text.
        width: columns.
    """
    made = [""]
    for word in text.split(" "):
        if made[-1] and _columns(f"{made[-1]} {word}") <= width:
            made[-1] += f" {word}"
            continue
        pieces = _pieces(word, width)
        made = [*made, *pieces] if made[-1] else [*made[:-1], *pieces]
    return made


def _seen(character: str) -> str:
    return " " if character in _BLANK or category(character) in _HARMFUL else character


def _on_their_bases(text: str) -> str:
    """Without the marks that have no letter to stand on, and those that are too many for one."""
    kept: list[str] = []
    room = 0
    for character in text:
        if category(character).startswith("M"):
            room -= 1
            if room < 0:
                continue
        else:
            room = 0 if character == " " else _MOST_MARKS
        kept.append(character)
    return " ".join("".join(kept).split())


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    for character in word:
        if _columns(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _columns(text: str) -> int:
    """Columns that a terminal may need; where terminals differ, the most."""
    return sum(2 if east_asian_width(character) in "WFA" else 1 for character in text)
