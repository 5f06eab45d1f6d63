"""What a hundred wrong codes closed is opened on purpose, by its owner or the help desk (upstile profile §7, §8)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.own_app import OwnApp, another_process, own_app
from support.wire_driver import WireApp, error_of, new_key, problem_of, with_passkey
from upstile.server import SecurityEvent, StorageUnavailable
from upstile.server.authorization.user._closing import Closings

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


async def guess_until_closed(app: OwnApp) -> OwnApp:
    """A thief with the password gives the hundred wrong codes; the thief's app."""
    thief = replace(app, key=new_key())
    for _ in range(20):
        await thief.sign_in()
        started = await thief.start(authn_methods_supported="totp")
        for _ in range(5):
            await thief.answer(started, otp="wrong")
        app.clock.now += 900
    return thief


async def _entry(app: WireApp, method: str = "totp") -> dict[str, Any]:
    entries: list[dict[str, Any]] = (await app.call("GET", PATH)).json()["authenticators"]
    return next(entry for entry in entries if entry["method"] == method)


async def _enrolled(app: OwnApp) -> None:
    await app.sign_in()
    assert (await app.enroll_totp()).status_code == 200


async def _new_device(app: OwnApp) -> OwnApp:
    device = replace(app, key=new_key())
    await device.sign_in()
    return device


@pytest.mark.requirement("profile-7-opened")
async def test_the_owner_opens_it_from_a_device_that_is_known(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append) as app:
        await _enrolled(app)
        await app.elevate()  # the key is known now
        assert "closed" not in await _entry(app)
        await guess_until_closed(app)
        entry = await _entry(app)
        assert (entry["state"], entry["closed"]) == ("active", True)
        device = await _new_device(app)
        assert (await device.start()).reply.json()["error"] == "unmet_authentication_requirements"
        token = await app.elevate(scope="authenticators", max_age="60")
        opened = await app.call("POST", f"{PATH}/{entry['id']}/open", token=token)
        assert (opened.status_code, opened.json()) == (200, await _entry(app))
        assert "closed" not in opened.json()
        assert await device.elevate()
        assert [event.method for event in told if event.kind == "authenticator-opened"] == ["totp"]


async def test_the_owner_opens_it_with_a_security_key_on_a_new_device(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await _enrolled(app)
        await with_passkey(app)
        await guess_until_closed(app)
        device = await _new_device(app)
        offers = (await device.start()).reply.json()["authn_methods"]
        assert [offer["method"] for offer in offers] == ["webauthn"]
        token = await device.elevate(acr_values="phr", scope="authenticators", max_age="60")
        path = f"{PATH}/{(await _entry(device))['id']}/open"
        assert (await device.call("POST", path, token=token)).status_code == 200
        device = replace(await _new_device(device), passkey=None)
        assert await device.elevate()


@pytest.mark.requirement("profile-7-opened")
async def test_a_thief_with_the_password_cannot_open_it(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await _enrolled(app)
        thief = await guess_until_closed(app)
        await thief.sign_in()
        path = f"{PATH}/{(await _entry(thief))['id']}/open"
        refused = await thief.call("POST", path)
        assert (refused.status_code, error_of(refused)) == (401, "insufficient_user_authentication")
        assert (refused.json()["acr_values"], refused.json()["max_age"]) == (["mfa"], 60)
        ended = (await thief.start(scope="authenticators", max_age="60")).reply.json()
        assert ended["error"] == "unmet_authentication_requirements"
        assert "enrollable_methods" not in ended
        assert (await _entry(thief))["closed"] is True


@pytest.mark.parametrize("counted", [False, True])
async def test_what_a_node_that_died_opened_by_half_is_shown_as_closed_and_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: bool
) -> None:
    """Shown as open, no app would offer to open it, and its count would still keep new devices out."""
    async with own_app(tmp_path) as app:
        await _enrolled(app)
        await app.elevate()  # the key is known now
        await guess_until_closed(app)
        await app.sign_in()
        path, token = (
            f"{PATH}/{(await _entry(app))['id']}/open",
            await app.elevate(scope="authenticators", max_age="60"),
        )
        real = Closings.forget_count

        async def dies(self: Closings, *args: Any) -> None:
            if counted:
                await real(self, *args)
            raise StorageUnavailable("gone")

        with monkeypatch.context() as dying:
            dying.setattr(Closings, "forget_count", dies)
            assert (await app.call("POST", path, token=token)).status_code == 503
        device = await _new_device(app)
        assert (await _entry(app))["closed"] is True
        assert (await device.start()).reply.json()["error"] == "unmet_authentication_requirements"
        assert (await app.call("POST", path, token=token)).status_code == 200
        assert await device.elevate()


async def test_a_proof_for_something_else_or_an_old_one_opens_nothing(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await _enrolled(app)
        await app.elevate()
        await guess_until_closed(app)
        await app.sign_in()
        path = f"{PATH}/{(await _entry(app))['id']}/open"
        payment = await app.elevate(max_age="60")
        assert (await app.call("POST", path, token=payment)).status_code == 403  # lacks the scope
        old = await app.elevate(scope="authenticators", max_age="60")
        app.clock.now += 61
        assert (await app.call("POST", path, token=old)).status_code == 401
        assert (await _entry(app))["closed"] is True


@pytest.mark.requirement("profile-7-opened")
async def test_a_success_elsewhere_opens_nothing_and_gives_no_guess_back(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await _enrolled(app)
        await with_passkey(app)
        await app.elevate()
        await guess_until_closed(app)
        await app.sign_in()
        await app.elevate()  # with the security key, from the known device
        app.passkey, passkey = None, app.passkey
        started = await app.start(authn_methods_supported="totp")  # with the closed one, from the known device
        assert (await app.answer(started, otp=app.code())).status_code == 200
        device = replace(await _new_device(app), passkey=passkey)
        assert await device.elevate()  # with the security key, from a new device
        assert (await _entry(app))["closed"] is True
        stranger = await _new_device(app)
        assert (await stranger.start(authn_methods_supported="totp")).reply.status_code == 400


async def test_the_help_desk_unlocks_at_once(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path) as app:
        server = another_process(tmp_path, app.clock, notify=told.append)
        await _enrolled(app)
        thief = await guess_until_closed(app)
        app.clock.now -= 900  # the last lock still runs
        await server.unlock("ada", reason="called back", by="desk 4")
        assert "closed" not in await _entry(thief)
        device = await _new_device(app)
        assert (await device.start()).reply.json()["attempts_left"] == 5
        assert await device.elevate()
        assert [(event.kind, event.reason, event.by) for event in told] == [("user-unlocked", "called back", "desk 4")]
        await server._deployment.aclose()


async def test_what_is_not_closed_may_be_opened_and_what_is_not_yours_may_not(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append) as app:
        await _enrolled(app)
        token = await app.elevate(scope="authenticators", max_age="60")
        opened = await app.call("POST", f"{PATH}/{(await _entry(app))['id']}/open", token=token)
        assert opened.status_code == 200
        assert "authenticator-opened" not in [event.kind for event in told]
        refused = await app.call("POST", f"{PATH}/another/open", token=token)
        assert (refused.status_code, problem_of(refused)) == (404, "not-found")
