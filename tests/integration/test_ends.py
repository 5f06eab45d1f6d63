"""What a removal, a reset or the end of all sign-ins ends, and what goes on (upstile profile §7, §8)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.nodes import Cluster, NodeProgram, Shared, cluster
from support.own_app import another_process, own_app
from support.totp import seed_in
from support.wire_driver import (
    Started,
    WireApp,
    enrolled_app,
    error_of,
    heard,
    new_key,
    with_passkey,
)
from upstile.server.authorization.ceremony._answer import Answers
from upstile.server.authorization.user._user_state import UserState
from upstile.server.fastapi import App, StepUp

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
CHANGE = {"scope": "authenticators", "max_age": "60"}


async def _ids(app: WireApp) -> dict[str, str]:
    """The authenticators by method."""
    return {entry["method"]: entry["id"] for entry in (await app.call("GET", PATH)).json()["authenticators"]}


async def _finder(app: WireApp) -> WireApp:
    """Somebody who found the phone and knows the password."""
    thief = WireApp(app.http, app.clock, key=new_key(), seed=app.seed, url=app.url)
    await thief.sign_in()
    return thief


async def _code(app: WireApp) -> tuple[Started, str]:
    """An authorization code that is not redeemed."""
    started = await app.start()
    reply = await app.answer(started, otp=app.code())
    app.clock.now += 30
    return started, str(reply.json()["authorization_code"])


@pytest.mark.requirement("profile-8-ends")
async def test_tokens_and_codes_of_a_removed_phone_are_dead_and_the_token_that_removed_it_goes_on(
    tmp_path: Path,
) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        thief = await _finder(app)
        stolen, (started, code) = await thief.elevate(), await _code(thief)
        token = await app.elevate(acr_values="phr", **CHANGE)
        ids = await _ids(app)
        assert (await app.call("DELETE", f"{PATH}/{ids['totp']}", token=token)).status_code == 204
        assert error_of(await thief.call("GET", "/balance", token=stolen)) == "invalid_token"
        assert (await thief.redeem(started, code)).json()["error"] == "invalid_grant"
        assert (await app.call("GET", "/balance", token=token)).status_code == 200
        renamed = await app.call("PATCH", f"{PATH}/{ids['webauthn']}", token=token, json={"name": "mine"})
        assert renamed.status_code == 200
        assert (await app.call("GET", "/balance")).status_code == 200  # base logins go on
        assert await app.elevate(acr_values="phr")


async def test_a_token_that_was_spared_once_is_ended_by_the_next_removal(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        first = await app.elevate(acr_values="phr", **CHANGE)
        assert (await app.call("DELETE", f"{PATH}/{(await _ids(app))['totp']}", token=first)).status_code == 204
        begun = await app.call("POST", PATH, token=first, json={"method": "totp", "name": "new phone"})
        assert begun.status_code == 201
        app.seed = _seed(begun.json())
        verify = f"{PATH}/{begun.json()['id']}/verify"
        assert (await app.call("POST", verify, token=first, json={"otp": app.code()})).status_code == 200
        second = await app.elevate(acr_values="phr", **CHANGE)
        assert (await app.call("DELETE", f"{PATH}/{(await _ids(app))['totp']}", token=second)).status_code == 204
        assert error_of(await app.call("GET", "/balance", token=first)) == "invalid_token"
        assert (await app.call("GET", "/balance", token=second)).status_code == 200


async def test_a_pending_entry_that_is_removed_ends_nothing(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        before = await app.elevate()
        token = await app.elevate(**CHANGE)
        begun = (await app.call("POST", PATH, token=token, json={"method": "totp", "name": "new"})).json()
        assert (await app.call("DELETE", f"{PATH}/{begun['id']}", token=token)).status_code == 204
        assert (await app.call("GET", "/balance", token=before)).status_code == 200


@pytest.mark.parametrize("how", ["removed", "signed out everywhere", "reset"])
async def test_an_open_ceremony_does_not_outlive_a_reset(tmp_path: Path, how: str) -> None:
    """Nor is an answer to it counted."""
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        server = another_process(tmp_path, app.clock)
        open_before = await app.start()
        if how == "removed":
            token = await app.elevate(acr_values="phr", **CHANGE)
            await app.call("DELETE", f"{PATH}/{(await _ids(app))['totp']}", token=token)
        elif how == "reset":
            await server.disable_authenticators("ada")
        else:
            await server.end_sessions("ada")
        for reply in (await app.answer(open_before, otp="000000"), await app.assert_passkey(open_before)):
            assert (reply.status_code, reply.json()["error"]) in {(400, "invalid_session"), (400, "invalid_grant")}
        await server._deployment.prepare()
        assert (await _counted(server, "ada")).unknown.wrong == 0
        await server._deployment.aclose()


async def test_a_ceremony_that_is_ended_while_its_answer_is_judged_yields_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with enrolled_app(tmp_path) as app:
        server, judge = another_process(tmp_path, app.clock), Answers._judge

        async def ended_meanwhile(answers: Answers, *claimed: Any) -> Any:
            await server.end_sessions("ada")
            return await judge(answers, *claimed)

        started = await app.start()
        monkeypatch.setattr(Answers, "_judge", ended_meanwhile)
        reply = await app.answer(started, otp=app.code())
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_session")
        await server._deployment.aclose()


async def test_a_stolen_login_does_not_outlive_the_password_reset(tmp_path: Path) -> None:
    """Whatever came before it is dead, whatever comes after it is alive, at one instant of the clock."""
    async with enrolled_app(tmp_path) as app:
        server = another_process(tmp_path, app.clock)
        thief = await _finder(app)
        elevated = await thief.elevate()
        started, code = await _code(thief)
        thief.token = await thief.sign_in()
        status = await server.end_sessions("ada", by="bob", reason="phished")
        assert (status.seen, status.authenticators) == (True, 1)
        owner = WireApp(app.http, app.clock, key=new_key(), seed=app.seed)
        await owner.sign_in()  # the clock has not moved
        await heard(thief)
        for dead in (thief.token, elevated):
            assert error_of(await thief.call("GET", "/balance", token=dead)) == "invalid_token"
        assert (await thief.redeem(started, code)).json()["error"] == "invalid_grant"
        assert (await thief.start()).reply.json()["error"] == "invalid_grant"
        assert (await owner.call("GET", "/balance")).status_code == 200
        assert await owner.elevate()
        await server._deployment.aclose()


async def test_a_stolen_login_begins_no_first_enrolment_once_it_was_ended(tmp_path: Path) -> None:
    """Not even at a node that has not heard of it yet: the account itself says so."""
    async with own_app(tmp_path) as app:
        server = another_process(tmp_path, app.clock)
        await app.sign_in()
        app.server._deployment._keepers[0].stop()  # it hears nothing
        await server.end_sessions("ada")
        begun = await app.call("POST", PATH, json={"method": "totp", "name": "thief's"})
        assert error_of(begun) == "invalid_token"
        await server._deployment.aclose()


async def test_all_keys_known_through_the_removed_authenticator_are_forgotten_and_no_others(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        phone = replace(app, key=new_key())
        await phone.sign_in()
        await phone.elevate()
        await app.enroll_passkey(await app.elevate(**CHANGE))
        token = await app.elevate(acr_values="phr", **CHANGE)
        ids = await _ids(app)
        before = (await _counted(app.server, "ada")).known
        assert sorted(key.authenticators for key in before.values()) == sorted([(ids["totp"],), (ids["webauthn"],)])
        await app.call("DELETE", f"{PATH}/{ids['totp']}", token=token)
        after = (await _counted(app.server, "ada")).known
        assert [key.authenticators for key in after.values()] == [(ids["webauthn"],)]


async def test_forgetting_the_keys_of_alice_never_meets_a_user_named_alice_bob(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in("alice bob")
        await app.enroll_totp()
        await app.elevate()
        for forget in (app.server.end_sessions, app.server.disable_authenticators, app.server.forget_user):
            await forget("alice")
        assert len((await _counted(app.server, "alice bob")).known) == 1
        assert (await app.call("GET", "/me")).status_code == 200
        assert await app.elevate()


async def test_a_removed_phone_is_dead_at_every_node_and_the_remover_goes_on_at_each(
    program: NodeProgram, shared: Shared
) -> None:
    """Two processes; the second one hears of ends late, and changes nothing for a token that has ended."""
    async with cluster(program, replace(shared, keeper=2.0), 2) as bank:
        app = await bank.enrolled_app()
        await with_passkey(app)
        here, there = bank.everywhere(app)
        thief = await _finder(app)
        stolen = await thief.elevate(**CHANGE)
        thief_there = bank.at(thief, 1)
        assert (await thief_there.call("GET", "/balance", token=stolen)).status_code == 200
        started, code = await _code(thief)
        ids, other = await _ids(app), await app.elevate(acr_values="phr", **CHANGE)
        token = await app.elevate(acr_values="phr", **CHANGE)
        assert (await here.call("DELETE", f"{PATH}/{ids['totp']}", token=token)).status_code == 204
        path = f"{PATH}/{ids['webauthn']}"
        assert error_of(await there.call("POST", f"{path}/open", token=other)) == "invalid_token"
        refused = await there.call("PATCH", path, token=other, json={"name": "thief's"})
        assert error_of(refused) == "invalid_token"
        assert (await there.call("PATCH", path, token=token, json={"name": "mine"})).status_code == 200
        assert (await thief_there.redeem(started, code)).json()["error"] == "invalid_grant"
        thief_there.token = stolen
        await heard(thief_there)
        for node in (here, there):
            assert (await node.call("GET", "/balance", token=token)).status_code == 200
        await _still_so_after_a_restart(program, bank, app, token, stolen)


async def _still_so_after_a_restart(program: NodeProgram, bank: Cluster, app: WireApp, token: str, dead: str) -> None:
    async with cluster(program, bank.shared, 1) as restarted:
        again = restarted.at(app, 0)
        assert (await again.call("GET", "/balance", token=token)).status_code == 200
        assert error_of(await again.call("GET", "/balance", token=dead)) == "invalid_token"


async def test_a_stolen_login_is_dead_at_every_process_after_the_reset(program: NodeProgram, shared: Shared) -> None:
    async with cluster(program, shared, 2) as bank:
        app = await bank.enrolled_app()
        token = app.token
        desk = _desk(shared)
        await desk.end_sessions("ada")
        await app.sign_in()
        for node in bank.everywhere(app):
            node.token = token
            await heard(node)
            assert error_of(await node.call("GET", "/balance")) == "invalid_token"
            node.token = app.token
            assert (await node.call("GET", "/balance")).status_code == 200
        await desk._deployment.aclose()


def _desk(shared: Shared) -> StepUp:
    """A process of its own, such as the command line."""
    return StepUp.embedded(
        url=shared.url,
        storage=shared.storage,
        one_time=shared.one_time,
        secret_keys=[shared.secret_keys],
        clients=[App("bank-cli", scopes={"payments"})],
        clock=shared.clock,
        allow_insecure_loopback=True,
    )


async def _counted(server: StepUp, subject: str) -> UserState:
    deployment = server._deployment
    key = deployment.own.names("user", subject)
    return UserState.read((await deployment.own.storage.one_time.get_many([key], deployment.clock())).get(key))


def _seed(begun: dict[str, Any]) -> bytes:
    return seed_in(str(begun["otpauth_uri"]).partition("secret=")[2].partition("&")[0])
