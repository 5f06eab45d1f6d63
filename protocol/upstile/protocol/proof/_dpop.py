"""A DPoP proof is checked (RFC 9449 §4.3), as a pure function: the caller passes the time in.

Whether a proof was seen before is not decided here: that needs memory, and memory belongs to the server.
"""

from collections.abc import Callable
from functools import lru_cache
from hmac import compare_digest
from typing import NamedTuple

from pydantic_core import from_json

from upstile.protocol._encoding import base64url_decode, json_object
from upstile.protocol._errors import InvalidProof, MalformedMessage
from upstile.protocol.proof._dpop_new import token_hash
from upstile.protocol.proof._htu import loopback_by_name, normalized_htu, same_url
from upstile.protocol.proof._jwk import es256_key, jwk_thumbprint
from upstile.protocol.proof._jws import es256_verifier

DPOP_ALGORITHMS = ("ES256",)
"""What proofs may be signed with (RFC 9449 §4.2)."""
PROOF_LEEWAY = 60
"""Seconds by which `iat` may differ from the verifier's clock, either way."""

_MAX_PROOF = 4096
_MAX_JTI = 256
_UNUSUAL = b"\\ \t\r\n"
_BY_NAME = "This development server is named localhost: use http://localhost in the app, not 127.0.0.1"


class DPoPProof(NamedTuple):
    """A verified proof.

    Attributes:
        jkt: the thumbprint of the key that signed it (RFC 7638).
        jti: its identifier; the caller accepts each one once.
        iat: when it was made, in epoch seconds; it may have a fraction (RFC 7519 §2).
    """

    jkt: str
    jti: str
    iat: float


def verify_proof(
    proof: str,
    *,
    expected_htm: str,
    expected_htu: str,
    now: float,
    expected_access_token: str | None = None,
    expected_ath: str | None = None,
    expected_nonce: str | None = None,
    path_decoded: bool = False,
    leeway: int = PROOF_LEEWAY,
) -> DPoPProof:
    """Check a proof as RFC 9449 §4.3 says, all but its first use.

    Args:
        proof: the value of the one `DPoP` header.
        expected_htm: the request's method.
        expected_htu: the configured public URL of the request, without query.
        now: epoch seconds.
        expected_access_token: the token that came with the request; its hash must be in the proof.
        expected_ath: that hash itself (`token_hash`), where the caller has it already.
        expected_nonce: the nonce that this server demanded, if it demands one.
        path_decoded: the path of `expected_htu` is not the one on the wire: the server knows it only decoded.
        leeway: seconds by which `iat` may differ from `now`.

    Raises:
        InvalidProof: a check failed.
    """
    if expected_access_token is not None:
        expected_ath = token_hash(expected_access_token)
    signing_input, _, signature = proof.rpartition(".")
    header, _, payload = signing_input.partition(".")
    if not payload or "." in payload or len(proof) > _MAX_PROOF:
        raise InvalidProof("the proof is not one compact JWS")
    try:
        (verified, jkt), claims = _proof_key(header), base64url_decode(payload)
        if not verified(signing_input.encode("ascii"), base64url_decode(signature)):
            raise InvalidProof("the signature is not by the key in the proof")
        usual = None if expected_nonce is not None else _usual(claims, expected_htm, expected_htu, expected_ath)
        iat, jti = usual or _strict(claims, expected_htm, expected_htu, expected_ath, expected_nonce, path_decoded)
    except MalformedMessage as error:
        raise InvalidProof(f"the proof is malformed: {error}") from error
    if isinstance(iat, bool) or not isinstance(iat, int | float) or not now - leeway <= iat <= now + leeway:
        raise InvalidProof("the proof was not made just now: compare the clocks")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise InvalidProof("the proof has no usable jti")
    return DPoPProof(jkt, jti, iat)


@lru_cache(maxsize=4096)
def _proof_key(header_segment: str) -> tuple[Callable[[bytes, bytes], bool], str]:
    # All proofs of one client begin with the same header, so its key is read once.
    header = json_object(base64url_decode(header_segment))
    jwk = header.get("jwk")
    if header.get("typ") != "dpop+jwt" or header.get("alg") not in DPOP_ALGORITHMS or "crit" in header:
        raise InvalidProof("typ, alg or crit of the proof are not acceptable")
    if not isinstance(jwk, dict):
        raise InvalidProof("the proof carries no public key")
    return es256_verifier(es256_key(jwk)), jwk_thumbprint(jwk)  # pyright: ignore[reportUnknownArgumentType]


def _usual(claims: bytes, htm: str, htu: str, ath: str | None) -> tuple[object, object] | None:
    """`iat` and `jti` of a proof as clients write it, for just this request; `None` leaves the judgement to `_strict`.

    The quick parser takes the last of two members of one name. Here it may not: without a backslash a quote inside a
    string cannot be, and without white space each name, and at most a string besides, is followed by `":` at once. So
    there are at least as many of these as names, and no name stands twice if there are as many as members.

    An `htu` that is the request's to the letter is equal to it, unless the path may have dot segments or `%25`.
    """
    if len(claims.translate(None, _UNUSUAL)) != len(claims):
        return None
    try:
        members = from_json(claims, allow_inf_nan=False)
    except ValueError:
        return None
    if type(members) is not dict or claims.count(b'":') != len(members):  # pyright: ignore[reportUnknownArgumentType]
        return None
    get = members.get  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if get("htm") != htm or get("htu") != htu or (ath is not None and get("ath") != ath):
        return None
    if "?" in htu or "#" in htu or "/." in htu or "%2" in htu:
        return None
    return get("iat"), get("jti")  # pyright: ignore[reportUnknownVariableType]


def _strict(
    claims: bytes, htm: str, htu: str, ath: str | None, nonce: str | None, path_decoded: bool = False
) -> tuple[object, object]:
    """The same for any proof; raises with the reason."""
    payload = json_object(claims)
    if payload.get("htm") != htm:
        raise InvalidProof("htm is not the method of this request")
    _check_url(payload.get("htu"), htu, path_decoded)
    if ath is not None and not _same(payload.get("ath"), ath):
        raise InvalidProof("ath is not the hash of the access token")
    if nonce is not None and not _same(payload.get("nonce"), nonce):
        raise InvalidProof("the nonce is missing or not the one that was asked for")
    return payload.get("iat"), payload.get("jti")


def _check_url(htu: object, expected: str, path_decoded: bool) -> None:
    if "?" in expected or "#" in expected:  # cut off, it would be another resource's proof
        raise InvalidProof("the URL of this request has characters that no path holds")
    if not isinstance(htu, str):
        raise InvalidProof("htu is missing")
    if same_url(htu, expected, path_decoded=path_decoded):
        return
    named = loopback_by_name(normalized_htu(htu))
    if named != normalized_htu(htu) and same_url(named, expected, path_decoded=path_decoded):
        raise InvalidProof("htu names this machine by its number", detail=_BY_NAME)
    raise InvalidProof("htu is not the URL of this request")


def _same(value: object, expected: str) -> bool:
    return isinstance(value, str) and compare_digest(value.encode(), expected.encode())
