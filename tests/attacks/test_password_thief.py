"""The permanent lock by a password thief: whatever it counts up, the owner goes on, and opens again what was closed."""

from dataclasses import replace
from pathlib import Path

import pytest

from attacks.guessing import guess, guess_until_closed, scene
from support.own_app import OwnApp
from support.wire_driver import new_key

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


async def _on_a_new_machine(app: OwnApp) -> OwnApp:
    app = replace(app, key=new_key())
    await app.sign_in()
    return app


@pytest.mark.requirement("profile-7-opened")
async def test_a_password_thief_locks_nobody_out_for_good(tmp_path: Path) -> None:
    async with scene(tmp_path) as on:
        tally = await guess_until_closed(on)
        assert tally.always_served
        stranger = await _on_a_new_machine(on.known)
        ended = (await stranger.start(authn_methods_supported="totp")).reply.json()
        assert ended["error"] == "unmet_authentication_requirements"
        assert "devices that you have used before" in ended["detail"]

        owner = replace(on.new, key=new_key())
        await owner.sign_in()
        entries = (await owner.call("GET", PATH)).json()["authenticators"]
        (closed,) = [entry["id"] for entry in entries if entry.get("closed")]
        token = await owner.elevate(acr_values="phr", scope="authenticators", max_age="60")
        assert (await owner.call("POST", f"{PATH}/{closed}/open", token=token)).status_code == 200
        assert await (await _on_a_new_machine(on.known)).elevate()


async def test_the_thief_has_another_hundred_after_that_and_no_more(tmp_path: Path) -> None:
    async with scene(tmp_path) as on:
        await guess_until_closed(on)
        assert on.tally.judged == 100
        await guess(on, 20, owner_every=10)
        assert on.tally.judged == 100
        await on.known.server.unlock("ada")
        await guess_until_closed(on)
        assert on.tally.judged == 200
        assert on.tally.always_served
