"""The password asked again: a factor beside others, counted, kept nowhere, and no key to anything alone."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.mailbox import Mailbox, enroll, start
from support.own_app import OwnApp, own_app
from support.wire_driver import Started, new_key, problem_of
from upstile.server.authorization.methods import _in_time
from upstile.server.methods import Check, EmailCode, Password, Totp

pytestmark = pytest.mark.anyio
SECRET = "Correct horse, 0O1l — Batterie"


def _check(user: str, password: str) -> bool:
    return (user, password) == ("ada", SECRET)


async def _answer_with(app: OwnApp, started: Started, password: str) -> httpx.Response:
    return await app.answer(started, authn_method="password", password=password)


def _methods(started: Started) -> list[str]:
    return [offer["method"] for offer in started.reply.json()["authn_methods"]]


async def test_beside_a_code_it_reaches_mfa_where_the_sign_in_lends_nothing(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[Totp(), Password(_check)], amr=()) as app:
        await app.sign_in()
        await app.enroll_totp()
        started = await start(app)
        assert _methods(started) == ["totp", "password"]
        step = await _answer_with(app, started, SECRET)
        assert (step.json()["result"], _methods(started)) == ("accepted", ["totp"])
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        assert (await app.redeem(started, code)).json()["acr"] == "mfa"


async def test_it_adds_nothing_to_a_sign_in_by_password(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[Totp(), Password(_check)]) as app:
        await app.sign_in()
        unmet = (await start(app)).reply.json()
        assert (unmet["error"], unmet["enrollable_methods"]) == ("unmet_authentication_requirements", ["totp"])
        await app.enroll_totp()
        assert _methods(await start(app)) == ["totp"]


async def test_a_plain_check_is_called_in_a_thread_and_an_async_one_is_awaited(tmp_path: Path) -> None:
    async def slow(user: str, password: str) -> bool:
        await asyncio.sleep(0.01)
        return _check(user, password)

    checks: list[Check] = [_check, slow]
    for number, check in enumerate(checks):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with own_app(folder, methods=[Password(check)]) as app:
            await app.sign_in()
            started = await start(app, acr_values=None)
            assert (await _answer_with(app, started, "wrong")).json()["attempts_left"] == 4
            assert "authorization_code" in (await _answer_with(app, started, SECRET)).json()


async def test_it_opens_no_enrolment_and_lowers_no_bar(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[Totp(), Password(_check)]) as app:
        await app.sign_in()
        await app.enroll_totp()
        thief = replace(app, key=new_key())
        await thief.sign_in()
        started = await start(thief, acr_values=None, scope="authenticators", max_age="60")
        code = (await _answer_with(thief, started, SECRET)).json()["authorization_code"]
        token = (await thief.redeem(started, code)).json()["access_token"]
        body = {"method": "totp", "name": "mine"}
        assert (await thief.call("POST", "/stepup/authenticators", token=token, json=body)).status_code == 401
        as_password = {**body, "method": "password"}
        assert (await thief.call("POST", "/stepup/authenticators", json=as_password)).status_code == 400


async def test_a_thief_who_knows_it_gets_no_new_guesses_at_codes_for_it(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[Totp(), Password(_check)], amr=()) as app:
        await app.sign_in()
        await app.enroll_totp()
        thief, judged = replace(app, key=new_key()), 0
        await thief.sign_in()
        for _ in range(4):
            started = await start(thief)
            if started.reply.status_code != 403:
                break
            assert (await _answer_with(thief, started, SECRET)).json().get("result") == "accepted"
            while started.reply.status_code == 403:
                wrong = await thief.answer(started, otp="a guess")
                judged += 1
                if wrong.status_code != 403:
                    break
        assert judged == 5  # and the sign-in is lost


async def test_the_right_password_makes_no_key_known(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[Totp(), Password(_check)]) as app:
        await app.sign_in()
        await app.enroll_totp()
        thief = replace(app, key=new_key())
        await thief.sign_in()
        started = await start(thief, acr_values=None)
        assert "authorization_code" in (await _answer_with(thief, started, SECRET)).json()
        stored = await app.server.export_user("ada")
        assert stored["counted"]["known"] == {}
        assert (stored["counted"]["unknown"]["wrong"], stored["counted"]["failures"]) == (0, {})


async def test_guesses_close_it_to_unknown_keys_until_it_is_opened_on_purpose(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[Totp(), Password(_check)]) as app:
        await app.sign_in()
        await app.enroll_totp()
        await app.elevate()  # the owner's key is known
        for _ in range(20):
            thief = replace(app, key=new_key())
            await thief.sign_in()
            started = await start(thief, acr_values=None)
            for _ in range(5):
                await _answer_with(thief, started, "guess")
            app.clock.now += 1000
        thief = replace(app, key=new_key())
        await thief.sign_in()
        assert _methods(await start(thief, acr_values=None)) == ["totp"]
        await app.sign_in()
        assert "password" in _methods(await start(app, acr_values=None))  # a known key
        listed = (await app.call("GET", "/stepup/authenticators")).json()["authenticators"]
        assert [(one["id"], one.get("closed")) for one in listed if one["method"] == "password"] == [("password", True)]
        token = await app.elevate(scope="authenticators", max_age="60")
        path = "/stepup/authenticators/password/open"
        assert (await thief.call("POST", path)).status_code == 401
        assert (await app.call("POST", path, token=token)).status_code == 200
        assert "password" in _methods(await start(thief, acr_values=None))


@pytest.mark.parametrize("how", ["raises", "hangs", "says neither"])
async def test_a_check_that_breaks_is_503_and_no_free_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    async def check(user: str, password: str) -> Any:
        if how == "hangs":
            await asyncio.Event().wait()
        if how == "raises":
            raise ConnectionError(f"no reply to https://directory.example/check?user={user}&password={password}")
        return object()

    monkeypatch.setattr(_in_time, "WITHIN", 0.05)
    async with own_app(tmp_path, methods=[Password(check)]) as app:
        await app.sign_in()
        for _ in range(5):
            started = await start(app, acr_values=None)
            broken = await _answer_with(app, started, SECRET)
            assert (broken.status_code, broken.json()["error"]) == (503, "temporarily_unavailable")
        assert (await start(app, acr_values=None)).reply.json()["error"] == "invalid_grant"
    assert SECRET not in caplog.text


async def test_a_password_of_10_000_characters_is_refused_and_never_checked(tmp_path: Path) -> None:
    seen: list[str] = []

    def check(user: str, password: str) -> bool:
        seen.append(password)
        return False

    async with own_app(tmp_path, methods=[Password(check)]) as app:
        await app.sign_in()
        started = await start(app, acr_values=None)
        for password in ("x" * 10_000, "", None):
            members = {} if password is None else {"password": password}
            refused = await app.answer(started, authn_method="password", **members)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
        assert seen == []
        assert (await _answer_with(app, started, "x" * 1000)).json()["attempts_left"] == 4
        assert len(seen) == 1


async def test_it_is_kept_and_logged_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with own_app(tmp_path, methods=[Password(_check)]) as app:
        await app.sign_in()
        started = await start(app, acr_values=None)
        await _answer_with(app, started, "Wrong one, 0O1l")
        form = app.answer_form(started, authn_method="password", password=SECRET)
        await app.post("/stepup/challenge", form)
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("bank.db*"))
    for password in ("Wrong one, 0O1l", SECRET):
        assert password.encode() not in raw
        assert password not in caplog.text


async def test_a_password_opens_no_closed_mailbox_and_opening_it_is_counted(tmp_path: Path) -> None:
    """A thief with the password, and a user with a mailbox alone: a hundred guesses are not to begin anew."""
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box), Password(lambda _, password: password == SECRET)]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        thief = replace(app, key=new_key())
        await thief.sign_in()
        started = await start(thief, acr_values=None, scope="authenticators", max_age="60")
        code = (await _answer_with(thief, started, SECRET)).json()["authorization_code"]
        token = (await thief.redeem(started, code)).json()["access_token"]
        for closed in (id, "password"):
            refused = await thief.call("POST", f"/stepup/authenticators/{closed}/open", token=token)
            assert problem_of(refused) == "first-enrolment"
