"""What a call presents: its token, and the proof of the key that the token is bound to."""

from upstile.protocol import DPoPProof, InvalidProof, base64url_encode, verify_proof
from upstile.server._http import HttpRequest
from upstile.server._public_url import PublicUrl
from upstile.server.resource._refusal import Refusals
from upstile.server.resource.tokens._access_token import AccessToken

_SCHEMES = frozenset({"bearer", "dpop"})


def credentials_of(request: HttpRequest, refusals: Refusals) -> tuple[str, str]:
    """The scheme, in lower case, and the token.

    Raises:
        Rejection: there is none, or more than one.
    """
    lines = request.lines(b"authorization")
    if len(lines) > 1:
        raise refusals.invalid_request("more than one Authorization header")
    scheme, _, token = (lines[0] if lines else "").partition(" ")
    scheme, token = scheme.lower(), token.strip(" ")
    if not token or scheme not in _SCHEMES or (scheme == "dpop" and not refusals.dpop):
        raise refusals.missing_token()
    return scheme, token


def proof_of(
    request: HttpRequest,
    scheme: str,
    digest: bytes,
    token: AccessToken,
    *,
    public: PublicUrl,
    refusals: Refusals,
    now: float,
) -> DPoPProof:
    """The verified proof of a call whose token or scheme asks for one (RFC 9449 §7.1).

    Args:
        request: the call.
        scheme: of its credentials.
        digest: the SHA-256 of the token.
        token: what the token says.
        public: the URL of a request, as its caller named it.
        refusals: writes the responses.
        now: epoch seconds.

    Raises:
        Rejection: the proof is missing or wrong, or token and scheme do not belong together.
    """
    if scheme != "dpop" or token.jkt is None:
        bound = "bound to a key and was sent as Bearer" if token.jkt else "not bound and was sent as DPoP"
        raise refusals.invalid_token(scheme, f"the token is {bound}", token)
    proofs = request.lines(b"dpop")
    if len(proofs) != 1:
        raise refusals.invalid_proof("exactly one DPoP header is needed")
    try:
        proof = verify_proof(
            proofs[0],
            expected_htm=request.method,
            expected_htu=public.of(request),
            expected_ath=base64url_encode(digest),
            path_decoded=request.path_decoded,
            now=now,
        )
    except InvalidProof as error:
        raise refusals.invalid_proof(str(error), detail=error.detail) from error
    if proof.jkt != token.jkt:
        raise refusals.invalid_token("dpop", "the proof is by another key than the token's", token)
    return proof
