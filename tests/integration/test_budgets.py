"""What guessing costs (upstile profile §7): counted before it is checked, and a thief cannot lock the owner out."""

from pathlib import Path

import pytest

from support.wire_driver import WireApp, enrolled_app, new_key

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("profile-7-lock")
async def test_five_wrong_codes_lock_for_thirty_seconds_over_all_sessions(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()  # the key is known now, so its login is not lost
        statuses = [(await app.answer(await app.start(), otp="000000")).status_code for _ in range(5)]
        assert statuses == [403, 403, 403, 403, 429]
        locked = (await app.start()).reply
        assert (locked.status_code, locked.json()["error"], locked.headers["retry-after"]) == (
            429,
            "temporarily_locked",
            "30",
        )
        app.clock.now += 30
        assert (await app.answer(await app.start(), otp=app.code())).status_code == 200


async def test_wrong_first_codes_of_a_new_app_are_no_wrong_answers(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(scope="authenticators", max_age="60")
        new = (
            await app.call("POST", "/stepup/authenticators", token=token, json={"method": "totp", "name": "b"})
        ).json()
        for _ in range(3):
            verify = f"/stepup/authenticators/{new['id']}/verify"
            assert (await app.call("POST", verify, token=token, json={"otp": "000000"})).status_code == 400
        statuses = [(await app.answer(await app.start(), otp="000000")).status_code for _ in range(5)]
        assert statuses == [403, 403, 403, 403, 429]


async def test_an_answer_during_a_lock_is_not_counted_and_the_session_lives(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()
        patient = await app.start()
        await _guess(app, 5)
        during = await app.answer(patient, otp=app.code())
        assert (during.status_code, during.json()["error"]) == (429, "temporarily_locked")
        app.clock.now += 30
        assert (await app.answer(patient, otp=app.code())).status_code == 200


async def test_the_lock_doubles_within_a_day_and_a_success_changes_nothing_of_that(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()
        waits = []
        for _ in range(4):
            await _guess(app, 5)
            waits.append(int((await app.start()).reply.headers["retry-after"]))
            app.clock.now += 600
        assert waits == [30, 60, 120, 240]
        assert (await app.answer(await app.start(), otp=app.code())).status_code == 200
        await _guess(app, 5)
        assert (await app.start()).reply.headers["retry-after"] == "480"


@pytest.mark.requirement("profile-7-thief")
async def test_a_stolen_login_is_lost_after_five_and_the_owner_is_not_locked_out(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        thief = WireApp(app.http, app.clock, key=new_key())
        await thief.sign_in()
        await _guess(thief, 5)
        app.clock.now += 30
        lost = (await thief.start()).reply
        assert (lost.status_code, lost.json()["error"]) == (400, "invalid_grant")
        assert (await app.answer(await app.start(), otp=app.code())).status_code == 200


async def test_open_ceremonies_of_a_lost_login_are_refused(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        waiting = await app.start()
        await _guess(app, 5)
        app.clock.now += 30
        assert (await app.answer(waiting, otp=app.code())).json()["error"] == "invalid_grant"


async def test_a_locked_user_with_a_key_is_offered_the_key(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.enroll_passkey(await app.elevate(scope="authenticators", max_age="60"))
        await _guess(app, 5, authn_methods_supported="totp")
        offers = (await app.start()).reply.json()["authn_methods"]
        assert [offer["method"] for offer in offers] == ["webauthn"]


async def test_attempts_left_is_the_smallest_budget(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _guess(app, 3)
        assert (await app.start()).reply.json()["attempts_left"] == 2


async def test_an_eleventh_ceremony_in_ten_minutes_must_wait(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        assert {(await app.start()).reply.status_code for _ in range(10)} == {403}
        refused = (await app.start()).reply
        assert (refused.status_code, refused.json()["error"]) == (429, "slow_down")
        assert int(refused.headers["retry-after"]) > 0
        app.clock.now += 600
        assert (await app.start()).reply.status_code == 403


async def test_a_thief_cannot_use_up_the_starts_of_a_key_that_is_known(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()  # the key is known now
        for _ in range(10):
            assert (await app.start()).reply.status_code == 403
        assert (await app.start()).reply.json()["error"] == "slow_down"
        app.clock.now += 600
        body = {"username": "ada", "password": "correct horse"}
        stolen = (await app.http.post("/login", json=body)).json()["access_token"]
        thief = WireApp(app.http, app.clock, key=new_key(), token=stolen)
        statuses = [(await thief.start()).reply.status_code for _ in range(11)]
        assert statuses == [403] * 10 + [429]
        owner = WireApp(app.http, app.clock, key=app.key, token=stolen)
        assert (await owner.start()).reply.status_code == 403


@pytest.mark.requirement("profile-7-thief")
async def test_a_thief_with_the_password_locks_neither_the_owners_device_nor_its_login(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()  # the key is known now
        thief = WireApp(app.http, app.clock, key=new_key())
        await thief.sign_in()
        await _guess(thief, 5)
        assert (await thief.start()).reply.json()["error"] == "invalid_grant"
        assert (await app.start()).reply.json()["attempts_left"] == 5
        assert (await app.answer(await app.start(), otp=app.code())).status_code == 200


async def _guess(app: WireApp, times: int, **start: str) -> None:
    for _ in range(times):
        await app.answer(await app.start(**start), otp="000000")
