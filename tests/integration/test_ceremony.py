"""Whole ceremonies at the embedded authorization server: what is offered, and what comes out (upstile profile §3)."""

from pathlib import Path

import pytest

from support.tokens import claims_of, mint
from support.wire_driver import URL, bank_app, enrolled_app, with_passkey

pytestmark = pytest.mark.anyio
ORDER = {"to": "ACME", "amount": "50.00"}


async def test_a_totp_ceremony_makes_the_challenged_call_succeed(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        assert (await app.call("POST", "/transfers", json=ORDER)).status_code == 401
        token = await app.elevate()
        reply = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert (reply.status_code, reply.json()["balance"]) == (200, "950.00")


async def test_a_password_login_one_second_old_can_step_up(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.sign_in()
        app.clock.now += 1
        assert (await app.call("POST", "/transfers", json=ORDER)).status_code == 401
        assert (await app.call("POST", "/transfers", token=await app.elevate(), json=ORDER)).status_code == 200


@pytest.mark.requirement("rfc9068-2.2-claims")
async def test_the_elevated_token_is_a_new_grant(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        base = claims_of(app.token)
        token = claims_of(await app.elevate())
        assert token["jti"] != base["jti"]
        assert token["sid"] == base["sid"]
        assert (token["acr"], token["amr"]) == ("mfa", ["otp", "pwd", "mfa"])
        assert token["auth_time"] == token["iat"] > base["auth_time"]
        assert (token["aud"], token["exp"] - token["iat"], token["cnf"]) == (URL, 300, base["cnf"])
        assert "single_use" not in token


async def test_a_password_older_than_twelve_hours_no_longer_counts(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        elevated = await app.elevate()
        claims = claims_of(elevated)
        app.clock.now += 12 * 3600 - 30
        app.token = await mint(tmp_path, {**claims, "exp": int(app.clock()) + 300})
        started = await app.start()
        assert started.reply.json()["error"] in ("unmet_authentication_requirements", "invalid_grant")


async def test_a_passkey_reaches_phr(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        claims = claims_of(await app.elevate(acr_values="phr", max_age=None))
        assert (claims["acr"], claims["amr"]) == ("phr", ["swk", "user", "mfa"])


async def test_a_key_without_verification_is_one_factor_beside_the_password(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        started = await app.start(acr_values="mfa")
        reply = await app.assert_passkey(started, flags=0x01)
        token = await app.redeem(started, reply.json()["authorization_code"])
        assert claims_of(token.json()["access_token"])["amr"] == ["swk", "user", "pwd", "mfa"]


async def test_totp_is_not_offered_for_phr(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start(acr_values="phr")
        body = started.reply.json()
        assert (started.reply.status_code, body["error"]) == (400, "unmet_authentication_requirements")
        assert body["enrollable_methods"] == ["webauthn"]
        assert body["enrollment_uri"].startswith(URL)


async def test_nobody_enrolled_is_told_what_could_be(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        assert (await app.start()).reply.json()["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize("acr", ["gold", "phrh"])
async def test_an_unknown_acr_is_unmet(tmp_path: Path, acr: str) -> None:
    async with enrolled_app(tmp_path) as app:
        assert (await app.start(acr_values=acr)).reply.json()["error"] == "unmet_authentication_requirements"


async def test_the_client_narrows_the_offer_and_never_widens_it(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        offers = (await app.start()).reply.json()["authn_methods"]
        assert [offer["method"] for offer in offers] == ["webauthn", "totp"]
        narrowed = (await app.start(authn_methods_supported="totp otp magic")).reply.json()["authn_methods"]
        assert [offer["method"] for offer in narrowed] == ["totp"]


async def test_user_verification_is_required_only_where_nothing_is_reachable_without(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        for acr, expected in {"mfa": "preferred", "phr": "required", "phr mfa": "preferred"}.items():
            options = (await app.start(acr_values=acr)).offer("webauthn")["options"]
            assert (acr, options["userVerification"]) == (acr, expected)
