"""OAuth error responses (RFC 6749 §5.2)."""

from upstile.server._errors import AuthorizationError
from upstile.server._http import HttpResponse, json_response


def error_response(error: AuthorizationError) -> HttpResponse:
    """The JSON response of a refusal, with `Retry-After` where the client should wait."""
    members = {"error": error.code, "error_description": error.description, **error.members}
    headers = () if error.retry_after is None else (("retry-after", str(error.retry_after)),)
    return json_response(error.status, members, *headers)
