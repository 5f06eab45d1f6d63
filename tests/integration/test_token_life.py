"""How long elevated tokens live, which acr they name, and what ends them (upstile profile §3, §4)."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest

from support.own_app import own_app
from support.wire_driver import Passkey, WireApp, enrolled_app, error_of, problem_of

pytestmark = pytest.mark.anyio
LIVES = {None: 300, "0": 300, "60": 300, "300": 300, "1200": 1200, "3600": 3600, "7200": 3600}


@pytest.mark.parametrize(("max_age", "life"), LIVES.items())
async def test_a_bound_token_lives_as_long_as_its_max_age_from_five_minutes_to_an_hour(
    tmp_path: Path, max_age: str | None, life: int
) -> None:
    async with enrolled_app(tmp_path) as app:
        claims = _claims(await app.elevate(max_age=max_age))
        assert claims["exp"] - claims["iat"] == life


@pytest.mark.parametrize("max_age", [None, "1200"])
async def test_an_unbound_token_lives_five_minutes(tmp_path: Path, max_age: str | None) -> None:
    async with own_app(tmp_path, dpop="optional") as app:
        await app.sign_in()
        await app.enroll_totp()
        app.bound = False
        await app.sign_in()
        claims = _claims(await app.elevate(max_age=max_age))
        assert (claims["exp"] - claims["iat"], "cnf" in claims) == (300, False)


@pytest.mark.parametrize(
    ("asked", "answered_with", "named"),
    [
        ("phr mfa", "passkey", "phr"),
        ("mfa phr", "passkey", "mfa"),
        ("gold mfa phr", "passkey", "mfa"),
        (None, "passkey", "phr"),
        ("phr mfa", "totp", "mfa"),
        (None, "totp", "mfa"),
    ],
)
async def test_the_token_names_the_first_requested_acr_that_was_reached_or_the_strongest(
    tmp_path: Path, asked: str | None, answered_with: str, named: str
) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.enroll_passkey(await app.elevate(scope="authenticators", max_age="60"))
        if answered_with == "totp":
            app.passkey = None
        assert _claims(await app.elevate(acr_values=asked))["acr"] == named


async def test_where_nothing_was_asked_one_factor_alone_gives_a_token_without_acr(tmp_path: Path) -> None:
    async with own_app(tmp_path, amr=["otp"]) as app:
        await app.sign_in()
        await app.enroll_totp()
        claims = _claims(await app.elevate(acr_values=None))
        assert ("acr" in claims, claims["amr"]) == (False, ["otp"])


async def test_a_login_that_ended_stays_ended_when_its_tokens_outlive_it(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        app.passkey = await _passkey(app)
        end = _claims(app.token)["exp"]
        app.clock.now = end - 100
        elevated = await app.elevate(acr_values="phr", max_age="3600")
        assert (await app.post("/stepup/revoke", {"token": app.token, "client_id": "bank-cli"})).status_code == 200
        for moment in (end - 1, end + 1, end + 3400):
            app.clock.now = moment
            reply = await app.call("GET", "/balance", token=elevated)
            assert (moment - end, reply.status_code, error_of(reply)) == (moment - end, 401, "invalid_token")
            assert reply.headers["www-authenticate"].count('error_description="revoked"') == 1


async def test_who_signs_out_with_an_expired_token_ends_what_outlives_it(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        app.passkey = await _passkey(app)
        end = _claims(app.token)["exp"]
        app.clock.now = end - 100
        elevated = await app.elevate(acr_values="phr", max_age="3600")
        app.clock.now = end + 1800
        forged = app.token[:-4] + ("AAAA" if app.token[-4:] != "AAAA" else "BBBB")
        for token, still in ((forged, 200), (app.token, 401)):
            reply = await app.post("/stepup/revoke", {"token": token, "client_id": "bank-cli"})
            assert reply.status_code == 200
            assert (await app.call("GET", "/balance", token=elevated)).status_code == still


@pytest.mark.parametrize("after", [299, 3600])
async def test_what_has_expired_otherwise_ends_nothing(tmp_path: Path, after: int) -> None:
    """An elevated token, and a sign-in's own that nothing outlives any more: neither is a row of the log."""
    async with enrolled_app(tmp_path) as app:
        token = app.token if after == 3600 else await app.elevate()
        app.clock.now = _claims(token)["exp"] + after
        assert (await app.post("/stepup/revoke", {"token": token, "client_id": "bank-cli"})).status_code == 200
    with closing(sqlite3.connect(tmp_path / "bank.db")) as connection:
        assert connection.execute("SELECT count(*) FROM upstile_revocations").fetchone() == (0,)


async def test_a_token_for_one_call_stays_used_until_it_expires(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(max_age="0")
        left = _claims(token)["exp"] - app.clock()
        assert (await app.call("DELETE", "/account", token=token)).status_code == 200
        app.clock.now += left - 1
        assert problem_of(await app.call("DELETE", "/account", token=token)) == "token-used"
        app.clock.now += 1
        assert problem_of(await app.call("DELETE", "/account", token=token)) == "invalid-token"


async def _passkey(app: WireApp) -> Passkey:
    await app.enroll_passkey(await app.elevate(scope="authenticators", max_age="60"))
    assert app.passkey is not None
    return app.passkey


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
