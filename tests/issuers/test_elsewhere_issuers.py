"""Issuers whose sign-ins count at the embedded server: each with its options, and tokens that Keycloak signed."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.clocks import SettableClock
from support.elsewhere import BY_PASSWORD, asks_about_each, elsewhere
from support.external_api import served, told
from support.issuer_server import IssuerServer
from support.tokens import claims_of
from support.wire_driver import URL, WireApp
from upstile.protocol import base64url_encode
from upstile.server import App, ConfigurationError
from upstile.server.fastapi import StepUp
from upstile.server.issuers import ExternalLogins, JWTVerifier, TokenProfile, keycloak

pytestmark = pytest.mark.anyio
RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/issuers/keycloak.json").read_text())
API = "https://api.example.test"


async def test_audiences_that_the_profile_names_do_not_count(issuer: IssuerServer, tmp_path: Path) -> None:
    profile = TokenProfile(other_audiences=("account", "/userinfo"))

    def verifier() -> JWTVerifier:
        return JWTVerifier(issuer=issuer.url, audience=["api", URL], profile=profile, logins=BY_PASSWORD)

    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, verifier=verifier) as here:
        app = await here.enrolled()
        for audiences, good in [
            (["api", "account"], True),
            (["api", URL, f"{issuer.url}/userinfo"], True),
            ("api", True),
            (["api", "https://other.example/userinfo"], False),
            (["api", "account", "another-api"], False),
        ]:
            app.token = here.token(None, aud=audiences)
            assert ((await app.start()).reply.status_code == 403) is good, audiences
            listed = await app.http.get("/stepup/authenticators", headers={"Authorization": f"Bearer {app.token}"})
            assert (listed.status_code == 200) is good, audiences


async def test_a_deployment_in_which_one_name_could_be_two_people_is_refused(
    issuer: IssuerServer, tmp_path: Path
) -> None:
    own: dict[str, Any] = {"url": URL, "storage": f"sqlite:///{tmp_path / 'own.db'}", "allow_insecure_loopback": True}
    with IssuerServer() as other:
        unmapped = [JWTVerifier(issuer=each.url, logins=ExternalLogins()) for each in (issuer, other)]
        cases: list[tuple[Any, str]] = [
            (unmapped, "give each ExternalLogins its users="),
            (JWTVerifier(issuer=issuer.url, logins=ExternalLogins(trusted_amr={"password"})), "amr holds 'password'"),
            (JWTVerifier(issuer=issuer.url, logins=ExternalLogins(clients={"a": "b"})), "no app 'b' is registered"),
        ]
        for verifier, says in cases:
            with pytest.raises(ConfigurationError, match=says):
                StepUp.embedded(clients=[App("cli")], verifier=verifier, **own)
        with pytest.raises(ConfigurationError, match="needs a server that steps people up"):
            StepUp(url="https://api.example.com", verifier=JWTVerifier(issuer="https://a.b", logins=ExternalLogins()))
    with pytest.raises(ConfigurationError, match="a set of names"):
        ExternalLogins(trusted_amr="pwd")
    with pytest.raises(ConfigurationError, match="users= is a function"):
        ExternalLogins(users={"a": "b"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    async def waits(issuer: str, sub: str) -> str:
        return sub

    with pytest.raises(ConfigurationError, match="plain function"):
        ExternalLogins(users=waits)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with elsewhere(own["storage"], issuer) as here:
        with pytest.raises(ConfigurationError, match="give ExternalLogins its users="):
            await here.server.start_session("ada", amr=["pwd"])


async def test_the_challenge_is_in_the_words_of_who_steps_up(issuer: IssuerServer, tmp_path: Path) -> None:
    issuer.metadata = {"acr_values_supported": ["0", "1"]}

    def verifier() -> JWTVerifier:
        maps: dict[str, Any] = {"satisfies": {"1": {"mfa"}}, "asks": {"mfa": "1"}}
        return JWTVerifier(issuer=issuer.url, audience=URL, logins=BY_PASSWORD, **maps)

    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, verifier=verifier) as here:
        refused = await here.app(acr="0").call("GET", "/mfa")
        assert 'acr_values="mfa"' in refused.headers["www-authenticate"]
        beyond_the_issuer = await here.app(acr="1").call("GET", "/phr")
        assert told(beyond_the_issuer) == (401, "insufficient_user_authentication")
        strong = await here.app(acr="1").call("GET", "/mfa")  # what the issuer did itself still counts at the API
        assert strong.status_code == 200


async def test_an_opaque_token_is_asked_about(issuer: IssuerServer, tmp_path: Path) -> None:
    verifier = asks_about_each(issuer)
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, verifier=verifier) as here:
        app = WireApp(here.api.http, here.clock, client_id="cli", token="opaque")
        claims = {**claims_of(here.token(app)), "active": True, "token_type": "DPoP"}
        issuer.introspect = lambda form: claims
        assert (await app.enroll_totp()).status_code == 200
        started = await app.start()
        assert started.reply.status_code == 403
        here.clock.now += 1
        issuer.mood = "500"
        away = await app.answer(started, otp=app.code())
        assert (away.status_code, away.json()["error"]) == (503, "temporarily_unavailable")
        here.clock.now += 2
        issuer.mood, issuer.introspect = "well", lambda form: {"active": False}
        assert (await app.answer(started, otp=app.code())).json()["error"] == "invalid_grant"
        assert (await app.start()).reply.json()["error"] == "invalid_grant"
        here.clock.now += 2
        issuer.introspect = lambda form: claims
        assert (await app.answer(started, otp=app.code())).status_code == 200  # nothing was counted or used up
        assert b"opaque" not in b"".join(path.read_bytes() for path in tmp_path.glob("own.db*"))


async def test_tokens_that_keycloak_signed_are_stepped_up_and_its_id_tokens_are_not(
    issuer: IssuerServer, tmp_path: Path
) -> None:
    issuer.keys = RECORDED["jwks"]["keys"]
    mfa, bound = RECORDED["tokens"]["mfa"], RECORDED["tokens"]["mfa_dpop"]
    clock = SettableClock(mfa["recorded_at"] + 1)
    logins = ExternalLogins(
        users=lambda issuer, sub: f"at {issuer}: {sub}", clients={mfa["client"]: "bank", bound["client"]: "bank"}
    )
    there: dict[str, Any] = {"issuer": RECORDED["issuer"], "jwks_uri": f"{issuer.url}/jwks", "profile": keycloak()}
    server = StepUp.embedded(
        url=API,
        storage=f"sqlite:///{tmp_path / 'own.db'}",
        secret_keys=[base64url_encode(bytes(32))],
        clients=[App("bank")],
        verifier=JWTVerifier(**there, audience=[API, "rs-conf", mfa["client"]], logins=logins),
        clock=clock,
        allow_insecure_loopback=True,
    )
    async with served(server, API, {}) as api:
        app = WireApp(api.http, clock, client_id="bank", url=API)
        good, id_token = (mfa["token_response"][kind] for kind in ("access_token", "id_token"))
        user = f"at {RECORDED['issuer']}: {claims_of(good)['sub']}"
        assert (await api.call(good, "/mfa")).json()["sub"] == user
        code = await server.enrolment_code(user)
        headers = {"Authorization": f"Bearer {good}"}
        wanted = {"method": "totp", "name": "phone", "enrolment_code": code}
        begun = (await api.http.post("/stepup/authenticators", headers=headers, json=wanted)).json()
        otp = {"otp": app.first_code(begun["otpauth_uri"])}
        verify = f"/stepup/authenticators/{begun['id']}/verify"
        assert (await api.http.post(verify, headers=headers, json=otp)).json()["state"] == "active"
        clock.now += 30
        anything: dict[str, Any] = {"acr_values": None, "scope": None}
        started = await app.start(subject_token=good, **anything)
        assert started.reply.status_code == 403, started.reply.text
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        elevated = (await app.redeem(started, code)).json()["access_token"]
        assert (claims_of(elevated)["sub"], claims_of(elevated)["amr"]) == (user, ["otp"])
        mfa_here = (await app.start(subject_token=good)).reply.json()  # what Keycloak says of it counts for nothing
        assert mfa_here["error"] == "unmet_authentication_requirements"
        stolen = bound["token_response"]["access_token"]
        for wrong in (id_token, stolen, RECORDED["tokens"]["mfa_lightweight"]["token_response"]["access_token"]):
            refused = (await app.start(subject_token=wrong, **anything)).reply
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
