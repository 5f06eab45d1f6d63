"""The claims of a token whose signature is right, to an `AccessToken` (RFC 9068 §2.2).

One typed schema reads what an issuer sends. What it does not take is read member by member: that reading is the judge,
and says what is wrong.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic_core import SchemaValidator, ValidationError, core_schema, from_json

from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._profile import RFC9068, TokenProfile
from upstile.server.resource.tokens._verifier import InvalidToken

_END_OF_TIME = 2**53
_DIGITS = re.compile(r"[0-9]{1,15}")


Read = Callable[[bytes, float, bytes], AccessToken | None]
"""Reads claims at a time (epoch seconds); the last is the SHA-256 of the token. `None` leaves it to a closer look."""


class ClaimsReader:
    """Reads the claims of one issuer's tokens.

    Args:
        issuer: whose tokens.
        audience: the resource identifiers that are served here; a token must name one of them.
        leeway: seconds of grace before `nbf`.
        profile: how the issuer writes its tokens.
        named: gives the user the name that they have here.
    """

    def __init__(
        self,
        issuer: Issuer,
        audience: frozenset[str],
        leeway: int = 0,
        profile: TokenProfile = RFC9068,
        named: Callable[[AccessToken], AccessToken] | None = None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._profile = profile
        self._named = named
        self._usual = _usual_reader(issuer, audience, leeway, profile)

    def read(self, payload: bytes, now: float, digest: bytes) -> AccessToken:
        """What the claims say at `now` (epoch seconds); `digest` is the SHA-256 of the token.

        Raises:
            InvalidToken: a claim is missing or malformed, or they are for others or for later.
        """
        usual = self._usual(payload, now, digest)
        if usual is None:
            return self.read_members(_parsed(payload), now, digest)
        return usual if self._named is None else self._named(usual)

    def read_members(self, claims: dict[str, Any], now: float, digest: bytes) -> AccessToken:
        """The same, member by member."""
        audience = _missing_is_told(claims, self._profile.audience, self._profile)
        audiences = (audience,) if isinstance(audience, str) else _texts(self._profile.audience, audience)
        if claims.get("iss") != self._issuer.identifier:
            raise InvalidToken("another issuer")
        if self._audience.isdisjoint(audiences):
            raise InvalidToken("for another resource")
        if not _is_access_token(claims, self._profile):
            raise InvalidToken("not an access token")
        if "nbf" in claims and _time(claims, "nbf") > now + self._leeway:
            raise InvalidToken("not good yet")
        read = self._access_token(claims, audiences, digest)
        return read if self._named is None else self._named(read)

    def _access_token(self, claims: dict[str, Any], audience: tuple[str, ...], digest: bytes) -> AccessToken:
        get, profile, issuer = claims.get, self._profile, self._issuer
        details: Any = get("authorization_details", ())
        if not isinstance(details, list | tuple):
            raise InvalidToken("the claim authorization_details is not a list")
        client = next((name for name in profile.client_id if get(name) is not None), profile.client_id[0])
        return AccessToken(
            issuer=claims["iss"],
            subject=_needed(claims, "sub", profile),
            client_id=_needed(claims, client, profile),
            audience=audience,
            scope=_scope(claims, profile),
            acr=issuer.satisfied_by(_acr(claims, profile)),
            amr=_texts("amr", get("amr", [])),
            auth_time=_auth_time(claims, profile),
            issued_at=_time(claims, "iat"),
            expires_at=_time(claims, "exp"),
            jti=digest.hex() if profile.jti is None else _needed(claims, profile.jti, profile),
            sid=_text(claims, "sid"),
            jkt=_confirmation(get("cnf"), profile.cnf_marks),
            single_use=issuer.marks_single_use and get("single_use", False) is not False,
            authorization_details=tuple(details),  # pyright: ignore[reportUnknownArgumentType]
            settled_at=_time(claims, "settled_at") if issuer.tells_resets and "settled_at" in claims else None,
        )


def _usual_reader(issuer: Issuer, audience: frozenset[str], leeway: int, profile: TokenProfile) -> Read:
    """One closure for a profile: whatever it does not take, or would refuse, it leaves to the careful reading."""
    validated = SchemaValidator(_schema(profile)).validate_json
    identifier, marks, satisfied_by = issuer.identifier, issuer.marks_single_use, issuer.satisfied_by
    tells_resets = issuer.tells_resets
    tells, acr, jti, auth_time = profile.is_access_token, profile.acr, profile.jti, profile.auth_time
    aud, client_id, scope, is_list = profile.audience, profile.client_id[0], profile.scope, profile.scope_is_list

    def usual(payload: bytes, now: float, digest: bytes) -> AccessToken | None:
        try:
            claims = validated(payload)
            if tells is not None and not tells(claims):
                return None
            get = claims.get
            names = get(acr) if isinstance(acr, str) else tuple(acr(claims))
        except _UNREADABLE:
            return None
        audiences = (named,) if isinstance(named := claims[aud], str) else named
        if claims["iss"] != identifier or "authorization_details" in claims or get("nbf", 0) > now + leeway:
            return None
        if audience.isdisjoint(audiences):
            return None
        return AccessToken(  # in the order of its fields: keywords would cost what reading two claims costs
            identifier,
            claims["sub"],
            claims[client_id],
            audiences,
            frozenset(get(scope, ())) if is_list else _scopes(get(scope) or ""),
            satisfied_by(names),
            get("amr", ()),
            get(auth_time) if auth_time else None,  # where a profile knows none, a claim of the usual name says nothing
            claims["iat"],
            claims["exp"],
            digest.hex() if jti is None else claims[jti],
            get("sid"),
            claims["cnf"]["jkt"] if get("cnf") else None,
            marks and get("single_use", False) is not False,
            (),
            get("settled_at") if tells_resets else None,
        )

    return usual


def _schema(profile: TokenProfile) -> core_schema.TypedDictSchema:
    field, text = core_schema.typed_dict_field, core_schema.str_schema(strict=True)
    time = core_schema.int_schema(ge=0, lt=_END_OF_TIME, strict=True)
    texts = core_schema.tuple_schema([text], variadic_item_index=0, strict=True)
    anything = core_schema.any_schema()
    marks = {
        name: field(core_schema.literal_schema([value]), required=False) for name, value in profile.cnf_marks.items()
    }
    bound = core_schema.typed_dict_schema({"jkt": field(text), **marks}, extra_behavior="forbid", strict=True)
    needed = ["iss", "sub", profile.client_id[0], *([] if profile.jti is None else [profile.jti])]
    either = core_schema.union_schema([text, texts], mode="left_to_right")
    must = {profile.audience: either} | dict.fromkeys(needed, text) | {"iat": time, "exp": time}
    may = {
        "sid": core_schema.nullable_schema(text),
        profile.scope: texts if profile.scope_is_list else core_schema.nullable_schema(text),
        "amr": texts,
        "nbf": time,
        "cnf": core_schema.nullable_schema(bound),
        "single_use": anything,
        "settled_at": time,
        "authorization_details": anything,
    }
    if profile.auth_time is not None:
        may[profile.auth_time] = core_schema.nullable_schema(time)
    if isinstance(profile.acr, str):
        may[profile.acr] = core_schema.nullable_schema(either)
    asks = profile.is_access_token is not None or not isinstance(profile.acr, str)
    may |= {name: anything for name in (profile.reads or ()) if asks and name not in may}
    fields = {name: field(kind, required=False) for name, kind in may.items()}
    fields |= {name: field(kind) for name, kind in must.items()}
    return core_schema.typed_dict_schema(
        fields, extra_behavior="allow" if asks and profile.reads is None else "ignore", strict=True
    )


_UNREADABLE = (ValidationError, LookupError, TypeError, ValueError, AttributeError)
"""What a profile's functions may come upon in claims that are not what they expect."""


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


def _is_access_token(claims: dict[str, Any], profile: TokenProfile) -> bool:
    if profile.is_access_token is None:
        return True
    try:
        return profile.is_access_token(profile.shown(claims))
    except _UNREADABLE:
        return False


def _acr(claims: dict[str, Any], profile: TokenProfile) -> tuple[str, ...]:
    if isinstance(profile.acr, str):
        value = claims.get(profile.acr)
        if value is None or isinstance(value, str):
            return () if value is None else (value,)
        return _texts(profile.acr, value)
    try:
        return _texts("acr", list(profile.acr(profile.shown(claims))))
    except _UNREADABLE as error:
        raise InvalidToken("what says how the user authenticated is malformed") from error


def _auth_time(claims: dict[str, Any], profile: TokenProfile) -> float | None:
    name = profile.auth_time
    value = None if name is None else claims.get(name)
    if name is None or value is None:
        return None
    if profile.auth_time_is_text and isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return _time(claims, name)


def _scope(claims: dict[str, Any], profile: TokenProfile) -> frozenset[str]:
    if profile.scope_is_list:
        return frozenset(_texts(profile.scope, claims.get(profile.scope, [])))
    return _scopes(_text(claims, profile.scope) or "")


def _needed(claims: dict[str, Any], name: str, profile: TokenProfile) -> str:
    value = _missing_is_told(claims, name, profile)
    if not isinstance(value, str):
        raise InvalidToken(f"the claim {name} is not a text")
    return value


def _missing_is_told(claims: dict[str, Any], name: str, profile: TokenProfile) -> Any:
    value = claims.get(name)
    if value is None:
        hint = (profile.hints or {}).get(name)
        raise InvalidToken(f"the claim {name} is missing" + (f": {hint}" if hint else ""))
    return value


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
    if not isinstance(values, list | tuple):
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


def _confirmation(cnf: Any, marks: Mapping[str, str]) -> str | None:
    """The key that the token is bound to; a confirmation that we cannot check makes the token unacceptable."""
    if cnf is None:
        return None
    if isinstance(cnf, dict):
        rest: dict[str, Any] = {**cnf}
        jkt = rest.pop("jkt", None)
        if isinstance(jkt, str) and all((name, value) in marks.items() for name, value in rest.items()):
            return jkt
    raise InvalidToken("the claim cnf holds another confirmation than jkt")
