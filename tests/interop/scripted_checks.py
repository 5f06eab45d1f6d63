"""What the scripted server checks about a client, by hand and without any code of upstile.

Each check returns what the server needs to go on, or raises `Violation`: one sentence about what the client did against
the wire protocol, and the error code a server answers it with.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, MutableSet, Sequence
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1
S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7636 §4.2
LOOPBACK_REDIRECT = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?(/[^#]*)?")  # RFC 8252 §7.3
USER_PRESENT, USER_VERIFIED = 0x01, 0x04  # WebAuthn §6.1, the flags byte


class Violation(Exception):
    """The client did what the wire protocol does not allow."""

    def __init__(self, sentence: str, error: str = "invalid_request") -> None:
        super().__init__(sentence)
        self.sentence, self.error = sentence, error


def require(condition: object, sentence: str, error: str = "invalid_request") -> None:
    if not condition:
        raise Violation(sentence, error)


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: object, what: str, error: str = "invalid_request") -> bytes:
    """Decode base64url without padding, in its one canonical spelling (RFC 7515 §2)."""
    if isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]*", text) and len(text) % 4 != 1:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if b64url(data) == text:
            return data
    raise Violation(f"{what} is not base64url without padding", error)


def json_object(text: bytes, what: str, error: str = "invalid_request") -> dict[str, Any]:
    try:
        value = json.loads(text.decode("utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Violation(f"{what} is not a JSON object in UTF-8", error)
    return value


def media_type(headers: Mapping[str, str], expected: str) -> None:
    value = headers.get("content-type", "")
    require(value.partition(";")[0].strip().lower() == expected, f"content type {value!r} where {expected} is due")


def form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    media_type(headers, "application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise Violation("the body is not a form") from None
    names = [name for name, _ in pairs]
    require(len(names) == len(set(names)), f"a parameter is repeated: {sorted(names)}")
    return {name: value for name, value in pairs if value}  # RFC 6749 §3.1: without a value is omitted


def member(values: Mapping[str, str], name: str) -> str:
    require(name in values, f"the parameter {name} is missing")
    return values[name]


def verify_es256(x: bytes, y: bytes, der: bytes, signed: bytes) -> bool:
    numbers = EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), SECP256R1())
    try:
        numbers.public_key().verify(der, signed, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def proof(
    headers: Sequence[str], *, method: str, url: str, now: float, seen: MutableSet[str], token: str | None
) -> tuple[str, str | None]:
    """Verify a DPoP proof (RFC 9449 §4.3); return the thumbprint of its key and its nonce."""
    bad = "invalid_dpop_proof"
    require(len(headers) == 1, f"{len(headers)} DPoP headers where one is due", bad)
    parts = headers[0].split(".")
    require(len(parts) == 3, "the DPoP proof is not a JWS in compact form", bad)
    header = json_object(unb64url(parts[0], "the proof's header", bad), "the proof's header", bad)
    claims = json_object(unb64url(parts[1], "the proof's payload", bad), "the proof's payload", bad)
    require(header.get("typ") == "dpop+jwt", f"the proof's typ is {header.get('typ')!r}", bad)
    require(header.get("alg") == "ES256", f"the proof's alg {header.get('alg')!r} is not offered", bad)
    thumbprint = _signed_by_its_key(header.get("jwk"), parts, bad)
    require(claims.get("htm") == method, f"htm is {claims.get('htm')!r} in a {method}", bad)
    require(claims.get("htu") == url, f"htu is {claims.get('htu')!r}, not {url!r}", bad)
    iat, jti = claims.get("iat"), claims.get("jti")
    require(isinstance(iat, int | float) and abs(now - iat) <= 60, f"iat {iat!r} is not within 60 s of now", bad)
    require(isinstance(jti, str) and jti, "the proof has no jti", bad)
    require(jti not in seen, "a DPoP proof was sent twice", bad)
    seen.add(str(jti))
    if token is not None:
        ath = b64url(hashlib.sha256(token.encode()).digest())
        require(claims.get("ath") == ath, "ath is not the hash of the presented token", bad)
    return thumbprint, claims.get("nonce")


def _signed_by_its_key(jwk: Any, parts: Sequence[str], bad: str) -> str:
    require(
        isinstance(jwk, dict) and jwk.get("kty") == "EC" and jwk.get("crv") == "P-256", "jwk is not a P-256 key", bad
    )
    require(not {"d", "k", "p", "q"} & set(jwk), "the proof's jwk holds a private key", bad)
    x, y = unb64url(jwk.get("x"), "jwk.x", bad), unb64url(jwk.get("y"), "jwk.y", bad)
    signature = unb64url(parts[2], "the proof's signature", bad)
    require(len(x) == len(y) == 32 and len(signature) == 64, "x, y or signature of the proof is too short or long", bad)
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    require(verify_es256(x, y, der, f"{parts[0]}.{parts[1]}".encode()), "the proof's signature is wrong", bad)
    canonical = json.dumps({"crv": "P-256", "kty": "EC", "x": jwk["x"], "y": jwk["y"]}, separators=(",", ":"))
    return b64url(hashlib.sha256(canonical.encode()).digest())  # RFC 7638 §3


def start_parameters(sent: Mapping[str, str], *, resource: str, known_methods: set[str]) -> None:
    """Check the form of a start; whose token it is and what was asked is judged by the server."""
    require(member(sent, "response_type") == "code", f"response_type is {sent['response_type']!r}")
    require(
        S256_CHALLENGE.fullmatch(member(sent, "code_challenge")), "code_challenge is not 43 characters of base64url"
    )
    require(member(sent, "code_challenge_method") == "S256", "code_challenge_method is not S256")
    require(member(sent, "subject_token_type") == TOKEN_TYPE, f"subject_token_type is {sent['subject_token_type']!r}")
    require(member(sent, "resource") == resource, f"resource is {sent['resource']!r}", "invalid_target")
    require(re.fullmatch(r"\d+", sent.get("max_age", "0"), re.ASCII), f"max_age is {sent.get('max_age')!r}")
    for name in ("acr_values", "scope", "authn_methods_supported"):
        words = sent.get(name, name)
        require(
            re.fullmatch(r"[!-~]+( [!-~]+)*", words), f"{name} is not a list of words with one blank between: {words!r}"
        )
    methods = set(sent.get("authn_methods_supported", "totp").split())
    require(methods <= known_methods, f"authn_methods_supported names unknown methods: {sorted(methods)}")
    details = sent.get("authorization_details", "[]")
    require(details == "[]", f"details that nobody asked for: {details}", "invalid_authorization_details")
    require(("redirect_uri" in sent) == ("state" in sent), "redirect_uri and state go together")
    if "redirect_uri" in sent:
        require(LOOPBACK_REDIRECT.fullmatch(sent["redirect_uri"]), "redirect_uri is not on the loopback interface")


def verifier_matches(sent: Mapping[str, str], code_challenge: str) -> None:
    verifier = member(sent, "code_verifier")
    require(VERIFIER.fullmatch(verifier), "code_verifier is not 43 to 128 unreserved characters", "invalid_grant")
    digest = b64url(hashlib.sha256(verifier.encode()).digest())
    require(digest == code_challenge, "code_verifier does not match code_challenge", "invalid_grant")


def totp(secret: bytes, step: int) -> str:
    """RFC 6238 with the defaults of RFC 4226: SHA-1, six digits."""
    digest = hmac.digest(secret, step.to_bytes(8), "sha1")
    offset = digest[-1] & 0x0F
    return f"{(int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF) % 1_000_000:06d}"


def assertion(
    text: str,
    *,
    challenge: str,
    origin: str,
    keys: Mapping[bytes, tuple[bytes, bytes]],
    user_handle: bytes,
    verification_required: bool,
) -> bool:
    """Verify an `AuthenticationResponseJSON` (WebAuthn Level 3 §5.1, §7.2); return whether the user was verified."""
    sent = json_object(text.encode(), "authn_response")
    inner: Any = sent.get("response")
    require(isinstance(inner, dict), "authn_response has no response")
    require(sent.get("type") == "public-key", "authn_response has another type than public-key")
    require(isinstance(sent.get("clientExtensionResults"), dict), "authn_response has no clientExtensionResults")
    credential = unb64url(sent.get("rawId"), "rawId")
    require(sent.get("id") == sent.get("rawId"), "id and rawId differ")
    require(credential in keys, "the credential is not one of allowCredentials")
    handle = inner.get("userHandle")
    require(handle is None or unb64url(handle, "userHandle") == user_handle, "userHandle is another user's")
    raw_client_data = unb64url(inner.get("clientDataJSON"), "clientDataJSON")
    client_data = json_object(raw_client_data, "clientDataJSON")
    require(client_data.get("type") == "webauthn.get", f"client data of type {client_data.get('type')!r}")
    require(client_data.get("challenge") == challenge, "the signed challenge is not the bound challenge")
    require(client_data.get("origin") == origin, f"signed for the origin {client_data.get('origin')!r}")
    require(not client_data.get("crossOrigin"), "signed across origins")
    auth_data = unb64url(inner.get("authenticatorData"), "authenticatorData")
    require(len(auth_data) >= 37, "authenticatorData is too short")
    require(auth_data[:32] == hashlib.sha256(b"localhost").digest(), "rpIdHash is not that of localhost")
    require(auth_data[32] & USER_PRESENT, "the user was not present")
    verified = bool(auth_data[32] & USER_VERIFIED)
    require(verified or not verification_required, "user verification was required and is missing")
    signed = auth_data + hashlib.sha256(raw_client_data).digest()
    signature = unb64url(inner.get("signature"), "signature")
    require(verify_es256(*keys[credential], signature, signed), "the signature of the assertion is wrong")
    return verified
