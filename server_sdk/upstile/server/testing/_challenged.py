"""Says whether a response is the challenge that a test expects, and if not, what it is instead."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from upstile.protocol import Requirement, UpstileError, find_error, find_step_up, json_object, readable_challenges
from upstile.server.audit import in_words

_LONGEST_BODY = 200
_SAID = {"title": "says:     ", "hint": "hint:     "}
"""The members of a problem document that tell what is wrong (RFC 9457 §3.1)."""


def assert_challenged(
    response: Any,
    *,
    acr: str | Iterable[str] | None = None,
    max_age: int | None = None,
    scope: str | Iterable[str] | None = None,
) -> Requirement:
    """Assert that a call was answered with a step-up challenge (RFC 9470 §3); what it asks.

    Args:
        response: of httpx, httpx2 or Starlette's `TestClient`: anything with `status_code` and `headers`.
        acr: the authentication context classes that it asks for, in their order; `None`: any.
        max_age: the seconds that it asks for; `None`: any. `0` and `None` are different things.
        scope: the scopes that it names; `None`: any.

    Raises:
        AssertionError: it is something else; the message says what was expected and what came.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    expected = Requirement(acr=() if acr is None else acr, max_age=max_age, scope=() if scope is None else scope)
    wanted = f"401 with a challenge for {_words(expected) or 'a step-up'}"
    challenges = readable_challenges(_lines(response.headers))
    found = find_step_up(challenges)
    if response.status_code != HTTPStatus.UNAUTHORIZED or found is None:
        raise AssertionError(_message(wanted, *_other(response, find_error(challenges))))
    came = found.requirement
    pairs = {
        "acr": (acr is None, expected.acr, came.acr),
        "max_age": (max_age is None, expected.max_age, came.max_age),
        "scope": (scope is None, sorted(expected.scope), sorted(came.scope)),
    }
    wrong = [name for name, (any_will_do, mine, theirs) in pairs.items() if not any_will_do and mine != theirs]
    if wrong:
        came_words = f"401 with a challenge for {_words(came) or 'nothing in particular'}"
        raise AssertionError(_message(wanted, came_words, f"differs:  {', '.join(wrong)}"))
    return came


def _lines(headers: Any) -> list[str]:
    """All `WWW-Authenticate` lines, of a library that keeps them apart or of one that joins them."""
    several = getattr(headers, "get_list", None) or getattr(headers, "getlist", None)
    if several is not None:
        return list(several("www-authenticate"))
    return [value for name, value in dict(headers).items() if name.lower() == "www-authenticate"]


def _other(response: Any, error: str | None) -> list[str]:
    """What came instead, in words; of the body as much as tells."""
    status, body = response.status_code, getattr(response, "content", b"")
    try:
        problem = json_object(body)
    except UpstileError:
        problem = {}
    said = [f"{label}{problem[name]}" for name, label in _SAID.items() if isinstance(problem.get(name), str)]
    came = f"{status} {HTTPStatus(status).phrase}" if status in list(HTTPStatus) else str(status)
    if error is not None:
        came += f" with the error {error}"
    elif status == HTTPStatus.UNAUTHORIZED and not said:
        came += " without a challenge of Bearer or DPoP"
    return [came, *(said or [f"body:     {_beginning(body)}"])]


def _beginning(body: bytes) -> str:
    if b"_token" in body:
        return "(not shown: it holds a token)"
    text = body[: _LONGEST_BODY + 1].decode("utf-8", "replace")
    return text if len(body) <= _LONGEST_BODY else f"{text[:_LONGEST_BODY]}…"


def _words(requirement: Requirement) -> str:
    return in_words(requirement.acr, requirement.max_age, requirement.scope)


def _message(expected: str, came: str, *more: str) -> str:
    lines = ["this is not the challenge that was expected", f"expected: {expected}", f"came:     {came}", *more]
    return "\n  ".join(lines)
