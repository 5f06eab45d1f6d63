"""The quick way through a guard, for the call that comes most often: a bearer token that was seen before.

It refuses nothing. Whatever is not plainly admissible is `None`, and the guard judges it with care (`_guard.py`).
"""

from hashlib import sha256
from typing import NamedTuple

from upstile.protocol import Requirement
from upstile.server._http import RawHeaders
from upstile.server.resource._access_token import AccessToken
from upstile.server.resource._evaluate import Satisfied, evaluate
from upstile.server.resource._jwt import Verifier
from upstile.server.resource._revocation_list import RevocationList

_REMEMBERED = 4096
"""Verdicts kept for one requirement: less than 1 MB."""
_SHA256 = sha256()


class _Verdict(NamedTuple):
    """That `evaluate` said yes to a token, and for how long that holds.

    Attributes:
        token: for the handler, and for the list of revocations.
        keys: what it was verified with.
        since: when it was said (epoch seconds); a clock that was set back to before then has to ask anew.
        until: when it expires, or its authentication becomes too old (epoch seconds).
    """

    token: AccessToken
    keys: object
    since: float
    until: float


class Admission:
    """Admits calls to what has one requirement.

    Args:
        requirement: what is asked.
        verifier: knows the tokens that were verified before.
        revocations: the tokens that were revoked.
    """

    def __init__(self, requirement: Requirement, verifier: Verifier, revocations: RevocationList) -> None:
        self._requirement = requirement
        self._verifier = verifier
        self._keys = verifier.keys
        self._revocations = revocations
        self._verdicts: dict[bytes, _Verdict] = {}

    def admit(self, headers: RawHeaders, now: float) -> AccessToken | None:
        """The token of a call that may go on, or `None` where that takes a closer look.

        One frame, and no more than it needs: this runs for each call.

        Args:
            headers: raw field lines; names in lower case.
            now: epoch seconds.
        """
        credentials = None
        for name, value in headers:
            if name == b"authorization":
                if credentials is not None:
                    return None
                credentials = value
        if credentials is None or credentials[:7] != b"Bearer ":
            return None
        hashed = _SHA256.copy()  # spares OpenSSL the search for the algorithm: a third of the whole hash
        hashed.update(credentials[7:])
        digest = hashed.digest()
        verdict = self._verdicts.get(digest)
        if verdict is not None:
            token, keys, since, until = verdict
            if since <= now < until and keys is self._keys():
                revocations = self._revocations
                return token if revocations.usable and not revocations.covers(token) else None
        return self._judge(digest, now)

    def _judge(self, digest: bytes, now: float) -> AccessToken | None:
        """The same for a token that this requirement has not met yet, or not lately."""
        known = self._verifier.known(digest, now)
        if known is None:
            return None
        token, keys = known
        if token.jkt is not None or token.single_use:
            return None
        if not self._revocations.usable or self._revocations.covers(token):
            return None
        requirement = self._requirement
        said = evaluate(requirement, token, issuer=self._verifier.issuer, now=now)
        if not isinstance(said, Satisfied) or said.consumes:
            return None
        until = token.expires_at
        if requirement.max_age is not None and token.auth_time is not None:
            until = min(until, token.auth_time + requirement.max_age)
        if len(self._verdicts) >= _REMEMBERED:
            self._verdicts = {}
        self._verdicts[digest] = _Verdict(token, keys, now, until)
        return token
