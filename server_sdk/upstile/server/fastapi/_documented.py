"""What an API's documentation says of a requirement: for the eye, for people, and for programs."""

from collections.abc import Iterable, Sequence
from typing import Any

from upstile.protocol import Requirement

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def marked(summary: str, asked: Iterable[Requirement]) -> str:
    """A summary that shows in a list of routes that this one steps up."""
    marks = dict.fromkeys("step-up: " + ", ".join(filter(None, (_acr(each, ""), _short(each)))) for each in asked)
    return " · ".join(filter(None, [summary, *marks]))


def asked_in_words(asked: Iterable[Requirement], *, in_handler: bool) -> list[str]:
    """A paragraph for each requirement, and the author's reasons."""
    said = list[str]()
    for each in dict.fromkeys(asked):
        how = f" with {_acr(each, '`')}" if each.acr else ""
        reason = f" *{each.reason}*" if each.reason else ""
        said.append(f"**Step-up**: the person has to have confirmed who they are{how}{_when(each)}.{reason}")
    if in_handler:
        said.append("**Step-up**: the call may ask the person for a confirmation of this very call.")
    return said


def extension(requirement: Requirement) -> dict[str, Any]:
    """One member of `x-step-up`, for apps that ask before a form is filled in."""
    members = {
        "acr_values": list(requirement.acr),
        "max_age": requirement.max_age,
        "scope": list(requirement.scope),
        "reason": requirement.reason,
    }
    return {name: value for name, value in members.items() if value not in (None, [])}


def responses(schema: str, media_type: str, words: Sequence[str], scopes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a guard may answer (upstile profile §1).

    Args:
        schema: where the schema of a problem document stands.
        media_type: that of a problem document.
        words: what the route asks.
        scopes: those that it asks for.
    """
    body: Any = {"content": {media_type: {"schema": {"$ref": schema}}}}
    challenge = _header("What is asked, for programs: a challenge of RFC 6750, RFC 9449 or RFC 9470 in each line.")
    needs = f" The token needs the scope {' '.join(f'`{name}`' for name in scopes)}." if scopes else ""
    return {
        "400": {"description": "More than one Authorization header.", "content": {**body["content"]}},
        "401": {
            "description": "\n\n".join(["There is no access token, or it does not suffice.", *words]),
            "headers": {"WWW-Authenticate": {**challenge, "required": True}},
            **body,
        },
        "403": {
            "description": f"No confirmation would help: a scope is missing, or none that is offered suffices.{needs}",
            "headers": {"WWW-Authenticate": challenge},
            **body,
        },
        "503": {
            "description": "The token cannot be judged at the moment.",
            "headers": {"Retry-After": _header("Seconds after which the call may come again.")},
            **body,
        },
    }


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _acr(requirement: Requirement, quote: str) -> str:
    return " or ".join(f"{quote}{name}{quote}" for name in requirement.acr)


def _when(requirement: Requirement) -> str:
    if requirement.max_age is None:
        return ""
    return ", at most " + _span(requirement.max_age) + " ago" if requirement.max_age else ", for this very call"


def _short(requirement: Requirement) -> str:
    if requirement.max_age is None:
        return ""
    return "within " + _span(requirement.max_age) if requirement.max_age else "for each call"


def _span(seconds: int) -> str:
    """Seconds in the largest unit that is exact."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}" + ("s" if count != 1 else "")
