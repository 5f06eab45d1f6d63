"""The client's part of `docs/troubleshooting.md`, made from the table of what its errors say."""

import re
from collections.abc import Iterator

from docs.troubleshooting import ANYTHING, ROOT, messages
from upstile.client import ConfigurationError, StepUpError
from upstile.client.words import TABLE, Words

CLIENT = ROOT / "client_sdk" / "upstile" / "client"
BEGIN, END = "<!-- client: made from the code -->", "<!-- client: end -->"
_BECOMES = {"MethodUnavailable": "NoMethodAvailable"}
"""What is told to the next method, and to the person where there is none."""
_INTRODUCTION = """
By the class of the error; its `code` stands behind it. `error.diagnostics()` is what the person reads: what happened,
and `error.next_step`. `error.hint` is for developers, and so is `error.response`, what the API sent. `…` stands for
what differs. Where the server says why it refuses, the person reads its words: [refusals](#refusals).
"""
_CONFIGURATION = """\
The client is given something that it cannot work with. It is raised at once, and is a `ValueError`, too.
"""


def client_part() -> str:
    """The part of the page that is made from the code."""
    sections = "\n".join(_section(kind) for kind in kinds())
    return f"{BEGIN}\n## Errors of the client\n{_INTRODUCTION}\n{sections}\n{_configuration()}{END}"


def kinds() -> Iterator[type[StepUpError]]:
    """The classes that the table speaks of, in the order of their tree."""
    waiting = [StepUpError]
    while waiting:
        kind = waiting.pop(0)
        waiting = [*kind.__subclasses__(), *waiting]
        if rows_of(kind):
            yield kind


def rows_of(kind: type[StepUpError]) -> list[Words]:
    """The rows of a class."""
    return [words for words in TABLE.values() if _BECOMES.get(words.error, words.error) == kind.__name__]


def _section(kind: type[StepUpError]) -> str:
    about = (kind.__doc__ or "").partition("\n")[0]
    return f"### `{kind.__name__}` (`{kind.code}`)\n{about}\n\n" + "".join(map(_row, rows_of(kind)))


def _row(words: Words) -> str:
    person, developer = _plain(f"{words.title}. {words.next_step}"), _plain(words.hint)
    if words.next_step.rstrip(".").casefold() in words.title.casefold():
        person = _plain(f"{words.title}.")
    return f"- The person reads: {person}\\\n  The developer reads: {developer}\n"


def _configuration() -> str:
    error = ConfigurationError("")
    texts = "".join(f"- `` {text} ``\n" for text in sorted(messages(CLIENT)))
    return (
        f"### `ConfigurationError` (`{error.code}`)\n{_CONFIGURATION}\n"
        f"The person reads: {error.diagnostics()} The developer reads one of:\n\n{texts}"
    )


def _plain(text: str) -> str:
    return re.sub(r"\{\w+\}", ANYTHING, text)
