"""How an issuer writes its access tokens: what a reader of their claims has to be told (RFC 9068, and what differs)."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from upstile.server._errors import ConfigurationError

Claims = Mapping[str, Any]
"""The claims of a token by name; a JSON array may be a list or a tuple."""

AT_JWT = "at+jwt"
"""The `typ` that no other kind of token has (RFC 9068 §2.1)."""


@dataclass(frozen=True, kw_only=True)
class TokenProfile:
    """What the access tokens of one issuer look like; as it stands, as RFC 9068 has them.

    Args:
        types: the values that `typ` in the header may have, in lower case; `None` stands for a header without it.
        is_access_token: whether claims are those of an access token. An issuer signs its ID tokens with the same keys,
            so without the type `at+jwt` something in the claims has to tell. It is asked of verified claims only.
        reads: the claims that the functions of this profile look at: they are handed no others, and reading fewer is
            quicker. `None` hands them all.
        client_id: the claims that may name the app; the first one that is there counts.
        scope: the claim that holds the scopes.
        scope_is_list: it is a JSON array, and not a text with blanks.
        acr: the claim that holds the authentication context class, or several; or a function that makes the names of
            it out of all claims.
        auth_time: the claim that says when the user authenticated (epoch seconds), or `None` where none does. Never
            name `iat`: a refresh would make an old authentication fresh.
        auth_time_is_text: it may be a text of digits.
        jti: the claim that identifies the token, or `None`: then the SHA-256 of the token does.
        audience: the claim that says whom the token is for; Amazon Cognito has none but `client_id`.
        other_audiences: audiences that are in tokens besides the API's and do not count, because nobody there would use
            a token for the API: the issuer itself. `/userinfo` stands for that path at the issuer.
        cnf_marks: members of `cnf` that may stand beside `jkt`, and the one value that each may have. They ask for no
            proof. Any other member may, so a token that has one is refused.
        hints: what to change at the issuer where a claim is missing, by the claim's name.

    Raises:
        ConfigurationError: nothing tells an access token from an ID token, or an answer makes no sense.

    ```python
    cognito = TokenProfile(
        types={None},
        is_access_token=lambda claims: claims.get("token_use") == "access",
        audience="client_id",
    )
    ```
    """

    types: Collection[str | None] = (AT_JWT,)
    is_access_token: Callable[[Claims], bool] | None = None
    reads: tuple[str, ...] | None = None
    client_id: tuple[str, ...] = ("client_id",)
    scope: str = "scope"
    scope_is_list: bool = False
    acr: str | Callable[[Claims], Iterable[str]] = "acr"
    auth_time: str | None = "auth_time"
    auth_time_is_text: bool = False
    jti: str | None = "jti"
    audience: str = "aud"
    other_audiences: tuple[str, ...] = ()
    cnf_marks: Mapping[str, str] = field(default_factory=dict[str, str])
    hints: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.types or isinstance(self.types, str) or not self.client_id or isinstance(self.client_id, str):
            raise ConfigurationError("types and client_id of a TokenProfile are collections, and not empty")
        if self.is_access_token is None and set(self.types) != {AT_JWT}:
            raise ConfigurationError(
                "a TokenProfile with other types than at+jwt needs is_access_token: an ID token must not pass for one"
            )
        if isinstance(self.other_audiences, str):
            raise ConfigurationError("other_audiences of a TokenProfile is a collection")
        if self.auth_time == "iat":
            raise ConfigurationError("auth_time='iat': a refresh would make an old authentication fresh")

    def shown(self, claims: dict[str, Any]) -> Claims:
        """What the functions of this profile are handed of all claims."""
        return claims if self.reads is None else {name: claims[name] for name in self.reads if name in claims}

    def audiences_that_do_not_count(self, issuer: str) -> frozenset[str]:
        """`other_audiences`, at this issuer."""
        base = issuer.rstrip("/")
        return frozenset(base + name if name.startswith("/") else name for name in self.other_audiences)

    def allows(self, typ: object) -> bool:
        """Whether a header may have this `typ`; `application/` may be left out (RFC 7515 §4.1.9)."""
        if typ is None:
            return None in self.types
        return isinstance(typ, str) and typ.lower().removeprefix("application/") in self.types


RFC9068 = TokenProfile()
"""Access tokens as the standard has them; those of the embedded server are."""
