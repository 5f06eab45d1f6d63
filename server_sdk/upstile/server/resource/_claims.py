"""The claims of a token whose signature is right, to an `AccessToken` (RFC 9068 §2.2).

One typed schema reads what issuers send. What it does not take is read member by member: that reading is the judge,
and says what is wrong.
"""

from functools import lru_cache
from typing import Any, cast

from pydantic_core import SchemaValidator, ValidationError, core_schema, from_json

from upstile.server.resource._access_token import AccessToken
from upstile.server.resource._issuer import Issuer

_END_OF_TIME = 2**53
_TEXT_CLAIMS = ("sub", "client_id", "jti")


class InvalidToken(Exception):
    """The token is not acceptable; the text is for the log and for `error_description`, and holds none of it."""


class UnknownKey(InvalidToken):
    """The token names a key that is not among those of its issuer that are known here.

    Attributes:
        kid: its name.
    """

    def __init__(self, kid: str) -> None:
        super().__init__("no key of the issuer fits kid and alg")
        self.kid = kid


class ExpiredToken(InvalidToken):
    """The token is good but for its age.

    Attributes:
        token: what it says.
    """

    def __init__(self, token: AccessToken) -> None:
        super().__init__("expired")
        self.token = token


class Claims:
    """Reads the claims of one issuer's tokens.

    Args:
        issuer: whose tokens.
        audience: the resource identifiers that are served here; a token must name one of them.
        leeway: seconds of grace before `nbf`.
    """

    def __init__(self, issuer: Issuer, audience: frozenset[str], leeway: int) -> None:
        self._identifier = issuer.identifier
        self._marks_single_use = issuer.marks_single_use
        self._audience = audience
        self._leeway = leeway

    def read(self, payload: bytes, now: float) -> AccessToken:
        """What the claims say at `now` (epoch seconds).

        Raises:
            InvalidToken: a claim is missing or malformed, or they are for others or for later.
        """
        return self._usual(payload) or self._careful(payload, now)

    def _usual(self, payload: bytes) -> AccessToken | None:
        try:
            claims = _usual_claims(payload)
        except ValidationError:
            return None
        get, audience = claims.get, claims["aud"]
        if claims["iss"] != self._identifier or audience not in self._audience:
            return None
        if "nbf" in claims or "authorization_details" in claims:
            return None
        return AccessToken(  # in the order of its fields: keywords would cost what reading two claims costs
            claims["iss"],
            claims["sub"],
            claims["client_id"],
            (audience,),
            _scopes(get("scope") or ""),
            get("acr"),
            get("amr", ()),
            get("auth_time"),
            claims["iat"],
            claims["exp"],
            claims["jti"],
            get("sid"),
            claims["cnf"]["jkt"] if get("cnf") else None,
            self._marks_single_use and get("single_use", False) is not False,
            (),
        )

    def _careful(self, payload: bytes, now: float) -> AccessToken:
        claims = _parsed(payload)
        audience = claims.get("aud")
        audiences = (audience,) if isinstance(audience, str) else _texts("aud", audience)
        if claims.get("iss") != self._identifier:
            raise InvalidToken("another issuer")
        if self._audience.isdisjoint(audiences):
            raise InvalidToken("for another resource")
        if "nbf" in claims and _time(claims, "nbf") > now + self._leeway:
            raise InvalidToken("not good yet")
        return _access_token(claims, audiences, self._marks_single_use)


def _schema() -> core_schema.TypedDictSchema:
    field, text = core_schema.typed_dict_field, core_schema.str_schema(strict=True)
    time = core_schema.int_schema(ge=0, lt=_END_OF_TIME, strict=True)
    texts = core_schema.tuple_schema([text], variadic_item_index=0, strict=True)
    anything = core_schema.any_schema()
    bound = core_schema.typed_dict_schema({"jkt": field(text)}, extra_behavior="forbid", strict=True)
    must = dict.fromkeys(("iss", "aud", *_TEXT_CLAIMS), text) | {"iat": time, "exp": time}
    may = {name: core_schema.nullable_schema(text) for name in ("scope", "acr", "sid")} | {
        "amr": texts,
        "auth_time": core_schema.nullable_schema(time),
        "nbf": anything,
        "cnf": core_schema.nullable_schema(bound),
        "single_use": anything,
        "authorization_details": anything,
    }
    fields = {name: field(kind) for name, kind in must.items()}
    return core_schema.typed_dict_schema(
        fields | {name: field(kind, required=False) for name, kind in may.items()}, extra_behavior="ignore", strict=True
    )


_usual_claims = SchemaValidator(_schema()).validate_json


def _parsed(payload: bytes) -> dict[str, Any]:
    # The issuer wrote this. NOTE: of a name that stands twice the last counts, as RFC 7519 §4 allows; and a NaN in a
    # claim that nobody reads is let be, for to look for it would cost more than to read all the others.
    try:
        claims: Any = from_json(payload, cache_strings="keys")
        if isinstance(claims, dict) and "authorization_details" in claims:  # they are handed on, whatever is in them
            from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidToken("malformed") from error
    if not isinstance(claims, dict):
        raise InvalidToken("the claims are not a JSON object")
    return cast(dict[str, Any], claims)


def _access_token(claims: dict[str, Any], audience: tuple[str, ...], marks_single_use: bool) -> AccessToken:
    get = claims.get
    for name in _TEXT_CLAIMS:
        if not isinstance(get(name), str):
            raise InvalidToken(f"the claim {name} is missing")
    details: Any = get("authorization_details", ())
    if not isinstance(details, list | tuple):
        raise InvalidToken("the claim authorization_details is not a list")
    return AccessToken(
        issuer=claims["iss"],
        subject=claims["sub"],
        client_id=claims["client_id"],
        audience=audience,
        scope=_scopes(_text(claims, "scope") or ""),
        acr=_text(claims, "acr"),
        amr=_texts("amr", get("amr", [])),
        auth_time=None if get("auth_time") is None else _time(claims, "auth_time"),
        issued_at=_time(claims, "iat"),
        expires_at=_time(claims, "exp"),
        jti=claims["jti"],
        sid=_text(claims, "sid"),
        jkt=_confirmation(get("cnf")),
        single_use=marks_single_use and get("single_use", False) is not False,
        authorization_details=tuple(details),  # pyright: ignore[reportUnknownArgumentType]
    )


@lru_cache(maxsize=1024)
def _scopes(text: str) -> frozenset[str]:
    # Many tokens have few different scopes: one set for all of them saves a fifth of what a remembered token weighs.
    return frozenset(text.split())


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidToken(f"the claim {name} is not a text")
    return value


def _texts(name: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise InvalidToken(f"the claim {name} is not a list of texts")
    for value in values:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(value, str):
            raise InvalidToken(f"the claim {name} is not a list of texts")
    return tuple(values)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _time(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 §2): a number, with its fraction if it has one."""
    value = claims.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME:
        return value
    raise InvalidToken(f"the claim {name} is missing or not a time")


def _confirmation(cnf: Any) -> str | None:
    """The key that the token is bound to; a confirmation that we cannot check makes the token unacceptable."""
    if cnf is None:
        return None
    if isinstance(cnf, dict) and set(cnf) == {"jkt"} and isinstance(cnf["jkt"], str):  # pyright: ignore[reportUnknownArgumentType]
        return cnf["jkt"]
    raise InvalidToken("the claim cnf holds another confirmation than jkt")
