"""The DPoP proof of a request to the authorization server (RFC 9449 §5)."""

from upstile.protocol import InvalidProof, verify_proof
from upstile.server._errors import AuthorizationError
from upstile.server._http import HttpRequest
from upstile.server._replay import ReplaySet


class ProofOfPossession:
    """Says by which key a request was made.

    Args:
        url: our configured base URL, which `htu` is compared with.
        replays: the proofs seen by this node, shared with the resource server.
        required: whether a request without a proof is refused.
    """

    def __init__(self, *, url: str, replays: ReplaySet, required: bool) -> None:
        self._url = url
        self._replays = replays
        self._required = required

    def key(self, request: HttpRequest, now: float) -> str | None:
        """The thumbprint of the proof's key, or `None` where proofs are optional and none came.

        Raises:
            AuthorizationError: `invalid_dpop_proof`.
        """
        lines = request.lines(b"dpop")
        if not lines and not self._required:
            return None
        if len(lines) != 1:
            raise _refused("exactly one DPoP header is needed")
        return self.check(lines[0], method=request.method, path=request.path, now=now)

    def check(self, proof: str, *, method: str, path: str, now: float) -> str:
        """The thumbprint of the key of one proof, which is accepted once.

        Raises:
            AuthorizationError: `invalid_dpop_proof`.
        """
        try:
            verified = verify_proof(proof, expected_htm=method, expected_htu=self._url + path, now=now)
        except InvalidProof as error:
            raise _refused(str(error)) from error
        if not self._replays.first_use(verified):
            raise _refused("the proof was used before")
        return verified.jkt


def _refused(description: str) -> AuthorizationError:
    return AuthorizationError("invalid_dpop_proof", description)
