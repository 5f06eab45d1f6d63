"""What a look at a deployment found."""

from typing import Literal, NamedTuple

Level = Literal["ok", "look", "wrong"]
"""`look` may be meant; `wrong` keeps somebody out, or lets somebody in."""


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        about: what, in a word or two.
        level: how bad it is.
        says: what was found, as a sentence without its full stop.
        remedy: what to do about it; empty where nothing has to be done.
    """

    about: str
    level: Level
    says: str
    remedy: str = ""
