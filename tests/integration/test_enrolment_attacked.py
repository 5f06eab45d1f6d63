"""Enrolment under attack and under bad luck: races, mistakes, a thief who was there first."""

import asyncio
from pathlib import Path
from typing import Any

import jwt
import pytest

from support.nodes import NodeProgram, Shared, cluster
from support.own_app import another_process
from support.tokens import mint
from support.totp import seed_in
from support.wire_driver import (
    Passkey,
    WireApp,
    bank_app,
    enrolled_app,
    error_of,
    heard,
    new_key,
    problem_of,
    thumbprint,
)
from upstile.server import StorageUnavailable
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


async def _begin(app: WireApp, method: str = "totp", **extra: Any) -> dict[str, Any]:
    reply = await app.call("POST", PATH, json={"method": method, "name": "new", **extra})
    assert reply.status_code == 201, reply.text
    members: dict[str, Any] = reply.json()
    return members


async def _states(app: WireApp) -> list[str]:
    return [entry["state"] for entry in (await app.call("GET", PATH)).json()["authenticators"]]


@pytest.mark.requirement("profile-8-first")
async def test_who_began_a_first_enrolment_cannot_finish_it_as_a_second_one(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        thief = WireApp(app.http, app.clock, key=new_key())
        await thief.sign_in()  # knows the password
        begun = await _begin(thief, "webauthn")
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        proof = {"registration_response": Passkey().register(begun["options"])}
        reply = await thief.call("POST", f"{PATH}/{begun['id']}/verify", json=proof)
        assert (reply.status_code, problem_of(reply)) == (404, "not-found")
        assert await _states(app) == ["active"]


@pytest.mark.parametrize("method", ["totp", "webauthn"])
async def test_of_many_verifications_at_once_one_activates_and_none_removes(
    program: NodeProgram, shared: Shared, method: str
) -> None:
    async with cluster(program, shared) as bank:
        app = bank.new_app()
        await app.sign_in()
        begun = await _begin(app, method)
        if method == "totp":
            app.seed = _seed(begun)
            proof: dict[str, Any] = {"otp": app.code()}
        else:
            proof = {"registration_response": Passkey().register(begun["options"])}
        path, everywhere = f"{PATH}/{begun['id']}/verify", bank.everywhere(app)
        calls = (everywhere[n % 3].call("POST", path, json=proof) for n in range(16))
        statuses = [reply.status_code for reply in await asyncio.gather(*calls)]
        assert statuses.count(200) == 1
        assert not set(statuses) & {500, 503}
        assert await _states(app) == ["active"]


def _seed(begun: dict[str, Any]) -> bytes:
    return seed_in(str(begun["otpauth_uri"]).partition("secret=")[2].partition("&")[0])


async def test_a_proof_without_its_member_is_not_counted(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        begun = await _begin(app)
        app.seed = _seed(begun)
        path = f"{PATH}/{begun['id']}/verify"
        for _ in range(8):
            assert (await app.call("POST", path, json={})).status_code == 400
        assert (await app.call("POST", path, json={"otp": app.code()})).status_code == 200


async def test_an_enrolment_code_survives_a_mistake_and_another_users_try(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        server = another_process(tmp_path, app.clock)
        await app.sign_in()
        app.clock.now += 601  # too late to enrol without a code
        code = await server.enrolment_code("ada")
        mistaken = await app.call("POST", PATH, json={"method": "pigeon", "name": "x", "enrolment_code": code})
        assert (mistaken.status_code, problem_of(mistaken)) == (400, "invalid-request")
        eve = WireApp(app.http, app.clock)
        eve.token = await mint(tmp_path, await _claims_of_eve(app, eve))
        reply = await eve.call("POST", PATH, json={"method": "totp", "name": "x", "enrolment_code": code})
        assert problem_of(reply) == "first-enrolment"
        assert (await app.enroll_totp(enrolment_code=code)).status_code == 200
        assert problem_of(await app.enroll_totp(enrolment_code=code)) == "first-enrolment"  # it is used up
        assert problem_of(await app.enroll_totp()) == "insufficient-user-authentication"
        await server._deployment.aclose()


async def test_the_help_desk_ends_what_was_lost_and_hands_out_a_code(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        told: list[str] = []
        server = another_process(tmp_path, app.clock, notify=lambda event: told.append(event.kind))
        elevated = await app.elevate(max_age="3600")
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        thief = WireApp(app.http, app.clock, key=new_key())
        await thief.sign_in()  # knows the password
        app.clock.now += 1
        await server.disable_authenticators("ada")
        await heard(app)
        for dead, owner in ((app.token, app), (elevated, app), (thief.token, thief)):
            assert error_of(await owner.call("GET", "/balance", token=dead)) == "invalid_token"
        assert (await app.redeem(started, code)).json()["error"] == "invalid_grant"
        assert (await app.start()).reply.json()["error"] == "invalid_grant"
        await thief.sign_in()
        assert problem_of(await thief.enroll_totp()) == "first-enrolment"
        await app.sign_in()
        assert await _states(app) == ["disabled"]
        enrolment_code = await server.enrolment_code("ada")
        assert (await app.enroll_totp(enrolment_code=enrolment_code)).status_code == 200
        assert await app.elevate()
        assert told == ["authenticator-disabled", "enrolment-code-issued"]
        await server._deployment.aclose()


async def test_the_lost_devices_key_is_no_known_key_any_more(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        server = another_process(tmp_path, app.clock)
        await app.elevate()  # the key is known now
        app.clock.now += 1
        await server.disable_authenticators("ada")
        code = await server.enrolment_code("ada")
        await heard(app)
        owner = WireApp(app.http, app.clock, key=new_key())
        await owner.sign_in()
        assert (await owner.enroll_totp(enrolment_code=code)).status_code == 200
        await app.sign_in()  # the thief, with the lost device and the password
        for _ in range(5):
            await app.answer(await app.start(), otp="000000")
        app.clock.now += 30
        assert (await app.start()).reply.json()["error"] == "invalid_grant"
        await server._deployment.aclose()


async def test_an_enrolment_code_survives_a_storage_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bank_app(tmp_path) as app:
        server = another_process(tmp_path, app.clock)
        await app.sign_in()
        app.clock.now += 601
        code = await server.enrolment_code("ada")
        with monkeypatch.context() as broken:
            broken.setattr(SqliteStore, "change_account", _out_of_reach)
            reply = await app.call("POST", PATH, json={"method": "totp", "name": "x", "enrolment_code": code})
            assert reply.status_code == 503
        assert (await app.enroll_totp(enrolment_code=code)).status_code == 200
        await server._deployment.aclose()


async def _out_of_reach(store: SqliteStore, *change: object, spared: str | None = None) -> None:
    raise StorageUnavailable("gone")


async def _claims_of_eve(app: WireApp, eve: WireApp) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(app.token, options={"verify_signature": False})
    return {**claims, "sub": "eve", "cnf": {"jkt": thumbprint(eve.key)}, "jti": "eves"}
