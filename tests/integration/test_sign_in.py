"""The application's own sign-in: how long it lasts, when it was, how often it ends (upstile profile §8)."""

from pathlib import Path
from typing import Any

import jwt
import pytest

from support.own_app import OwnApp, another_process, own_app
from support.wire_driver import new_key, problem_of
from upstile.server import ConfigurationError
from upstile.server.authorization.tokens._revocation import SIGN_OUTS, SIGN_OUTS_WINDOW
from upstile.server.storage import Revocations

pytestmark = pytest.mark.anyio


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def _sign_out(app: OwnApp, token: str) -> Any:
    return await app.http.post("/stepup/revoke", data={"token": token, "client_id": app.client_id})


def _rows(app: OwnApp) -> int:
    return len(app.server._deployment.own.storage.durable.revocations_after(0, app.clock()))


async def test_a_renewed_login_is_as_old_as_the_sign_in_and_lasts_anew(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        now = int(app.clock())
        renewed = await app.server.start_session("ada", amr=["pwd"], client_id="bank-cli", auth_time=now - 7200)
        claims = _claims(renewed.access_token)
        assert (claims["auth_time"], claims["exp"] - now) == (now - 7200, 12 * 3600)


async def test_a_renewed_login_never_enrols_a_first_authenticator_as_a_fresh_one_does(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        app.server._deployment.own.sign_in.start_session = _aged(app)  # type: ignore[method-assign]
        await app.sign_in()
        assert problem_of(await app.enroll_totp()) == "first-enrolment"


def _aged(app: OwnApp) -> Any:
    start = app.server._deployment.own.sign_in.start_session

    async def aged(subject: str, **options: Any) -> Any:
        return await start(subject, **{**options, "auth_time": app.clock() - 601})

    return aged


@pytest.mark.parametrize("ahead", [1, 60])
async def test_a_clock_that_is_a_little_ahead_makes_no_login_of_the_future(tmp_path: Path, ahead: int) -> None:
    async with own_app(tmp_path) as app:
        now = int(app.clock())
        token = await app.server.start_session("ada", amr=["pwd"], client_id="bank-cli", auth_time=now + ahead)
        assert _claims(token.access_token)["auth_time"] == now


@pytest.mark.parametrize("auth_time", [1e12 * 1.8, -1, float("nan"), float("inf"), True, "1800000000"])
async def test_a_time_of_sign_in_that_makes_no_sense_is_refused(tmp_path: Path, auth_time: Any) -> None:
    """Milliseconds, for one: every login would be as if of now."""
    async with own_app(tmp_path) as app:
        with pytest.raises(ConfigurationError, match="auth_time"):
            await app.server.start_session("ada", amr=["pwd"], client_id="bank-cli", auth_time=auth_time)


async def test_a_base_login_lasts_as_long_as_the_deployment_says(tmp_path: Path) -> None:
    async with own_app(tmp_path, login_life=900) as app:
        await app.sign_in()
        app.clock.now += 899
        assert (await app.call("GET", "/me")).status_code == 200
        app.clock.now += 1
        assert (await app.call("GET", "/me")).status_code == 401
        assert (await app.start()).reply.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("life", [59, 12 * 3600 + 1, 0, -5, float("nan"), True, "900"])
def test_a_life_beyond_what_the_log_and_the_keys_last_is_refused(tmp_path: Path, life: Any) -> None:
    with pytest.raises(ConfigurationError, match="login_life"):
        another_process(tmp_path, lambda: 0, login_life=life)


async def test_a_loop_of_sign_ins_and_sign_outs_writes_no_row_for_each(tmp_path: Path) -> None:
    """Who knows the password could fill the log, and the memory of every node."""
    async with own_app(tmp_path) as app:
        thief = app.as_client("bank-cli")
        thief.key = new_key()
        replies: list[Any] = []
        for _ in range(SIGN_OUTS + 20):
            replies.append(await _sign_out(thief, await thief.sign_in()))
        assert [reply.status_code for reply in replies] == [200] * SIGN_OUTS + [503] * 20
        assert _rows(app) == SIGN_OUTS
        refused = replies[-1]
        assert (refused.json()["error"], refused.headers["retry-after"]) == (
            "temporarily_unavailable",
            str(SIGN_OUTS_WINDOW),
        )
        assert (await thief.call("GET", "/me")).status_code == 200  # it was said that the token goes on
        app.clock.now += SIGN_OUTS_WINDOW
        assert (await _sign_out(thief, thief.token)).status_code == 200
        assert (await thief.call("GET", "/me")).status_code == 401


async def test_an_owner_with_a_known_key_signs_out_whatever_a_thief_did_and_one_without_is_signed_out_by_the_help_desk(
    tmp_path: Path,
) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        await app.elevate()
        thief = app.as_client("bank-cli")
        thief.key = new_key()
        replies = [await _sign_out(thief, await thief.sign_in()) for _ in range(SIGN_OUTS + 1)]
        assert replies[-1].status_code == 503
        assert (await _sign_out(app, app.token)).status_code == 200
        assert (await app.call("GET", "/me")).status_code == 401
        device = app.as_client("bank-cli")
        device.key = new_key()
        assert (await _sign_out(device, await device.sign_in())).status_code == 503
        await app.server.end_sessions("ada")
        assert (await device.call("GET", "/me")).status_code == 401


async def test_a_token_that_is_revoked_again_is_counted_once(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        for _ in range(SIGN_OUTS + 1):
            assert (await _sign_out(app, app.token)).status_code == 200
        assert _rows(app) == 1


async def test_a_stolen_token_that_is_revoked_at_many_nodes_uses_up_no_sign_out_of_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key and no password are needed to give a token back; and each node learns of it a moment later."""
    async with own_app(tmp_path) as app:
        stolen = await app.sign_in()
        await app.enroll_totp()
        await app.elevate()
        with monkeypatch.context() as late:
            late.setattr(Revocations, "covers", lambda self, token: False)
            for _ in range(SIGN_OUTS + 1):
                assert (await _sign_out(app, stolen)).status_code == 200
        assert (await _sign_out(app, await app.sign_in())).status_code == 200
        assert (await app.call("GET", "/me")).status_code == 401


@pytest.mark.parametrize("name", ["ada\0", "ada\ud800", "x" * 513])
async def test_nobody_signs_in_by_a_name_that_could_not_be_stored(tmp_path: Path, name: str) -> None:
    """Such a user would confirm nothing: each enrolment would fail."""
    async with own_app(tmp_path) as app:
        with pytest.raises(ConfigurationError, match="cannot be stored"):
            await app.server.start_session(name, amr=["pwd"], client_id="bank-cli")
        assert await app.server.start_session("x" * 512, amr=["pwd"], client_id="bank-cli")
