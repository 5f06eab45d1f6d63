"""What the person types: what cannot be right is asked for again, before it costs a try."""

from collections.abc import Callable

from upstile.client._errors import StepUpCancelled
from upstile.client.methods._method import Moment
from upstile.client.words import said, shown
from upstile.protocol import plain_code

_MOST_TYPED = 5
"""Times that somebody is asked for what looks like a code, before one is sent."""


def typed(
    moment: Moment,
    label: str,
    wrong: Callable[[str], str | None],
    *,
    read: Callable[[str], str] = plain_code,
    before: Callable[[], None] = lambda: None,
) -> str:
    """A code that may be right.

    Args:
        moment: how to ask.
        label: what is asked for.
        wrong: says what is wrong with a code, by the name of the text; `None` if it may be right.
        read: makes a code of what was typed.
        before: is called before each question.

    Raises:
        StepUpCancelled: none was given.
    """
    asked = label
    for _ in range(_MOST_TYPED):
        before()
        code = read(moment.prompter.code(asked, moment.cancel))
        if not code:
            raise StepUpCancelled(**said("no-code-given"))
        why = wrong(code)
        if why is None:
            return code
        asked = f"{shown(why)}. {label}"
    raise StepUpCancelled(**said("no-likely-code", times=_MOST_TYPED))
