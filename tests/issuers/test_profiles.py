"""Each profile reads its issuer's access tokens, recorded or as documented, and refuses its ID tokens."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest

from support.issuer_server import jwk_of, key_of
from upstile.server import AccessToken, ConfigurationError
from upstile.server.issuers import TokenProfile, auth0, entra, keycloak, okta, rfc9068
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._claims import ClaimsReader
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.resource.tokens._verifier import InvalidToken

VECTORS = Path(__file__).parents[1] / "vectors/issuers"
DOCUMENTED: dict[str, Any] = json.loads((VECTORS / "documented.json").read_text())
LIVE = {name: json.loads((VECTORS / f"{name}.json").read_text()) for name in ("keycloak", "oidc_provider")}
TENANT = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
COGNITO = TokenProfile(
    types={None}, is_access_token=lambda claims: claims.get("token_use") == "access", audience="client_id"
)
"""The example in the docstring of `TokenProfile`."""
KEYS = VerificationKeys([jwk_of("k", "RS256")])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One issuer.

    Attributes:
        profile: reads its tokens.
        documented: its documented access token; `None` where one was recorded.
        says: what is read.
        id_token: what its ID token has, beside issuer, subject and times.
        typ: of the header of the ID token.
    """

    profile: TokenProfile
    documented: str
    says: dict[str, Any]
    id_token: dict[str, Any]
    typ: str | None = None
    more: dict[str, Any] = field(default_factory=dict[str, Any])


ROWS = {
    "okta": Row(
        profile=okta(),
        documented="okta_custom_as",
        says={
            "client_id": "0oa48e74ox4t7mQJX0g7",
            "scope": {"openid"},
            "acr": {"urn:okta:loa:1fa:any"},
            "auth_time": 1661289603,
            "jti": "AT.NovJtQ_NrJ6cgy3h1-638ArovwYXWslu0teQ2M3Ux9c",
        },
        id_token={"aud": "0oa48e74ox4t7mQJX0g7", "ver": 1, "jti": "ID.x", "amr": ["pwd"], "idp": "00o", "nonce": "n"},
    ),
    "auth0": Row(
        profile=auth0(namespace="https://api.example.com"),
        documented="auth0_default",
        says={"client_id": "my_client_id", "acr": set(), "auth_time": None},
        id_token={"aud": "my_client_id", "nonce": "n", "sid": "s", "acr": "mfa"},
        typ="JWT",
    ),
    "auth0, RFC 9068": Row(
        profile=auth0(namespace="https://api.example.com/"),
        documented="auth0_rfc9068",
        says={"client_id": "my_client_id", "acr": {"mfa"}, "auth_time": 1311280960},
        id_token={"aud": ["https://example.com/health-api", "my_client_id"], "azp": "my_client_id"},
        typ="JWT",
    ),
    "entra v2": Row(
        profile=entra(tenant=TENANT),
        documented="entra_v2",
        says={
            "client_id": "55556666-ffff-7777-aaaa-8888bbbb9999",
            "scope": {"payments.write"},
            "acr": {"c1", "p1"},
            "auth_time": 1699999990,
            "jti": "opaque",
        },
        id_token={"aud": "00001111-aaaa-2222-bbbb-3333cccc4444", "tid": TENANT, "oid": "o", "uti": "u", "azp": "a"},
        typ="JWT",
    ),
    "entra v1": Row(
        profile=entra(tenant=TENANT),
        documented="entra_v1",
        says={"client_id": "55556666-ffff-7777-aaaa-8888bbbb9999", "acr": set(), "auth_time": None},
        id_token={"aud": "api://MyApi.com", "tid": TENANT, "oid": "o", "uti": "u", "appid": "a", "roles": ["admin"]},
        typ="JWT",
    ),
    "cognito": Row(
        profile=COGNITO,
        documented="cognito",
        says={"client_id": "xxxxxxxxxxxxexample", "acr": {"urn:cognito:loa:3"}, "auth_time": 1676312777, "jti": "j"},
        id_token={"aud": "xxxxxxxxxxxxexample", "client_id": "xxxxxxxxxxxxexample", "token_use": "id", "jti": "i"},
    ),
}


def signed(claims: dict[str, Any], typ: str | None) -> str:
    return jwt.encode(claims, key_of("k", "RS256"), "RS256", headers={"typ": typ, "kid": "k"})


def read(profile: TokenProfile, claims: dict[str, Any], typ: str | None, audience: str) -> AccessToken:
    issuer = Issuer(identifier=claims["iss"])
    tokens = SignedTokens(issuer=issuer, audience=frozenset({audience}), keys=lambda: KEYS, profile=profile)
    return tokens.verify(signed(claims, typ), claims["iat"])


def audience_in(claims: dict[str, Any], profile: TokenProfile) -> str:
    named = claims[profile.audience]
    return named if isinstance(named, str) else named[0]


@pytest.mark.parametrize("name", ROWS)
def test_a_documented_access_token_is_read_and_the_issuers_id_token_is_refused(name: str) -> None:
    row = ROWS[name]
    found = DOCUMENTED[row.documented]
    claims, typ, audience = found["claims"], found["header"].get("typ"), audience_in(found["claims"], row.profile)
    token = read(row.profile, claims, typ, audience)
    assert {attribute: getattr(token, attribute) for attribute in row.says} == row.says
    assert (token.subject, token.expires_at) == (claims["sub"], claims["exp"])
    common = {member: claims[member] for member in ("iss", "sub", "iat", "exp")}
    of_login = {**common, "auth_time": claims["iat"], **row.id_token}
    for taken_for in {audience, audience_in(of_login, row.profile)}:  # the worst: the app is taken for an audience
        with pytest.raises(InvalidToken, match=r"not an access token|for another resource|is missing"):
            read(row.profile, of_login, row.typ, taken_for)
    with pytest.raises(InvalidToken, match=r"not an access token|the claim|typ"):
        read(row.profile, of_login, row.typ, audience_in(of_login, row.profile))


@pytest.mark.parametrize("name", ["mfa", "mfa_dpop"])
@pytest.mark.parametrize(("vendor", "profile"), [("keycloak", keycloak()), ("oidc_provider", rfc9068())])
def test_a_recorded_access_token_is_read_and_the_issuers_id_token_is_refused(
    vendor: str, profile: TokenProfile, name: str
) -> None:
    recorded = LIVE[vendor]
    answer, now = recorded["tokens"][name]["token_response"], recorded["tokens"][name]["recorded_at"]
    keys = VerificationKeys(recorded["jwks"]["keys"])
    app = jwt.decode(answer["id_token"], options={"verify_signature": False})["aud"]
    apis = {"https://api.example.test", "https://api.example.test/", app}
    tokens = SignedTokens(
        issuer=Issuer(identifier=recorded["issuer"]), audience=frozenset(apis), keys=lambda: keys, profile=profile
    )
    token = tokens.verify(answer["access_token"], now)
    assert (token.client_id, *token.acr, token.jkt is None) == (app, "mfa", name == "mfa")
    assert token.auth_time is not None
    assert abs(token.auth_time - now) < 5
    with pytest.raises(InvalidToken):
        tokens.verify(answer["id_token"], now)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"tid": "11112222-0000-cccc-1111-dddd2222eeee"}, "not an access token"),
        ({"tid": None}, "not an access token"),
        ({"idtyp": "app"}, "not an access token"),
        ({"scp": ""}, "not an access token"),
        ({"scp": None, "roles": ["admin"]}, "not an access token"),
        ({"acrs": [1]}, "the claim acrs is not a list of texts"),
        ({"auth_time": "1699999990"}, "the claim auth_time is missing or not a time"),
    ],
)
def test_a_token_of_another_tenant_or_of_no_user_is_refused(changed: dict[str, Any], says: str) -> None:
    claims = {**DOCUMENTED["entra_v2"]["claims"], **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    with pytest.raises(InvalidToken, match=says):
        read(entra(tenant=TENANT), claims, "JWT", claims["aud"])


@pytest.mark.parametrize("tenant", ["common", "organizations", TENANT.upper(), "", "contoso.onmicrosoft.com"])
def test_a_tenant_is_one_by_its_identifier(tenant: str) -> None:
    with pytest.raises(ConfigurationError, match="must be the GUID of one tenant"):
        entra(tenant=tenant)


PLAIN: dict[str, Any] = {
    "iss": "https://id.example",
    "aud": "https://api.example",
    "sub": "ada",
    "client_id": "cli",
    "iat": 1_800_000_000,
    "exp": 1_800_000_300,
    "jti": "j",
    "acr": "mfa",
    "auth_time": 1_800_000_000,
}


@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt", "application/at+jwt", "AT+JWT", "id_token", "dpop+jwt"])
def test_the_header_says_what_kind_of_token_it_is(typ: str | None) -> None:
    if typ is not None and typ.lower().endswith("at+jwt"):
        assert read(rfc9068(), PLAIN, typ, PLAIN["aud"]).subject == "ada"
    else:
        with pytest.raises(InvalidToken, match="typ is not that of an access token"):
            read(rfc9068(), PLAIN, typ, PLAIN["aud"])


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"acr": 2}, "acr"),
        ({"acr": ["mfa", 2]}, "acr"),
        ({"acr": {"value": "mfa"}}, "acr"),
        ({"auth_time": "1800000000"}, "auth_time"),
        ({"auth_time": True}, "auth_time"),
        ({"aud": []}, "for another resource"),
        ({"aud": None}, "aud"),
        ({"aud": "https://api.example/"}, "for another resource"),
        ({"aud": ["https://other.example"]}, "for another resource"),
        ({"iss": "https://id.example/"}, "another issuer"),
    ],
)
def test_a_claim_of_the_wrong_kind_is_named(claims: dict[str, Any], says: str) -> None:
    tokens = SignedTokens(issuer=Issuer(identifier=PLAIN["iss"]), audience=frozenset({PLAIN["aud"]}), keys=lambda: KEYS)
    with pytest.raises(InvalidToken, match=says):
        tokens.verify(signed({**PLAIN, **claims}, "at+jwt"), PLAIN["iat"])


def test_a_text_of_digits_is_a_time_only_where_the_profile_says_so() -> None:
    lenient = TokenProfile(auth_time_is_text=True)
    assert read(lenient, {**PLAIN, "auth_time": "1800000000"}, "at+jwt", PLAIN["aud"]).auth_time == 1_800_000_000
    with pytest.raises(InvalidToken, match="auth_time"):
        read(lenient, {**PLAIN, "auth_time": "18e8"}, "at+jwt", PLAIN["aud"])


def test_names_are_made_of_what_an_issuer_says_by_opt_in_alone() -> None:
    def strong(claims: Any) -> list[str]:
        return ["mfa"] if "mfa" in claims["amr"] else []

    profile = TokenProfile(acr=strong)
    made = {**PLAIN, "acr": "anything", "amr": ["pwd", "mfa"]}
    assert read(profile, made, "at+jwt", PLAIN["aud"]).acr == {"mfa"}
    assert read(profile, {**made, "amr": ["pwd"]}, "at+jwt", PLAIN["aud"]).acr == set()
    with pytest.raises(InvalidToken, match="what says how the user authenticated is malformed"):
        read(profile, PLAIN, "at+jwt", PLAIN["aud"])
    assert read(rfc9068(), made, "at+jwt", PLAIN["aud"]).acr == {"anything"}


def test_a_token_without_an_identifier_has_its_own_digest() -> None:
    profile, claims = TokenProfile(jti=None), {name: value for name, value in PLAIN.items() if name != "jti"}
    first, again = (read(profile, claims, "at+jwt", PLAIN["aud"]).jti for _ in range(2))
    assert first == again
    assert len(first) == 64
    assert read(profile, {**claims, "sub": "eve"}, "at+jwt", PLAIN["aud"]).jti != first
    with pytest.raises(InvalidToken, match="the claim jti is missing"):
        read(rfc9068(), claims, "at+jwt", PLAIN["aud"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"types": {"jwt"}},
        {"types": {None}},
        {"types": {"jwt", "at+jwt"}},
        {"types": "jwt"},
        {"types": ()},
        {"client_id": "azp"},
        {"client_id": ()},
        {"auth_time": "iat"},
    ],
    ids=str,
)
def test_a_profile_that_could_take_an_id_token_or_a_refresh_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        TokenProfile(**wrong)


@pytest.mark.parametrize("name", ROWS)
def test_both_ways_to_read_a_token_say_the_same(name: str) -> None:
    row = ROWS[name]
    claims: dict[str, Any] = DOCUMENTED[row.documented]["claims"]
    audience = frozenset({audience_in(claims, row.profile)})
    reader = ClaimsReader(Issuer(identifier=claims["iss"]), audience, profile=row.profile)
    usual = reader._usual(json.dumps(claims).encode(), claims["iat"], b"digest")
    careful = reader.read_members(claims, claims["iat"], b"digest")
    if row.profile.client_id[0] in claims:
        assert usual == careful
    else:  # of several names of the app the usual way knows the first
        assert usual is None
        assert careful.client_id
