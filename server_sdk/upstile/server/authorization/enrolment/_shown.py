"""Names that an application hands us, as devices and authenticator apps can show them."""

from upstile.protocol import hides_something

_LONGEST = 100
"""Characters: the picture of a longer key URI cannot be scanned."""


def shown(name: str) -> str:
    """A name without what hides in it and without blanks at its ends, cut to a length that fits; it may be empty.

    NOTE: an account is the application's, so it is cleaned for the eye. What its user writes for us is refused instead.
    """
    clean = "".join(" " if hides_something(f"x{character}") else character for character in name)
    return " ".join(clean.split())[:_LONGEST].rstrip()
