"""The wire format that both halves of upstile share: pure, no sockets, no clock, no randomness, no framework.

The models, and whatever else needs pydantic, are imported when they are first asked for: that takes the longest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from upstile.protocol._encoding import base64url_decode, base64url_encode, json_compact, json_object
from upstile.protocol._errors import (
    InvalidProof,
    MalformedHeader,
    MalformedMessage,
    ProtocolError,
    UpstileError,
)
from upstile.protocol._form import FORM_TYPE, parse_form, serialize_form
from upstile.protocol._pkce import code_challenge, code_verifier_matches, is_code_challenge
from upstile.protocol._well_known import (
    OPENID_METADATA_PATH,
    RESOURCE_METADATA_PATH,
    SERVER_METADATA_PATH,
    resource_covers,
    well_known_url,
)
from upstile.protocol._written import hides_something, is_spoken_code, plain_code, spoken_code
from upstile.protocol.challenge._challenge import (
    INSUFFICIENT_USER_AUTHENTICATION,
    StepUpChallenge,
    find_error,
    find_step_up,
    step_up_params,
)
from upstile.protocol.challenge._dialects import find_dialect
from upstile.protocol.challenge._header import (
    B64TOKEN,
    AuthChallenge,
    parse_challenges,
    readable_challenges,
    serialize_challenge,
)
from upstile.protocol.challenge._requirement import AUTHENTICATORS_SCOPE, Requirement
from upstile.protocol.proof._dpop_new import create_proof, token_hash
from upstile.protocol.proof._htu import has_dot_segments, normalized_htu
from upstile.protocol.proof._jwk import es256_jwk, es256_key, jwk_thumbprint
from upstile.protocol.proof._jws import es256_compact, es256_sign, es256_verifier, jws_header

if TYPE_CHECKING:
    from upstile.protocol._authenticators import (
        Authenticator,
        AuthenticatorList,
        EnrollRequest,
        EnrollResponse,
        RenameRequest,
        RestoreResponse,
        VerifyRequest,
    )
    from upstile.protocol._binding import bound_challenge
    from upstile.protocol._ceremony import (
        ACCESS_TOKEN_TYPE,
        AnswerRequest,
        CodeResponse,
        ErrorResponse,
        Offer,
        StartRequest,
        Step,
        TokenRequest,
        TokenResponse,
        read_request,
    )
    from upstile.protocol._message import Message
    from upstile.protocol._metadata import PROFILE_VERSION, ResourceMetadata, ServerMetadata
    from upstile.protocol.challenge._problem import PROBLEM_MEDIA_TYPE, Problem, is_instance, problem_type
    from upstile.protocol.proof._dpop import DPOP_ALGORITHMS, PROOF_LEEWAY, DPoPProof, verify_proof

__all__ = [
    "ACCESS_TOKEN_TYPE",
    "AUTHENTICATORS_SCOPE",
    "B64TOKEN",
    "DPOP_ALGORITHMS",
    "FORM_TYPE",
    "INSUFFICIENT_USER_AUTHENTICATION",
    "OPENID_METADATA_PATH",
    "PROBLEM_MEDIA_TYPE",
    "PROFILE_VERSION",
    "PROOF_LEEWAY",
    "RESOURCE_METADATA_PATH",
    "SERVER_METADATA_PATH",
    "AnswerRequest",
    "AuthChallenge",
    "Authenticator",
    "AuthenticatorList",
    "CodeResponse",
    "DPoPProof",
    "EnrollRequest",
    "EnrollResponse",
    "ErrorResponse",
    "InvalidProof",
    "MalformedHeader",
    "MalformedMessage",
    "Message",
    "Offer",
    "Problem",
    "ProtocolError",
    "RenameRequest",
    "Requirement",
    "ResourceMetadata",
    "RestoreResponse",
    "ServerMetadata",
    "StartRequest",
    "Step",
    "StepUpChallenge",
    "TokenRequest",
    "TokenResponse",
    "UpstileError",
    "VerifyRequest",
    "base64url_decode",
    "base64url_encode",
    "bound_challenge",
    "code_challenge",
    "code_verifier_matches",
    "create_proof",
    "es256_compact",
    "es256_jwk",
    "es256_key",
    "es256_sign",
    "es256_verifier",
    "find_dialect",
    "find_error",
    "find_step_up",
    "has_dot_segments",
    "hides_something",
    "is_code_challenge",
    "is_instance",
    "is_spoken_code",
    "json_compact",
    "json_object",
    "jwk_thumbprint",
    "jws_header",
    "normalized_htu",
    "parse_challenges",
    "parse_form",
    "plain_code",
    "problem_type",
    "read_request",
    "readable_challenges",
    "resource_covers",
    "serialize_challenge",
    "serialize_form",
    "spoken_code",
    "step_up_params",
    "token_hash",
    "verify_proof",
    "well_known_url",
]

_ON_FIRST_USE = {
    "_authenticators": (
        "Authenticator",
        "AuthenticatorList",
        "EnrollRequest",
        "EnrollResponse",
        "RenameRequest",
        "RestoreResponse",
        "VerifyRequest",
    ),
    "_ceremony": (
        "ACCESS_TOKEN_TYPE",
        "AnswerRequest",
        "CodeResponse",
        "ErrorResponse",
        "Offer",
        "StartRequest",
        "Step",
        "TokenRequest",
        "TokenResponse",
        "read_request",
    ),
    "_binding": ("bound_challenge",),
    "proof._dpop": ("DPOP_ALGORITHMS", "PROOF_LEEWAY", "DPoPProof", "verify_proof"),
    "_message": ("Message",),
    "_metadata": ("PROFILE_VERSION", "ResourceMetadata", "ServerMetadata"),
    "challenge._problem": ("PROBLEM_MEDIA_TYPE", "Problem", "is_instance", "problem_type"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for the first time."""
    for module, names in _ON_FIRST_USE.items():
        if name in names:
            found = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
