"""OAuth error responses (RFC 6749 §5.2)."""

import logging

from upstile.server._errors import AuthorizationError, StorageUnavailable
from upstile.server._http import RETRY_AFTER, HttpResponse, json_response
from upstile.server._words import words_for

_log = logging.getLogger("upstile.server")


def error_response(error: AuthorizationError) -> HttpResponse:
    """The JSON response of a refusal, with `Retry-After` where the client should wait.

    `error_description` and `hint` are for developers, `title` and `detail` for the person.
    """
    words = words_for(error.code)
    said = {"title": words.title, "detail": words.next_step, "hint": words.hint}
    members = {"error": error.code, "error_description": error.description, **said, **error.members}
    headers = () if error.retry_after is None else (("retry-after", str(error.retry_after)),)
    return json_response(error.status, members, *headers)


def temporarily_unavailable(description: str, retry_after: int = RETRY_AFTER) -> AuthorizationError:
    """Nothing was judged and nothing was counted: the same request may come again, usually in a moment."""
    return AuthorizationError("temporarily_unavailable", description, status=503, retry_after=retry_after)


def unavailable(error: StorageUnavailable) -> HttpResponse:
    """What is said while storage is away; the log says why, the client need not know."""
    _log.error("storage unavailable", exc_info=error)
    return error_response(temporarily_unavailable("storage cannot be reached"))
