"""The DPoP proof of a request to the authorization server (RFC 9449 §5)."""

from dataclasses import dataclass

from upstile.protocol import InvalidProof, verify_proof
from upstile.server._errors import AuthorizationError
from upstile.server._http import HttpRequest
from upstile.server._public_url import PublicUrl
from upstile.server.resource._replay import MEMORY, ReplaySet
from upstile.server.storage import Found, Kept, Names, OneTimeKey, Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Possession:
    """By which key a request was made.

    Attributes:
        jkt: the key's thumbprint, or `None` where proofs are optional and none came.
        keys: where the proof is remembered, if the phase that uses it up has to do so: one more key of its transaction.
    """

    jkt: str | None = None
    keys: tuple[OneTimeKey, ...] = ()

    def used(self, found: Found, now: float) -> Kept:
        """What the phase writes so that the proof is accepted once; the last check of all.

        Raises:
            AuthorizationError: it was used before.
        """
        if any(key in found for key in self.keys):
            raise _refused("the proof was used before")
        mark = Record(value=b"", expires_at=now + MEMORY, used=True)
        return dict.fromkeys(self.keys, mark)


class ProofOfPossession:
    """Says by which key a request was made.

    Args:
        url: our configured base URL, which `htu` is compared with.
        names: makes the key under which the deployment remembers a proof.
        replays: the proofs seen by this node, where that is all that is remembered; else `None`.
        required: whether a request without a proof is refused.

    Attributes:
        required: the same.
    """

    def __init__(self, *, url: str, names: Names, replays: ReplaySet | None, required: bool) -> None:
        self._public = PublicUrl(url)
        self._names = names
        self._replays = replays
        self.required = required

    def of(self, request: HttpRequest, now: float) -> Possession:
        """The key of the request's proof.

        Raises:
            AuthorizationError: `invalid_dpop_proof`.
        """
        lines = request.lines(b"dpop")
        if not lines and not self.required:
            return Possession()
        if len(lines) != 1:
            raise _refused("exactly one DPoP header is needed")
        try:
            proof = verify_proof(
                lines[0],
                expected_htm=request.method,
                expected_htu=self._public.of(request),
                path_decoded=request.path_decoded,
                now=now,
            )
        except InvalidProof as error:
            raise _refused(error.detail or str(error)) from error
        if self._replays is None:
            return Possession(jkt=proof.jkt, keys=(self._names("proof", f"{proof.jkt}\x00{proof.jti}"),))
        if not self._replays.first_use(proof):
            raise _refused("the proof was used before")
        return Possession(jkt=proof.jkt)


def _refused(description: str) -> AuthorizationError:
    return AuthorizationError("invalid_dpop_proof", description)
