"""What a call that needs an authentication of its own uses up (upstile profile §4)."""

from upstile.protocol import json_compact
from upstile.server.resource._evaluate import FOR_THIS_CALL
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.storage._names import Names
from upstile.server.storage._records import OneTimeKey


def used_by_one_call(token: AccessToken, issuer: Issuer, names: Names) -> tuple[list[OneTimeKey], float]:
    """The keys of what a token uses up, and until when that has to be remembered (epoch seconds).

    Our own server marks a token as one for one call. Another issuer does not: there the authentication is used up as
    well, because a refreshed token of the same login is no second proof.
    """
    keys = [names("used", f"{token.issuer} {token.jti}")]
    if token.auth_time is None or issuer.marks_single_use:
        return keys, token.expires_at + 1
    login = json_compact([token.issuer, token.subject, token.sid, float(token.auth_time)]).decode()
    return [*keys, names("authentication", login)], token.auth_time + FOR_THIS_CALL + 1
