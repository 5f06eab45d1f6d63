"""An authenticator that guesses closed stays closed, whatever is lost or dies in between (upstile profile §7)."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from support.own_app import own_app
from support.wire_driver import WireApp, enrolled_app, new_key
from upstile.server.authorization.ceremony import _answer
from upstile.server.authorization.methods import Totp
from upstile.server.authorization.user import _budgets

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def at_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong answer closes an authenticator, so that each test is about the last one."""
    monkeypatch.setattr(_budgets, "LAST_TRY", 1)
    monkeypatch.setattr(_answer, "LAST_TRY", 1)


def _forget_one_time_state(folder: Path) -> None:
    """Lose all one-time state of users, as a Redis does that is restarted empty."""
    connection = sqlite3.connect(folder / "bank.db")
    with connection:
        assert connection.execute("DELETE FROM upstile_one_time WHERE key LIKE 'user:%'").rowcount == 1
    connection.close()


async def _stranger(app: WireApp) -> dict[str, Any]:
    """What somebody with the password is told by a start."""
    stranger = WireApp(app.http, app.clock, key=new_key())
    await stranger.sign_in()
    told: dict[str, Any] = (await stranger.start()).reply.json()
    return told


@pytest.mark.requirement("profile-7-closed")
async def test_closed_outlives_the_one_time_store(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.answer(await app.start(), otp="000000")
        _forget_one_time_state(tmp_path)
        assert (await _stranger(app))["error"] == "unmet_authentication_requirements"


async def test_the_last_guess_closes_also_where_the_node_that_judged_it_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        with monkeypatch.context() as dying:
            dying.setattr(Totp, "verify", _die)
            with pytest.raises(_DiedError):
                await app.answer(started, otp="000000")
        _forget_one_time_state(tmp_path)
        assert (await _stranger(app))["error"] == "unmet_authentication_requirements"


async def test_the_last_try_if_it_is_right_closes_nothing(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        assert await app.elevate()
        assert "authn_methods" in await _stranger(app)


async def test_the_last_try_is_judged_again_where_the_node_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        form = app.answer_form(started, otp=app.code())
        with monkeypatch.context() as dying:
            dying.setattr(Totp, "verify", _die)
            with pytest.raises(_DiedError):
                await app.post("/stepup/challenge", form)
        app.clock.now += 10
        assert (await app.post("/stepup/challenge", form)).status_code == 200
        assert "authn_methods" in await _stranger(app)


@pytest.mark.requirement("profile-7-closed")
async def test_starts_and_answers_end_without_a_way_that_would_not_help(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        first, second = await app.start(), await app.start()
        replies = [await app.answer(first, otp="000000"), await app.answer(second, otp=app.code())]
        for told in (*(reply.json() for reply in replies), await _stranger(app)):
            assert told["error"] == "unmet_authentication_requirements"
            assert "enrollable_methods" not in told


async def test_what_is_closed_counts_as_enrolled(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.answer(await app.start(), otp="000000")
        thief = WireApp(app.http, app.clock, key=new_key())
        await thief.sign_in()
        refused = await thief.call("POST", "/stepup/authenticators", json={"method": "webauthn", "name": "mine"})
        assert (refused.status_code, refused.json()["acr_values"]) == (401, ["mfa"])


async def test_a_known_keys_wrong_answer_closes_nothing(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        await app.elevate()
        with pytest.MonkeyPatch.context() as usual:
            usual.setattr(_budgets, "LAST_TRY", 100)
            await app.answer(await app.start(), otp="000000")
        assert (await app.answer(await app.start(), otp=app.code())).status_code == 200


class _DiedError(Exception):
    pass


def _die(*_: object, **__: object) -> None:
    raise _DiedError
