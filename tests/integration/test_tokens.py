"""What a ceremony ends in: codes that are redeemed once, tokens until they are revoked or used up (profile §3, §4)."""

from pathlib import Path
from secrets import token_urlsafe

import pytest

from support.tokens import claims_of
from support.wire_driver import enrolled_app, error_of, new_key, problem_of

pytestmark = pytest.mark.anyio
ORDER = {"to": "ACME", "amount": "50.00"}


@pytest.mark.requirement("rfc7636-4.6-verifier")
async def test_a_code_needs_its_verifier_client_and_key_and_stays_good(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        for changed in ({"code_verifier": token_urlsafe(48)}, {"code": "guess"}, {"redirect_uri": "http://localhost"}):
            reply = await app.redeem(started, code, **changed)
            assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        own, app.key = app.key, new_key()
        assert (await app.redeem(started, code)).json()["error"] == "invalid_grant"
        app.key = own
        assert (await app.redeem(started, code)).status_code == 200


@pytest.mark.requirement("rfc6749-4.1.2-code-once")
async def test_a_code_that_comes_twice_ends_its_token(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        token = (await app.redeem(started, code)).json()["access_token"]
        assert (await app.call("POST", "/transfers", token=token, json=ORDER)).status_code == 200
        assert (await app.redeem(started, code)).json()["error"] == "invalid_grant"
        reply = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")
        assert (await app.call("GET", "/balance")).status_code == 200


async def test_a_code_is_good_for_a_minute(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        app.clock.now += 60
        assert (await app.redeem(started, code)).json()["error"] == "invalid_grant"


@pytest.mark.requirement("rfc7009-2.2-invalid")
async def test_a_revoked_token_is_dead_and_the_login_lives(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate()
        foreign = await app.post("/stepup/revoke", {"token": token, "client_id": "other"})
        assert foreign.json()["error"] == "invalid_client"
        assert (await app.call("POST", "/transfers", token=token, json=ORDER)).status_code == 200
        for text in (token, token, "nonsense"):
            form = {"token": text, "client_id": "bank-cli", "token_type_hint": "refresh_token"}
            assert (await app.post("/stepup/revoke", form)).status_code == 200
        reply = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")
        assert (await app.call("GET", "/balance")).status_code == 200


async def test_revoking_the_base_token_ends_all_that_stems_from_the_login(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate()
        waiting = await app.start()
        assert (await app.post("/stepup/revoke", {"token": app.token, "client_id": "bank-cli"})).status_code == 200
        for presented in (token, app.token):
            reply = await app.call("GET", "/balance", token=presented)
            assert (reply.status_code, error_of(reply)) == (401, "invalid_token")
        assert (await app.answer(waiting, otp=app.code())).json()["error"] == "invalid_grant"
        assert (await app.start()).reply.json()["error"] == "invalid_grant"


@pytest.mark.requirement("profile-4-single-use")
async def test_a_token_for_one_call_serves_once_and_only_there(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(max_age="0")
        assert claims_of(token)["single_use"] is True
        elsewhere = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert (elsewhere.status_code, error_of(elsewhere)) == (401, "invalid_token")
        assert (await app.call("DELETE", "/account", token=token)).status_code == 200
        again = await app.call("DELETE", "/account", token=token)
        assert (again.status_code, problem_of(again)) == (401, "token-used")
        assert error_of(again) == "insufficient_user_authentication"


async def test_an_ordinary_token_never_serves_a_route_for_one_call(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        reply = await app.call("DELETE", "/account", token=await app.elevate(max_age="1"))
        assert (reply.status_code, error_of(reply)) == (401, "insufficient_user_authentication")


async def test_a_code_is_not_redeemed_after_the_sign_out(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        form = {"token": app.token, "client_id": "bank-cli"}
        assert (await app.post("/stepup/revoke", form)).status_code == 200
        assert (await app.redeem(started, code)).json()["error"] == "invalid_grant"
