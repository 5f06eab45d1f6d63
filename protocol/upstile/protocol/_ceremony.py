"""The messages of a ceremony: start, step, answer, code, token (FiPA draft -04, upstile profile §3).

Secrets are `repr=False`: a model in a traceback or a log line shows none.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from upstile.protocol._errors import MalformedMessage
from upstile.protocol._message import Message, NumericDate, WholeNumber, WrittenCode
from upstile.protocol._pkce import is_code_challenge
from upstile.protocol.challenge._header import B64TOKEN
from upstile.protocol.challenge._problem import is_instance

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name (RFC 8693 §3)
"""What a subject token is called (RFC 8693 §3)."""

Secret = Annotated[str, Field(repr=False)]
OptionalSecret = Annotated[str | None, Field(repr=False)]

# What a request may bring: each member has its own length in characters, far above what an honest app sends.
Name = Annotated[str, Field(max_length=255)]
"""A client, a method, an authenticator: a name that somebody chose."""
Names = Annotated[str, Field(max_length=2048)]
"""Several of them, with blanks between."""
Token = Annotated[str, Field(max_length=32_768)]
"""An access token; some issuers put whole lists of groups into theirs."""
Handle = Annotated[str, Field(max_length=512)]
"""A random value of the server's: an authorization code, an auth session."""


class StartRequest(Message):
    """The form that opens a ceremony; lists are space-separated, as everywhere in OAuth.

    `authorization_details` is JSON text (RFC 9396 §2). `instance` is that of the challenge's problem document: for the
    log alone, so one of another form is ignored.
    """

    response_type: Literal["code"]
    client_id: Name
    code_challenge: Name
    code_challenge_method: Literal["S256"]
    resource: str = Field(max_length=2048)
    subject_token: Token = Field(repr=False)
    subject_token_type: Literal["urn:ietf:params:oauth:token-type:access_token"]
    acr_values: Names | None = None
    max_age: str | None = Field(default=None, pattern=r"^[0-9]{1,10}$")
    scope: Names | None = None
    authorization_details: str | None = Field(default=None, max_length=8192)
    authn_methods_supported: Names | None = None
    instance: str | None = None

    @field_validator("instance")
    @classmethod
    def _correlation(cls, value: str | None) -> str | None:
        return value.lower() if value is not None and is_instance(value) else None

    @field_validator("code_challenge")
    @classmethod
    def _s256(cls, value: str) -> str:
        if not is_code_challenge(value):
            raise ValueError("not an S256 code challenge")
        return value


class AnswerRequest(Message):
    """The form that answers a step, with the member that belongs to its method."""

    client_id: Name
    auth_session: Handle = Field(repr=False)
    authn_method: Name
    authn_id: Name | None = None
    authn_response: OptionalSecret = Field(default=None, max_length=16_384)
    otp: WrittenCode | None = Field(default=None, repr=False)
    password: OptionalSecret = Field(default=None, max_length=1000)


class TokenRequest(Message):
    """The form that redeems an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

    grant_type: Literal["authorization_code"]
    code: Handle = Field(repr=False)
    code_verifier: Secret = Field(max_length=128)
    client_id: Name
    redirect_uri: str | None = Field(default=None, max_length=2048)


class Offer(Message):
    """One method that a step offers; a client ignores methods that it does not know.

    Attributes:
        method: `webauthn`, `totp`, `otp`, `recovery_code`, `password`.
        nonce: webauthn: the server's part of the bound challenge.
        options: webauthn: `PublicKeyCredentialRequestOptionsJSON`.
        id, channel, hint: otp: which stored destination, what it is, and its masked form.
    """

    method: str
    nonce: str | None = None
    options: dict[str, Any] | None = None
    id: str | None = None
    channel: str | None = None
    hint: str | None = None


def _known_result(value: object) -> object:
    return value if value in ("sent", "not_sent", "rejected", "accepted") else None


Result = Annotated[Literal["sent", "not_sent", "rejected", "accepted"] | None, BeforeValidator(_known_result)]
"""What became of an answer; one that this side does not know says nothing, as if it were absent."""


class Step(Message):
    """The server asks for a proof: the reply to a start, and to an answer that was not the end.

    Attributes:
        expires_in: seconds for which `auth_session` is good.
        attempts_left: wrong answers that are still allowed; never 0.
        account: the masked name of the account, for the prompt.
        result: after an answer: `sent`, `not_sent` (the code could not be sent; nothing is charged), `rejected` or
            `accepted`.
        resend_after: after `sent`: seconds until another code may be sent.
        recovery_codes_left: after a recovery code was accepted: how many are left.
    """

    error: Literal["insufficient_authorization"] = "insufficient_authorization"
    auth_session: Secret
    expires_in: WholeNumber = Field(gt=0)
    attempts_left: WholeNumber = Field(gt=0)
    account: str | None = None
    authn_methods: tuple[Offer, ...]
    result: Result = None
    resend_after: WholeNumber | None = None
    recovery_codes_left: WholeNumber | None = None


class CodeResponse(Message):
    """The ceremony succeeded (FiPA §5.2.1).

    Attributes:
        recovery_codes_left: how many are left, where a recovery code was the last answer.
    """

    authorization_code: Secret
    recovery_codes_left: WholeNumber | None = None


class TokenResponse(Message):
    """The token that came out of a ceremony or of a base login (RFC 6749 §5.1, RFC 9470 §5).

    Attributes:
        token_type: `DPoP` or `Bearer`; the scheme in which the token is to be used.
        expires_in: seconds.
        scope: space-separated.
        acr, auth_time: what was reached and when (epoch seconds), so that nobody needs to look into the token.
        refresh_token, id_token: what servers of others send along (OpenID Connect Core §3.1.3.3); ours sends neither.
    """

    access_token: Secret = Field(pattern=B64TOKEN)
    token_type: str
    expires_in: WholeNumber | None = None
    scope: str | None = None
    authorization_details: tuple[dict[str, Any], ...] | None = None
    acr: str | None = None
    auth_time: NumericDate | None = None
    refresh_token: OptionalSecret = None
    id_token: OptionalSecret = None

    # NOTE: without a type of what it returns, or the schema in an API's documents would have no members.
    @model_serializer(mode="wrap")
    def _said(self, written: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        """No member stands there as null (RFC 6749 §5.1), whoever writes it: an API's own sign-in, too."""
        return {name: value for name, value in written(self).items() if value is not None}

    @model_validator(mode="after")
    def _known_type(self) -> "TokenResponse":
        if self.token_type.lower() not in ("dpop", "bearer"):
            raise ValueError("token_type is neither DPoP nor Bearer")
        return self


class ErrorResponse(Message):
    """An OAuth error (RFC 6749 §5.2) with the members that the profile adds.

    Attributes:
        error: the code.
        error_description, hint: for developers: what was wrong, and what to change.
        title, detail: for the person: what happened, and what to do now.
        enrollable_methods, enrollment_uri: with `unmet_authentication_requirements`: the way to enrol.
    """

    error: str
    error_description: str | None = None
    title: str | None = None
    detail: str | None = None
    hint: str | None = None
    enrollable_methods: tuple[str, ...] | None = None
    enrollment_uri: str | None = None


def read_request(form: dict[str, str]) -> StartRequest | AnswerRequest:
    """Tell a start from an answer: `response_type` makes the one, `authn_method` the other.

    Raises:
        MalformedMessage: both, neither, or a required parameter is missing or malformed.
    """
    if ("response_type" in form) == ("authn_method" in form):
        raise MalformedMessage("either response_type (a start) or authn_method (an answer) is required")
    return (StartRequest if "response_type" in form else AnswerRequest).from_members(form)
