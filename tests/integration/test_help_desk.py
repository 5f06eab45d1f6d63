"""What the application's help desk does for a person, and what it says of who is not there (upstile profile §7, §8)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.own_app import OwnApp, own_app
from support.wire_driver import error_of, new_key, problem_of, with_passkey
from upstile.server import ConfigurationError, SecurityEvent, UnknownUser
from upstile.server.storage import Account, User

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
UNSTORABLE = ["ada\0", "ada\ud800", "\udc00", "x" * 513]
"""Names that PostgreSQL does not keep, or that no database does."""
CALLS = ["disable_authenticators", "end_sessions", "unlock", "forget_user", "export_user", "enrolment_code"]


async def _enrolled(app: OwnApp) -> None:
    await app.sign_in()
    await app.enroll_totp()
    await app.elevate()


@pytest.mark.parametrize("call", CALLS)
async def test_a_name_that_nobody_has_is_refused_and_nothing_is_done(tmp_path: Path, call: str) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append, users=lambda name: name in {"ada", "new"}) as app:
        for misspelt in ("Ada ", "nobody"):
            with pytest.raises(UnknownUser, match="nothing was done"):
                await getattr(app.server, call)(misspelt)
        for senseless in ("", None, 7):
            with pytest.raises(ConfigurationError, match="must be a text that names the user"):
                await getattr(app.server, call)(senseless)
        for unstorable in UNSTORABLE:
            with pytest.raises(ConfigurationError, match="cannot be stored"):
                await getattr(app.server, call)(unstorable)
        assert told == []
        assert await getattr(app.server, call)("new")  # who exists, and has not been here yet


async def test_the_hook_may_be_a_coroutine_and_is_not_asked_of_whom_the_server_knows(tmp_path: Path) -> None:
    asked: list[str] = []

    async def users(name: str) -> bool:
        asked.append(name)
        return False

    async with own_app(tmp_path, users=users) as app:
        await app.sign_in()
        await app.server.end_sessions("ada")  # the application has deleted her already
        with pytest.raises(UnknownUser):
            await app.server.end_sessions("eve")
        assert asked == ["eve"]


async def test_without_the_hook_each_call_says_whether_the_user_was_seen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        for call in ("disable_authenticators", "end_sessions", "unlock", "forget_user"):
            assert not (await getattr(app.server, call)("Ada ")).seen
        assert not (await app.server.export_user("Ada "))["seen"]
        await app.server.enrolment_code("Ada ")
        assert caplog.text.count("'Ada ', whom this server has never seen") == 6
        assert (await app.server.unlock("ada")).seen


async def test_a_help_desk_opens_what_a_thief_closed_and_ends_the_lock(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append) as app:
        await _enrolled(app)
        thief = replace(app, key=new_key())
        for _ in range(20):
            await thief.sign_in()
            started = await thief.start()
            for _ in range(5):
                await thief.answer(started, otp="wrong")
            app.clock.now += 900
        newcomer = replace(app, key=new_key())
        await newcomer.sign_in()
        assert (await newcomer.start()).reply.json()["error"] == "unmet_authentication_requirements"
        app.clock.now -= 899  # the last lock is still in force
        status = await app.server.unlock("ada", by="bob", reason="new laptop")
        assert (status.seen, status.authenticators) == (True, 1)
        await newcomer.sign_in()
        assert await newcomer.elevate()
        event = next(event for event in told if event.kind == "user-unlocked")
        assert (event.by, event.reason, event.user) == ("bob", "new laptop", User(app.url, "ada"))


async def test_a_forgotten_user_has_nothing_left_and_may_come_back_at_once(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await _enrolled(app)
        elevated, open_before = await app.elevate(), await app.start()
        await app.server.forget_user("ada")
        for dead in (app.token, elevated):
            assert error_of(await app.call("GET", "/me", token=dead)) == "invalid_token"
        assert (await app.answer(open_before, otp=app.code())).json()["error"] == "invalid_grant"
        assert not (await app.server.export_user("ada"))["authenticators"]
        durable = app.server._deployment.own.storage.durable
        assert await durable.account(User(app.url, "ada")) == Account(user=User(app.url, "ada"))
        await _enrolled(app)
        assert (await app.call("GET", "/me")).status_code == 200
        assert error_of(await app.call("GET", "/me", token=elevated)) == "invalid_token"


@pytest.mark.parametrize("hours", [1, 12.5, 13.5, 20, 2200])
async def test_who_was_forgotten_and_comes_back_is_served_whenever(tmp_path: Path, hours: float) -> None:
    """What is dead by its number must not be confused with what begins anew."""
    async with own_app(tmp_path) as app:
        for _ in range(2):
            await _enrolled(app)
            await app.server.end_sessions("ada")
            await app.server.forget_user("ada")
            app.clock.now += hours * 3600
            app.server._deployment.own.revocations._pruned_at = -1000
            app.server._deployment.own.revocations.look(app.clock())
            app.server._deployment.own.storage.durable.tidy(app.clock())
        await _enrolled(app)
        app.clock.now += 14 * 3600
        await app.sign_in()
        assert await app.elevate(acr_values=None)


async def test_an_export_holds_all_that_is_stored_and_no_secret(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await _enrolled(app)
        await app.enroll_passkey(await app.elevate(scope="authenticators", max_age="60"))
        stored = await app.server.export_user("ada", by="bob", reason="Art. 15")
        text = json.dumps(stored)
        account = await app.server._deployment.own.storage.durable.account(User(app.url, "ada"))
        assert {entry["id"] for entry in stored["authenticators"]} == {record.id for record in account.authenticators}
        data: dict[str, Any] = {entry["method"]: entry["data"] for entry in stored["authenticators"]}
        assert (data["totp"], sorted(data["webauthn"])) == (
            {},
            ["aaguid", "backed_up", "device_type", "id", "public_key"],
        )
        seed = next(record.data["seed"] for record in account.authenticators if record.method == "totp")
        assert seed not in text
        assert len(stored["counted"]["known"]) == 1


@pytest.mark.parametrize("end", ["end_sessions", "disable_authenticators", "forget_user"])
async def test_an_enrolment_code_that_was_talked_out_of_the_help_desk_does_not_outlive_the_reset(
    tmp_path: Path, end: str
) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        talked_out = await app.server.enrolment_code("ada")
        await getattr(app.server, end)("ada")
        await app.sign_in()  # the thief knows the password
        assert problem_of(await app.enroll_totp(enrolment_code=talked_out)) == "first-enrolment"
        code = await app.server.enrolment_code("ada")
        assert (await app.enroll_totp(enrolment_code=code)).status_code == 200


async def test_a_key_that_a_reset_took_out_of_use_can_be_enrolled_anew(tmp_path: Path) -> None:
    """An authenticator makes no second credential where one of its own is excluded (WebAuthn §6.3.2)."""
    async with own_app(tmp_path) as app:
        await _enrolled(app)
        await with_passkey(app)
        await app.server.disable_authenticators("ada")
        code = await app.server.enrolment_code("ada")
        await app.sign_in()
        begun = await app.call("POST", PATH, json={"method": "webauthn", "name": "key", "enrolment_code": code})
        assert not begun.json()["options"].get("excludeCredentials")
