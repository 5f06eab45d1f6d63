"""The way back by mail: a day of waiting, told everywhere, cancelled by whoever has not lost everything."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from support.lost import HOUR, PATH, PHONE, Lost, lost
from support.mailbox import ADDRESS, Mailbox, answer, enroll, send, start
from support.own_app import own_app
from support.wire_driver import error_of, new_key, problem_of
from upstile.server.authorization.methods import _code_message
from upstile.server.methods import EmailCode, Totp

pytestmark = pytest.mark.anyio


async def test_who_lost_everything_enrols_anew_a_day_later_and_all_else_is_out_of_use(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        elevated = await ada.known.elevate()
        code = await ada.mailed()
        begun = await ada.begin(code)
        assert begun.status_code == 201, begun.text
        before = await _states(ada)
        assert before == ["active", "active", "active", "pending"]  # nothing is lost until the new one works
        assert (await ada.confirm(begun)).json()["state"] == "active"
        for dead in (ada.app.token, ada.known.token, elevated):
            assert error_of(await ada.app.call("GET", "/me", token=dead)) == "invalid_token"
        await ada.app.sign_in()
        assert await _states(ada) == ["disabled", "disabled", "disabled", "active"]
        ada.app.clock.now += 30
        assert await ada.app.elevate()
        await ada.known.sign_in()  # its key is not known any more
        locked = [(await ada.known.answer(await ada.known.start(), otp="wrong")).json()["attempts_left"] for _ in "ab"]
        await ada.app.sign_in()
        fresh = replace(ada.app, key=new_key())
        await fresh.sign_in()
        shared = (await fresh.answer(await fresh.start(), otp="wrong")).json()["attempts_left"]
        assert (locked, shared) == ([4, 3], 2)  # all on the side of unknown keys
        assert ada.kinds() == ["restore-asked", "restore-code-sent", "account-restored"]
        stored = str(await ada.app.server.export_user("ada"))
        assert code not in stored
        assert "'restore'" not in stored


async def _states(ada: Lost) -> list[str]:
    listed = (await ada.app.call("GET", PATH)).json()["authenticators"]
    return [entry["state"] for entry in listed]


async def test_all_destinations_are_told_at_once_and_the_code_goes_to_one(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        before = len(ada.box.messages)
        await ada.mailed()
        told = ada.box.messages[before:]
        assert [(m.destination, m.purpose) for m in told[:2]] == [(ADDRESS, "restore-asked"), (PHONE, "restore-asked")]
        assert [(m.code, m.expires_in, m.requested_at) for m in told[:2]] == [
            ("", 24 * HOUR, ada.app.clock.now - 24 * HOUR)
        ] * 2
        assert [(m.destination, m.purpose, m.expires_in) for m in told[2:]] == [(ADDRESS, "restore", 600)]


async def test_without_the_option_nobody_gets_a_code(tmp_path: Path) -> None:
    async with lost(tmp_path, mail_alone_restores=False) as ada:
        assert problem_of(await ada.ask()) == "invalid-request"


async def test_a_phone_number_never_restores_and_another_users_mail_is_not_found(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        await ada.app.sign_in()
        listed = (await ada.app.call("GET", PATH)).json()["authenticators"]
        others = [entry["id"] for entry in listed if entry["id"] != ada.mail]
        assert len(others) == 2
        for id in others:
            assert problem_of(await ada.app.call("POST", f"{PATH}/{id}/restore")) == "invalid-request"
        await ada.app.sign_in("eve")
        assert problem_of(await ada.app.call("POST", f"{PATH}/{ada.mail}/restore")) == "not-found"


@pytest.mark.parametrize("how", ["stale", "unbound", "elevated"])
async def test_only_a_fresh_sign_in_by_an_app_that_proves_its_key_may_ask(tmp_path: Path, how: str) -> None:
    async with lost(tmp_path) as ada:
        token = await ada.app.sign_in()
        if how == "stale":
            ada.app.clock.now += 601
        if how == "unbound":
            token = (await ada.app.server.start_session("ada", amr=["pwd"], client_id="bank-cli")).access_token
        if how == "elevated":
            await ada.known.sign_in()
            ada.app.key, token = ada.known.key, await ada.known.elevate()
        headers = {"Authorization": f"Bearer {token}"}
        path = f"{PATH}/{ada.mail}/restore"
        refused = await (
            ada.app.http.post(path, headers=headers) if how == "unbound" else ada.app.call("POST", path, token=token)
        )
        assert problem_of(refused) == "first-enrolment"
        assert not ada.kinds()


async def test_where_nothing_enrolled_is_in_the_way_there_is_nothing_to_restore(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[Totp(), EmailCode(box, mail_alone_restores=True)]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        assert problem_of(await app.call("POST", f"{PATH}/{id}/restore")) == "invalid-request"
        assert (await app.enroll_totp()).status_code == 200


async def test_nobody_waits_less_than_a_day_and_a_way_back_lapses_after_three(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        await ada.ask()
        messages = len(ada.box.messages)
        ada.app.clock.now += 24 * HOUR - 1
        assert (await ada.ask()).json() == {"id": ada.mail, "state": "waiting", "sent_in": 1}
        assert len(ada.box.messages) == messages  # asking again tells nobody again
        ada.app.clock.now += 48 * HOUR + 1
        assert (await ada.ask()).json()["sent_in"] == 24 * HOUR
        assert ada.kinds() == ["restore-asked"] * 2


async def test_a_sign_in_with_a_known_key_cancels_and_a_day_goes_by_before_the_next(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        await ada.ask()
        await ada.known.sign_in()
        assert ada.kinds() == ["restore-asked", "restore-cancelled"]
        refused = await ada.ask()
        assert (problem_of(refused), refused.headers["retry-after"]) == ("slow-down", str(24 * HOUR))
        ada.app.clock.now += 24 * HOUR
        assert (await ada.ask()).json()["state"] == "waiting"


async def test_the_known_key_that_asked_comes_back_for_its_code(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        await ada.ask(ada.known)
        ada.app.clock.now += 24 * HOUR
        assert (await ada.ask(ada.known)).json()["state"] == "sent"


async def test_a_proof_cancels_whoever_asked_and_voids_the_code_and_what_it_let_begin(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        code = await ada.mailed()
        begun = await ada.begin(code)
        owner = replace(ada.known, key=new_key())  # not known, but with the authenticator app
        await owner.sign_in()
        await owner.elevate()
        assert ada.kinds()[-1] == "restore-cancelled"
        assert problem_of(await ada.confirm(begun)) == "not-found"
        assert problem_of(await ada.begin(code)) == "first-enrolment"
        assert (await _states(ada)) == ["active"] * 3


async def test_a_mailed_code_that_reaches_nothing_cancels_nothing_for_a_stranger(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        await ada.ask()
        for app, kinds in ((ada.app, ["restore-asked"]), (ada.known, ["restore-asked", "restore-cancelled"])):
            started = await start(app, acr_values=None)
            await send(app, started, ada.mail)
            assert (await answer(app, started, ada.mail, ada.box.code)).status_code == 200
            assert ada.kinds() == kinds


@pytest.mark.parametrize("call", ["end_sessions", "disable_authenticators"])
async def test_the_help_desk_ends_it(tmp_path: Path, call: str) -> None:
    async with lost(tmp_path) as ada:
        begun = await ada.begin(await ada.mailed())
        await ada.ask()
        code = ada.box.code
        await getattr(ada.app.server, call)("ada")
        await ada.app.sign_in()
        assert problem_of(await ada.begin(code)) == "first-enrolment"
        assert problem_of(await ada.confirm(begun)) == "not-found"


async def test_a_code_is_good_once_for_ten_minutes_for_its_user_and_the_next_one_voids_it(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        first = await ada.mailed()
        assert (await ada.ask()).json()["state"] == "sent"
        second = ada.box.code
        assert problem_of(await ada.begin(first)) == "first-enrolment"
        eve = replace(ada.app, key=new_key())
        await eve.sign_in("eve")
        assert problem_of(await ada.begin(second, eve)) == "first-enrolment"
        replies = await asyncio.gather(*(ada.begin(second.lower()) for _ in range(4)))
        assert sorted(reply.status_code for reply in replies) == [201, 403, 403, 403]
        await ada.ask()
        ada.app.clock.now += 600
        assert problem_of(await ada.begin(ada.box.code)) == "first-enrolment"


async def test_a_code_serves_with_a_fresh_sign_in_alone(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        await ada.ask()
        ada.app.clock.now += 24 * HOUR - 601
        old = await ada.app.sign_in()
        ada.app.clock.now += 601
        await ada.ask()
        code = ada.box.code
        elsewhere = replace(ada.app, token=old)
        assert problem_of(await ada.begin(code, elsewhere)) == "first-enrolment"
        assert (await ada.begin(code)).status_code == 201


@pytest.mark.parametrize("fault", ["raises", "hangs"])
async def test_nothing_begins_that_not_everybody_can_be_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    monkeypatch.setattr(_code_message, "DELIVER_WITHIN", 0.05)
    async with lost(tmp_path) as ada:
        ada.box.fault = fault
        assert problem_of(await ada.ask()) == "not-sent"
        ada.box.fault = None
        code = await ada.mailed()  # nothing had begun
        assert ada.kinds().count("restore-asked") == 1
        ada.box.fault = fault
        assert problem_of(await ada.ask()) == "not-sent"
        assert ada.box.tried[-1] not in caplog.text
        assert (await ada.begin(code)).status_code == 201  # the one before stays good


async def test_codes_are_limited_as_all_that_is_sent(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        await ada.mailed()
        replies = [await ada.ask() for _ in range(5)]
        assert [reply.status_code for reply in replies] == [202, 202, 202, 202, 429]


@pytest.mark.parametrize("late", [-30, 30])
async def test_a_known_device_cancels_what_a_code_of_the_last_moment_let_begin(tmp_path: Path, late: int) -> None:
    """The code ends after three days, and what it let begin ten minutes later."""
    async with lost(tmp_path) as thief:
        begin = thief.app.clock.now
        await thief.ask()
        thief.app.clock.now = begin + 72 * HOUR - 120
        assert (await thief.ask()).json()["state"] == "sent"
        begun = await thief.begin(thief.box.code)
        thief.app.clock.now = begin + 72 * HOUR + late
        await thief.known.sign_in()
        thief.app.clock.now = begin + 72 * HOUR + 300
        assert problem_of(await thief.confirm(begun)) == "not-found"


async def test_asking_for_another_destination_voids_no_code_of_the_owner(tmp_path: Path) -> None:
    """Whoever knows the password could do so every day."""
    async with lost(tmp_path) as ada:
        token = await ada.known.elevate(scope="authenticators", max_age="60")
        second = await enroll(ada.known, ada.box, "ada@work.example", token=token)
        thief = replace(ada.app, key=new_key())
        ada.app.clock.now += HOUR
        begun = await ada.begin(await ada.mailed())
        await thief.sign_in()
        assert problem_of(await thief.call("POST", f"{PATH}/{second}/restore")) == "slow-down"
        assert (await ada.confirm(begun)).json()["state"] == "active"
