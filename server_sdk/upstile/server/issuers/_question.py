"""One question about a token, and whom its answer concerns: the token, or all of them (RFC 7662 §2)."""

import re
from collections.abc import Mapping
from typing import Any

from upstile.server._errors import IssuerUnavailable
from upstile.server.issuers._client_authentication import Credentials
from upstile.server.issuers._http import IssuerHttp, StillThere

_OF_THE_TOKEN = frozenset({400, 413, 414, 422})
"""Answers to what was sent: oidc-provider says 400 to a token that it could not have made to be asked about."""
_OF_ALL = frozenset({401, 403, 429, 502, 503, 504})
"""Answers to who asks, or that nobody is there: the next token would fare the same."""
_OF_THE_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
"""Errors that come with 400, too (RFC 6749 §5.2), and are no token's fault."""

_AN_ERROR = re.compile(r"[ !#-\[\]-~]{1,64}")
"""What an error may be written with (RFC 6749 §5.2), at a length that a line of the log has room for."""


async def ask(http: IssuerHttp, endpoint: str, token: str, credentials: Credentials) -> Mapping[str, Any] | str:
    """What the issuer says about a token; or why it will not.

    Raises:
        StillThere: it says nothing about this one, and may about others.
        IssuerUnavailable: it says nothing about any.
    """
    form = {"token": token, "token_type_hint": "access_token", **credentials.form}
    answer = await http.post(endpoint, form, credentials.headers)
    if answer.status == 200 and isinstance(answer.members.get("active"), bool):
        return answer.members
    error = answer.members.get("error")
    named = error if isinstance(error, str) and _AN_ERROR.fullmatch(error) else ""
    said = f"{endpoint} answered {answer.status} {named}".rstrip()
    if answer.status in _OF_ALL or error in _OF_THE_CLIENT:
        raise IssuerUnavailable(said)
    if answer.status in _OF_THE_TOKEN:
        return f"the issuer refuses to be asked about it ({answer.status})"
    raise StillThere(said)
