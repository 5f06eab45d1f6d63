"""The spellings in which a person's code arrives, from `vectors/code_spellings.json`, for both halves."""

import json
from dataclasses import dataclass
from pathlib import Path

_TABLE = json.loads((Path(__file__).parents[1] / "vectors" / "code_spellings.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """One of them.

    Attributes:
        name: for people.
        before, between, after: what is put around the code, and in its middle.
        zero: the digit zero of the script in which its digits are written.
    """

    name: str
    before: str
    between: str
    after: str
    zero: str

    def of(self, code: str) -> str:
        """A code in this spelling."""
        written = [chr(ord(self.zero) + int(sign)) if sign in "0123456789" else sign for sign in code]
        half = len(written) // 2
        return self.before + "".join(written[:half]) + self.between + "".join(written[half:]) + self.after


SPELLINGS = [Spelling(**entry) for entry in _TABLE["spellings"]]
