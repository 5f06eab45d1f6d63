"""What is enrolled changes between the judging of a change and its writing (upstile profile §8)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.wire_driver import WireApp, bank_app, enrolled_app, error_of, new_key, with_passkey
from upstile.server.authorization.user._ends import Ends

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("profile-8-bar")]
PATH = "/stepup/authenticators"
CHANGE = {"scope": "authenticators", "max_age": "60"}
NEW = {"method": "totp", "name": "new"}


def _before_it_is_written(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[object]]) -> None:
    """Let something else happen once the next change of a user's authenticators has been judged."""
    real = Ends.change

    async def late(self: Ends, *args: Any) -> Any:
        monkeypatch.setattr(Ends, "change", real)
        await act()
        return await real(self, *args)

    monkeypatch.setattr(Ends, "change", late)


async def _thief(app: WireApp) -> WireApp:
    thief = replace(app, key=new_key(), passkey=None)
    await thief.sign_in()
    return thief


async def _entries(app: WireApp) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in (await app.call("GET", PATH)).json()["authenticators"]}


@pytest.mark.parametrize("verb", ["PATCH", "DELETE", "POST"])
async def test_a_sign_in_changes_nothing_once_something_is_enrolled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Of a thief who knows the password, while the owner finishes."""
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        thief = await _thief(app)
        own = (await thief.call("POST", PATH, json=NEW)).json()["id"]
        path, body = f"{PATH}/{own}", {"name": "named by the thief"}
        if verb == "POST":
            path, body = PATH, NEW
        _before_it_is_written(monkeypatch, app.enroll_totp)
        refused = await thief.call(verb, path, json=None if verb == "DELETE" else body)
        assert (refused.status_code, error_of(refused)) == (401, "insufficient_user_authentication")
        assert {(entry["name"], entry["state"]) for entry in (await _entries(app)).values()} == {("phone", "active")}


@pytest.mark.parametrize("verb", ["PATCH", "DELETE", "POST", "open"])
async def test_a_code_changes_nothing_once_a_security_key_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    async with enrolled_app(tmp_path) as app:
        thief, phone = await _thief(app), next(iter(await _entries(app)))
        stolen = await thief.elevate(**CHANGE)
        app.clock.now += 30
        _before_it_is_written(monkeypatch, lambda: with_passkey(app))
        body = NEW if verb == "POST" else {"name": "named by the thief"} if verb == "PATCH" else None
        path = {"POST": PATH, "open": f"{PATH}/{phone}/open"}.get(verb, f"{PATH}/{phone}")
        refused = await thief.call("POST" if verb == "open" else verb, path, token=stolen, json=body)
        assert (refused.status_code, error_of(refused)) == (401, "insufficient_user_authentication")
        assert 'acr_values="phr"' in refused.headers["www-authenticate"]
        assert {entry["name"] for entry in (await _entries(app)).values()} == {"phone", "blue key"}


async def test_who_reaches_the_bar_that_holds_by_then_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner, who removes the security key and renames the phone at once."""
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        token = await app.elevate(acr_values="phr", **CHANGE)
        ids = {entry["method"]: id for id, entry in (await _entries(app)).items()}

        async def remove() -> None:
            assert (await app.call("DELETE", f"{PATH}/{ids['webauthn']}", token=token)).status_code == 204

        _before_it_is_written(monkeypatch, remove)
        renamed = await app.call("PATCH", f"{PATH}/{ids['totp']}", token=token, json={"name": "mine"})
        assert (renamed.status_code, renamed.json()["name"]) == (200, "mine")
