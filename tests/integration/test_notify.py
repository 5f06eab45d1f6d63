"""The deployment's hook is told of every attempt, success, change and lock (README, upstile profile §8)."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from support.own_app import OwnApp, own_app
from support.wire_driver import URL, new_key
from upstile.server import SecurityEvent
from upstile.server.storage import User

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


async def test_every_change_of_the_authenticators_is_notified(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append) as app:
        await app.sign_in()
        await app.server.enrolment_code("ada")
        phone = (await app.enroll_totp()).json()["id"]
        await app.enroll_passkey(await app.elevate(scope="authenticators", max_age="60"))
        token = await app.elevate(acr_values="phr", scope="authenticators", max_age="60")
        await app.call("PATCH", f"{PATH}/{phone}", token=token, json={"name": "mine"})
        await app.call("DELETE", f"{PATH}/{phone}", token=token)
        assert {event.user for event in told} == {User(URL, "ada")}
        assert [(e.kind, e.method, e.client_id) for e in told if "enrol" in e.kind or "authenticator" in e.kind] == [
            ("enrolment-code-issued", None, None),
            ("enrolment-begun", "totp", "bank-cli"),
            ("authenticator-added", "totp", "bank-cli"),
            ("enrolment-begun", "webauthn", "bank-cli"),
            ("authenticator-added", "webauthn", "bank-cli"),
            ("authenticator-renamed", "totp", "bank-cli"),
            ("authenticator-removed", "totp", "bank-cli"),
        ]
        assert told[-1].at == app.clock()


async def test_every_attempt_success_and_lock_is_notified(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append) as app:
        await app.sign_in()
        await app.enroll_totp()
        started = await app.start()
        await app.answer(started, otp="wrong")
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        for _ in range(2):
            await app.redeem(started, code)
        app.clock.now += 30
        await _five_wrong_answers(app)
        assert [event.kind for event in told] == [
            "login",
            "enrolment-begun",
            "authenticator-added",
            "ceremony-started",
            "answer-rejected",
            "ceremony-succeeded",
            "device-known",
            "token-issued",
            "code-replayed",
            "ceremony-started",
            *["answer-rejected"] * 5,
            "answer-locked",
        ]


async def test_a_hundred_wrong_answers_by_unknown_keys_close_the_authenticator_to_them_and_are_notified(
    tmp_path: Path,
) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append) as app:
        await app.sign_in()
        await app.enroll_totp()
        await app.elevate()  # the owner's key is known now
        thief = replace(app, key=new_key())
        for _ in range(20):
            assert not _closed(told)
            await thief.sign_in()  # knows the password
            await _five_wrong_answers(thief)
            app.clock.now += 900
        assert _closed(told) == [("totp", "ada")]
        await thief.sign_in()
        refused = (await thief.start()).reply.json()
        assert refused["error"] == "unmet_authentication_requirements"
        assert "enrollable_methods" not in refused  # to enrol another one would not open this one
        assert await app.elevate()
        assert await _states(app) == ["active"]


def _closed(told: list[SecurityEvent]) -> list[tuple[str | None, str]]:
    return [
        (event.method, event.user.subject if event.user else "")
        for event in told
        if event.kind == "authenticator-closed"
    ]


async def test_a_hook_may_be_a_coroutine_and_is_waited_for(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []

    async def notify(event: SecurityEvent) -> None:
        told.append(event)

    async with own_app(tmp_path, notify=notify) as app:
        await app.sign_in()
    assert [event.kind for event in told] == ["login"]


async def test_a_hook_that_fails_is_logged_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def notify(_: SecurityEvent) -> None:
        raise RuntimeError("the mail server is down")

    async with own_app(tmp_path, notify=notify) as app:
        await app.sign_in()
        assert (await app.call("GET", "/me")).json() == "ada"
    failed = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.name for record in failed] == ["upstile.server.audit"]


async def _five_wrong_answers(app: OwnApp) -> None:
    started = await app.start()
    replies = [await app.answer(started, otp="wrong") for _ in range(5)]
    assert [reply.status_code for reply in replies] == [403] * 4 + [429]


async def _states(app: OwnApp) -> list[str]:
    return [entry["state"] for entry in (await app.call("GET", PATH)).json()["authenticators"]]
