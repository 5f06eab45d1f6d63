"""The quick way through a guard, for calls as they come most often: a token that was seen before, nothing odd about it.

It refuses nothing. Whatever is not plainly admissible is `None`, and the guard judges it with care (`_guard.py`).
"""

from collections.abc import Callable
from hashlib import sha256

from upstile.protocol import InvalidProof, Requirement, base64url_encode, verify_proof
from upstile.server._errors import StorageUnavailable
from upstile.server._http import HttpRequest, RawHeaders
from upstile.server._public_url import PublicUrl
from upstile.server.resource._evaluate import Satisfied, evaluate
from upstile.server.resource._replay import ReplaySet
from upstile.server.resource._revocation_list import RevocationList
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._verifier import Verifier

_REMEMBERED = 4096
"""Verdicts kept for one requirement: less than 1 MB."""
_SHA256 = sha256()

_Verdict = tuple[AccessToken, object, Callable[[], object], float, float]
"""That a token suffices: the token; the keys that it was verified with; what returns those of now; when that was found,
for a clock that was set back has to ask anew; and when the token expires or its authentication becomes too old (epoch
seconds)."""


class Admission:
    """Admits calls to what has one requirement.

    Args:
        requirement: what is asked.
        verifier: knows the tokens that were verified before.
        revocations: the tokens that were revoked.
        public: the URL of a call, which `htu` is compared with.
        replays: the DPoP proofs that this node has seen.
        noted: the methods whose proofs this node notes itself; `None` for every method.
        is_told: whether nothing has to be told of a call that is let in with a token. What has to be, the guard tells.
    """

    def __init__(
        self,
        requirement: Requirement,
        *,
        verifier: Verifier,
        revocations: RevocationList,
        public: PublicUrl,
        replays: ReplaySet,
        noted: frozenset[str] | None,
        is_told: Callable[[AccessToken], bool],
    ) -> None:
        self._requirement = requirement
        self._verifier = verifier
        self._revocations = revocations
        self._public = public
        self._replays = replays
        self._noted = noted
        self._is_told = is_told
        self._verdicts: dict[bytes, _Verdict] = {}

    def admit(self, headers: RawHeaders, now: float) -> AccessToken | None:
        """The token of a bearer call that may go on, or `None` where that takes a closer look.

        One frame, and no more in it than it needs: this runs for each call.

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
        hashed = _SHA256.copy()  # a copy spares OpenSSL the search for the algorithm
        hashed.update(credentials[7:])
        digest = hashed.digest()
        verdict = self._verdicts.get(digest)
        if verdict is not None:
            token, keys, keys_now, since, until = verdict
            if since <= now < until and keys is keys_now():
                revocations = self._revocations
                return token if revocations.usable and not revocations.covers(token) else None
        return self._admit_anew(digest, now)

    def admit_bound(self, request: HttpRequest, now: float) -> AccessToken | None:
        """The same for a token that is bound to a key, with its proof, which this node notes."""
        credentials = proof = None
        for name, value in request.headers:
            if name == b"authorization":
                if credentials is not None:
                    return None
                credentials = value
            elif name == b"dpop":
                if proof is not None:
                    return None
                proof = value
        if credentials is None or proof is None or credentials[:5] != b"DPoP ":
            return None
        if self._noted is not None and request.method not in self._noted:
            return None
        hashed = _SHA256.copy()
        hashed.update(credentials[5:])
        digest = hashed.digest()
        known = self._verifier.known(digest, now)
        if known is None or known[0].jkt is None or not self._suffices(known[0], now):
            return None
        try:  # NOTE: a bad proof is checked once more by the guard, which says what is wrong with it.
            verified = verify_proof(
                proof.decode("latin-1"),
                expected_htm=request.method,
                expected_htu=self._public.of(request),
                expected_ath=base64url_encode(digest),
                path_decoded=request.path_decoded,
                now=now,
            )
            proven = verified.jkt == known[0].jkt and self._replays.first_use(verified)
        except (InvalidProof, StorageUnavailable):
            return None
        return known[0] if proven else None

    def _admit_anew(self, digest: bytes, now: float) -> AccessToken | None:
        """A bearer token that this requirement has not met yet, or not lately."""
        known = self._verifier.known(digest, now)
        if known is None:
            return None
        token, keys, keys_now = known
        if token.jkt is not None or not self._suffices(token, now):
            return None
        max_age, until = self._requirement.max_age, token.expires_at
        if max_age is not None and token.auth_time is not None and token.auth_time + max_age < until:
            until = token.auth_time + max_age
        if len(self._verdicts) >= _REMEMBERED:
            self._verdicts = {}
        self._verdicts[digest] = token, keys, keys_now, now, until
        return token

    def _suffices(self, token: AccessToken, now: float) -> bool:
        """Whether a token that was seen is still good and meets the requirement; nothing has to be used up or told."""
        if not self._revocations.usable or self._revocations.covers(token):
            return False
        verdict = evaluate(self._requirement, token, issuer=self._verifier.issuer_of(token), now=now)
        return isinstance(verdict, Satisfied) and not verdict.consumes and self._is_told(token)
