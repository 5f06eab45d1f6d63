"""Whether a call carries anything that is ours to judge, for an API whose callers may have another login, too."""

import re

from upstile.server._http import HttpRequest
from upstile.server.resource.tokens._unverified import may_be_ours

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*) *", re.ASCII)
"""The credentials of RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1)."""


def are_none_of_ours(request: HttpRequest, identifiers: frozenset[str], *, takes_opaque: bool) -> bool:
    """Whether a call carries no credential, or plainly one of another login: a bearer token that is not ours.

    All else is for the guard, which judges it in full: a header that cannot be read, two of them, another scheme, and
    every call with DPoP. A proof alone is no credential: a sign-in has one, for the key of the token to come.

    Args:
        request: the call.
        identifiers: our issuers.
        takes_opaque: one of them is asked about tokens that say nothing to us (RFC 7662).
    """
    lines = request.lines(b"authorization")
    if not lines:
        return True
    if len(lines) > 1 or request.lines(b"dpop"):
        return False
    bearer = _BEARER.fullmatch(lines[0])
    return bearer is not None and not may_be_ours(bearer[1], identifiers, takes_opaque=takes_opaque)
