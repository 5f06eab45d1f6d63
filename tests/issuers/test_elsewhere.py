"""People sign in at an identity provider, and the embedded server steps them up (upstile profile §3 "Start")."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from support.elsewhere import BY_PASSWORD, Elsewhere, elsewhere
from support.issuer_server import IssuerServer, jwk_of
from support.tokens import claims_of
from support.wire_driver import URL, WireApp, error_of, problem_of
from upstile.server.issuers import ExternalLogins, JWTVerifier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(issuer: IssuerServer, tmp_path: Path) -> AsyncGenerator[Elsewhere]:
    """One issuer, whose passwords count."""
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer) as here:
        yield here


async def refusal(app: WireApp, **changed: Any) -> tuple[int, str]:
    reply = (await app.start(**changed)).reply
    return reply.status_code, reply.json()["error"]


REFUSED = (400, "invalid_grant")


async def test_who_signs_in_there_is_stepped_up_here(here: Elsewhere) -> None:
    app = await here.enrolled(scope="payments openid")
    challenged = await app.call("GET", "/recent")
    assert error_of(challenged) == "insufficient_user_authentication"
    assert 'acr_values="mfa", max_age=300' in challenged.headers["www-authenticate"]
    elevated = await app.elevate()
    reply = await app.call("GET", "/recent", token=elevated)
    assert reply.json() == {"sub": "ada", "app": "cli", "iss": URL, "acr": ["mfa"]}
    claims = claims_of(elevated)
    assert (claims["amr"], claims["scope"], claims["aud"]) == (["otp", "pwd", "mfa"], "payments", URL)
    assert (await app.call("GET", "/any")).json()["iss"] == here.issuer.url


async def test_what_the_issuer_says_of_strength_counts_for_nothing_here(here: Elsewhere) -> None:
    app = await here.enrolled(acr="mfa phr", scope="authenticators")
    app.token = here.token(app, acr="phr", scope="authenticators", aud=URL, single_use=True)
    added = await app.call("POST", "/stepup/authenticators", json={"method": "totp", "name": "thief's"})
    assert (error_of(added), "authenticators" in added.headers["www-authenticate"]) == (
        "insufficient_user_authentication",
        True,
    )
    assert (await app.start(acr_values="phr")).reply.json()["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize(
    ("logins", "amr", "error"),
    [
        (ExternalLogins(), ["pwd"], "unmet_authentication_requirements"),
        (ExternalLogins(trusted_amr={"pwd"}), ["hwk", "mfa"], "unmet_authentication_requirements"),
        (ExternalLogins(trusted_amr={"pwd"}), None, "unmet_authentication_requirements"),
        (ExternalLogins(trusted_amr={"pwd"}), ["pwd"], "insufficient_authorization"),
    ],
)
async def test_amr_counts_only_where_it_is_trusted(
    issuer: IssuerServer, tmp_path: Path, logins: ExternalLogins, amr: Any, error: str
) -> None:
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, logins) as here:
        app = await here.enrolled(amr=amr)
        assert (await app.start()).reply.json()["error"] == error


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"aud": "https://other.example"}, "for another resource"),
        ({"client_id": "other"}, "no app that is registered"),
        ({"client_id": "web"}, "another client's"),
        ({"exp": 1_799_999_999}, "expired"),
        ({"iss": "https://nobody.example"}, "of an issuer that is not accepted"),
        ({"auth_time": None}, "does not say when its user signed in"),
        ({"auth_time": 1_800_000_091}, "does not say when its user signed in"),
        ({"auth_time": "1800000000"}, "auth_time"),
        ({"auth_time": 1_800_000_000 - 12 * 3600}, "too long ago"),
        ({"sub": "a\x00b"}, "cannot be stored"),
        ({"cnf": {"jkt": "another"}}, "bound to another key"),
        ({"cnf": None, "aud": [URL, "https://other.example"]}, "for one resource only"),
    ],
    ids=str,
)
async def test_a_token_that_is_no_sign_in_here_starts_nothing(
    here: Elsewhere, claims: dict[str, Any], says: str
) -> None:
    app = await here.enrolled()
    app.token = here.token(app, **claims)
    reply = (await app.start()).reply
    assert (reply.status_code, reply.json()["error"]) == REFUSED
    assert says in reply.json()["error_description"]


async def test_an_id_token_or_one_signed_by_another_key_starts_nothing(here: Elsewhere) -> None:
    app = await here.enrolled()
    now = int(here.clock())
    members: dict[str, Any] = {
        "aud": URL,
        "sub": "ada",
        "auth_time": now,
        "iat": now,
        "exp": now + 60,
        "sid": "s",
        "nonce": "n",
    }
    app.token = here.issuer.token(header={"typ": "JWT"}, **members)
    assert await refusal(app) == REFUSED
    with IssuerServer(keys=[jwk_of("other", "ES256")]) as other:
        app.token = other.token("other", iss=here.issuer.url, **members)
    assert await refusal(app) == REFUSED
    ours = here.issuer.token(iss=URL, **members)
    app.token = ours
    assert await refusal(app) == REFUSED


async def test_the_token_of_another_realm_starts_nothing_though_the_api_takes_it(
    issuer: IssuerServer, tmp_path: Path
) -> None:
    with IssuerServer(keys=[jwk_of("k", "EdDSA")]) as other:
        both = [
            JWTVerifier(issuer=issuer.url, audience=URL, logins=BY_PASSWORD),
            JWTVerifier(issuer=other.url, audience=URL),
        ]
        async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, verifier=lambda: both) as here:
            app = await here.enrolled()
            app.token = other.token("k", "EdDSA", aud=URL, sid="s", cnf=claims_of(app.token)["cnf"])
            assert (await app.call("GET", "/any")).status_code == 200
            assert await refusal(app) == REFUSED
            listed = await app.call("GET", "/stepup/authenticators")
            assert (listed.status_code, error_of(listed)) == (401, "invalid_token")


async def test_a_client_of_the_issuer_that_is_mapped_is_the_app_here(issuer: IssuerServer, tmp_path: Path) -> None:
    logins = ExternalLogins(trusted_amr={"pwd"}, clients={"cli-at-keycloak": "cli"})
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, logins) as here:
        app = await here.enrolled(client_id="cli-at-keycloak")
        assert claims_of(await app.elevate())["client_id"] == "cli"
        app.token = here.token(app, client_id="another-of-the-company")
        assert await refusal(app) == REFUSED
        listed = await app.call("GET", "/stepup/authenticators")
        assert error_of(listed) == "invalid_token"


async def test_an_issuer_that_is_away_costs_nothing(issuer: IssuerServer, tmp_path: Path) -> None:
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer) as here:
        app = await here.enrolled()
        good, issuer.mood = app.token, "500"
        app.token = issuer.token("new", "EdDSA", **claims_of(good))
        for _ in range(12):  # more than may be started
            reply = (await app.start()).reply
            assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
            assert int(reply.headers["retry-after"]) > 0
        listed = await app.call("GET", "/stepup/authenticators")
        assert (listed.status_code, problem_of(listed)) == (503, "temporarily-unavailable")
        app.token = good
        assert (await app.start()).reply.json()["attempts_left"] == 5


@pytest.mark.parametrize("returned", [None, 17, b"ada", ["ada"]])
async def test_a_hook_that_breaks_is_503_and_starts_nothing(
    issuer: IssuerServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, returned: Any
) -> None:
    def broken(issuer: str, sub: str) -> Any:
        if returned is None:
            raise RuntimeError(sub)
        return returned

    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, ExternalLogins(users=broken)) as here:
        app = here.app()
        reply = (await app.start()).reply
        assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
        assert (await app.call("GET", "/any")).status_code == 503
        assert "users= failed for a token of" in caplog.text


def names(issuer: str, sub: str) -> str | None:
    """Two issuers, and who is locked out at both."""
    return None if sub == "nobody" else f"{issuer[-5:]} {sub}"


async def test_users_are_those_of_the_map_for_base_and_elevated_tokens_alike(
    issuer: IssuerServer, tmp_path: Path
) -> None:
    mapped = ExternalLogins(users=names, trusted_amr={"pwd"})
    with IssuerServer(keys=[jwk_of("k", "ES256")]) as other:
        both = [JWTVerifier(issuer=each.url, audience=URL, logins=mapped) for each in (issuer, other)]
        async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, verifier=lambda: both) as here:
            ours, theirs = await here.enrolled(), here.app(at=other)
            name = names(issuer.url, "ada")
            assert (await ours.call("GET", "/any")).json()["sub"] == name
            assert (await ours.call("GET", "/any", token=await ours.elevate())).json()["sub"] == name
            assert (await theirs.call("GET", "/stepup/authenticators")).json() == {"authenticators": []}
            assert await refusal(theirs) == (400, "unmet_authentication_requirements")
            local = await here.server.start_session("ada", amr=["pwd"], client_id="cli")
            reply = await here.api.call(local.access_token)
            assert reply.json()["sub"] == "ada"
            assert (await here.api.call(local.access_token, "/stepup/authenticators")).json() == {"authenticators": []}
            nobody = here.app(sub="nobody")
            assert error_of(await nobody.call("GET", "/any")) == "invalid_token"
            assert await refusal(nobody) == REFUSED
