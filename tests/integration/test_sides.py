"""On which side an answer counts is judged at each request (upstile profile §3, §7)."""

from dataclasses import replace
from pathlib import Path

import pytest

from support.own_app import OwnApp, own_app
from support.wire_driver import WireApp, enrolled_app, new_key
from upstile.server.authorization.user import _budgets

pytestmark = pytest.mark.anyio


async def _five_guesses(app: WireApp) -> None:
    started = await app.start(authn_methods_supported="totp")
    for _ in range(5):
        await app.answer(started, otp="000000")


async def test_a_ceremony_that_an_unknown_key_began_goes_on_when_the_key_is_known(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        waiting = await app.start()
        await app.elevate()  # known from now on
        thief = WireApp(app.http, app.clock, key=new_key())
        await thief.sign_in()
        await _five_guesses(thief)
        assert (await app.answer(waiting, otp="000000")).json()["attempts_left"] == 4
        assert (await app.answer(waiting, otp=app.code())).status_code == 200


async def test_a_ceremony_of_a_known_key_ends_where_the_key_is_known_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_budgets, "LAST_TRY", 2)  # and the authenticator is closed after as many by unknown keys
    async with enrolled_app(tmp_path) as app:
        await app.elevate()
        thief = WireApp(app.http, app.clock, key=new_key())
        await thief.sign_in()
        await _five_guesses(thief)
        waiting = await app.start()
        for _ in range(2):
            assert (await app.answer(await app.start(), otp="000000")).status_code == 403
        assert (
            await app.answer(waiting, otp=app.code())
        ).status_code == 400  # as an unknown one, for which it is closed


async def test_without_a_key_an_app_counts_as_unknown_whatever_it_proved(tmp_path: Path) -> None:
    async with own_app(tmp_path, dpop="optional") as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        app.bound = False
        await app.sign_in()
        assert await app.elevate()
        assert await app.elevate()
        thief = await _another(app)
        await _five_guesses(thief)
        locked = (await app.start()).reply
        assert (locked.status_code, locked.json()["error"]) == (429, "temporarily_locked")


async def test_the_last_try_of_a_login_says_to_come_back_at_once_where_nothing_is_locked(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        thief = await _another(app)
        for _ in range(3):
            await thief.answer(await thief.start(), otp="000000")
        assert await (await _another(app)).elevate()  # ends the row of unknown keys, and not that of the thief's login
        started = await thief.start()
        assert started.reply.json()["attempts_left"] == 2
        replies = [await thief.answer(started, otp="000000") for _ in range(2)]
        last = replies[1]
        assert (last.status_code, last.json()["error"], last.headers["retry-after"]) == (429, "temporarily_locked", "1")
        assert (await thief.start()).reply.json()["error"] == "invalid_grant"
        assert (await (await _another(app)).start()).reply.status_code == 403  # and nothing was locked


async def _another(app: OwnApp) -> OwnApp:
    another = replace(app, key=new_key())
    await another.sign_in()
    return another
