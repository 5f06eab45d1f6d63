"""What errors say: to the person what happened and what to do, to developers what was wrong and what to change.

One table, in parts. What is raised is made from it, and so is the client's part of `docs/troubleshooting.md`.
"""

from types import MappingProxyType

from upstile.client.words._browser import BROWSER
from upstile.client.words._calls import CALLS
from upstile.client.words._ceremonies import CEREMONIES
from upstile.client.words._methods import METHODS
from upstile.client.words._shown import SHOWN, SPOKEN, added, codes_left, shown, spoken, wrong
from upstile.client.words._stores import STORES
from upstile.client.words._words import Said, Words

__all__ = ["SHOWN", "SPOKEN", "TABLE", "Said", "Words", "added", "codes_left", "said", "shown", "spoken", "wrong"]

TABLE = MappingProxyType({**CALLS, **CEREMONIES, **BROWSER, **METHODS, **STORES})
"""By a name that nobody sees."""


def said(name: str, /, **values: object) -> Said:
    """What an error takes: `CeremonyFailed(**said("unreachable"))`.

    Args:
        name: of the row.
        values: what stands for the names in braces.
    """
    return TABLE[name].filled(values)
