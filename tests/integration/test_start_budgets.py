"""How often a person can be asked, and what ends a row of wrong answers (upstile profile §7)."""

from pathlib import Path

import httpx
import pytest

from support.own_app import own_app
from support.wire_driver import WireApp, enrolled_app, new_key

pytestmark = pytest.mark.anyio


async def test_of_fifty_ceremonies_of_a_user_ten_are_kept_for_known_keys(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()  # the key is known from now on
        app.clock.now += 600
        for _ in range(4):
            assert _statuses(await _starts(await _thief(app), 10)) == [403] * 10
        (refused,) = await _starts(await _thief(app), 1)
        assert (refused.status_code, refused.json()["error"]) == (429, "slow_down")
        assert _statuses(await _starts(app, 10)) == [403] * 10
        await app.sign_in()
        assert _statuses(await _starts(app, 1)) == [429]


async def test_starts_beyond_the_logins_ten_do_not_use_up_the_users(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        thief = await _thief(app)
        assert _statuses(await _starts(thief, 50)) == [403] * 10 + [429] * 40
        assert _statuses(await _starts(app, 10)) == [403] * 10


async def test_a_refused_start_is_not_counted(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        assert _statuses(await _starts(app, 10, acr_values="gold")) == [400] * 10
        assert _statuses(await _starts(app, 10)) == [403] * 10


async def test_a_right_code_gives_the_login_its_tries_back(tmp_path: Path) -> None:
    async with own_app(tmp_path, dpop="optional") as app:
        await app.sign_in()
        await app.enroll_totp()
        app.bound = False  # without a key only the login's own tries count
        await app.sign_in()
        for _ in range(2):
            started = await app.start()
            left = [(await app.answer(started, otp="wrong")).json()["attempts_left"] for _ in range(4)]
            assert left == [4, 3, 2, 1]
            assert (await app.answer(started, otp=app.code())).status_code == 200
            app.clock.now += 30


async def test_a_security_keys_success_ends_the_row_of_its_side(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.enroll_passkey(await app.elevate(scope="authenticators", max_age="60"))
        started = await app.start()
        for _ in range(4):
            assert (await app.answer(started, otp="wrong")).json()["result"] == "rejected"
        assert (await app.assert_passkey(started)).status_code == 200
        assert (await app.start()).reply.json()["attempts_left"] == 5


async def test_the_reply_that_locked_can_be_had_again(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()
        started = await app.start()
        for _ in range(4):
            await app.answer(started, otp="wrong")
        fifth = app.answer_form(started, otp="wrong")
        locked = await app.post("/stepup/challenge", fifth)
        app.clock.now += 10
        again = await app.post("/stepup/challenge", fifth)
        for reply in (locked, again):  # a fresh judgement would name 20 seconds now
            assert (reply.status_code, reply.headers["retry-after"]) == (429, "30")
        assert again.json() == locked.json()
        app.clock.now += 20
        assert (await app.start()).reply.status_code == 403


async def _thief(app: WireApp) -> WireApp:
    """Somebody else with the user's password."""
    thief = WireApp(app.http, app.clock, key=new_key())
    await thief.sign_in()
    return thief


async def _starts(app: WireApp, times: int, **start: str) -> list[httpx.Response]:
    return [(await app.start(**start)).reply for _ in range(times)]


def _statuses(replies: list[httpx.Response]) -> list[int]:
    return [reply.status_code for reply in replies]
