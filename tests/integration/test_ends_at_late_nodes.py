"""Ends that a node has not heard of yet, or that another one has not finished (upstile profile §7, §8)."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from support.own_app import another_process
from support.tokens import claims_of
from support.wire_driver import WireApp, bank_app, enrolled_app, error_of, new_key, thumbprint, with_passkey
from upstile.server import StorageUnavailable
from upstile.server.authorization.user._closing import Closings
from upstile.server.authorization.user._ends import Ends
from upstile.server.storage import Revocations, User

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
CHANGE = {"scope": "authenticators", "max_age": "60"}


async def _ids(app: WireApp) -> dict[str, str]:
    """The authenticators by method."""
    return {entry["method"]: entry["id"] for entry in (await app.call("GET", PATH)).json()["authenticators"]}


@pytest.mark.requirement("profile-8-ends")
async def test_a_key_is_forgotten_also_when_the_node_dies_before_it_has_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        thief = replace(app, key=new_key(), passkey=None)
        await thief.sign_in()
        await thief.elevate()
        ids, token = await _ids(app), await app.elevate(acr_values="phr", **CHANGE)
        with monkeypatch.context() as dying:
            dying.setattr(Ends, "spread", _dies)
            assert (await app.call("DELETE", f"{PATH}/{ids['totp']}", token=token)).status_code == 503
        await thief.sign_in()
        await thief.start()
        server = another_process(tmp_path, app.clock)
        await server._deployment.prepare()
        assert set((await server.export_user("ada"))["counted"]["known"]) == {thumbprint(app.key)}
        await server._deployment.aclose()


async def test_a_key_of_a_torn_removal_is_forgotten_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lost devices are removed with one token; the node dies in the middle of the first removal."""
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        finder = replace(app, key=new_key(), passkey=None)
        await finder.sign_in()
        await finder.elevate()
        ids, token = await _ids(app), await app.elevate(acr_values="phr", **CHANGE)
        pending = (await app.call("POST", PATH, token=token, json={"method": "totp", "name": "also lost"})).json()
        code = replace(app).first_code(pending["otpauth_uri"])
        await app.call("POST", f"{PATH}/{pending['id']}/verify", token=token, json={"otp": code})
        with monkeypatch.context() as dying:
            dying.setattr(Ends, "spread", _dies)
            assert (await app.call("DELETE", f"{PATH}/{ids['totp']}", token=token)).status_code == 503
        assert (await app.call("DELETE", f"{PATH}/{pending['id']}", token=token)).status_code == 204
        server = another_process(tmp_path, app.clock)
        await server._deployment.prepare()
        assert set((await server.export_user("ada"))["counted"]["known"]) == {thumbprint(app.key)}
        await server._deployment.aclose()


@pytest.mark.parametrize("kind", ["token", "login"])
async def test_what_was_given_back_at_another_node_changes_no_authenticators(
    tmp_path: Path, kind: Literal["token", "login"]
) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        ids, token = await _ids(app), await app.elevate(acr_values="phr", **CHANGE)
        claims, server = claims_of(token), another_process(tmp_path, app.clock)
        await server._deployment.prepare()
        await server._deployment.own.revocations.revoke(
            kind, claims["jti" if kind == "token" else "sid"], claims["exp"]
        )
        refused = await app.call("DELETE", f"{PATH}/{ids['totp']}", token=token)
        assert error_of(refused) == "invalid_token"
        await server._deployment.aclose()


async def test_what_was_given_back_at_another_node_begins_no_count_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To open an authenticator is to give a hundred guesses."""
    async with enrolled_app(tmp_path) as app:
        ids, token = await _ids(app), await app.elevate(**CHANGE)
        claims, server, forgotten = claims_of(token), another_process(tmp_path, app.clock), list[str]()

        async def forget(_: Closings, user: User, id: str, now: float) -> bool:
            forgotten.append(id)
            return True

        monkeypatch.setattr(Closings, "forget_count", forget)
        path = f"{PATH}/{ids['totp']}/open"
        assert (await app.call("POST", path, token=token)).status_code == 200
        await server._deployment.prepare()
        await server._deployment.own.revocations.revoke("token", claims["jti"], claims["exp"])
        assert error_of(await app.call("POST", path, token=token)) == "invalid_token"
        assert forgotten == [ids["totp"]]
        await server._deployment.aclose()


async def test_a_login_of_a_user_who_was_forgotten_begins_nothing_at_a_node_that_knows_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        server = another_process(tmp_path, app.clock)
        await app.call("GET", "/balance")
        await server.forget_user("ada")
        monkeypatch.setattr(Revocations, "look", lambda self, now: None)
        refused = await app.call("POST", PATH, json={"method": "totp", "name": "phone"})
        assert error_of(refused) == "invalid_token"
        await server._deployment.aclose()


async def test_a_user_who_was_forgotten_and_signs_in_at_a_node_that_knows_nothing_of_it_has_a_login_that_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        server = another_process(tmp_path, app.clock)
        await server.forget_user("ada")
        monkeypatch.setattr(Revocations, "first_good", lambda self, user: (0, 0))
        assert claims_of(await app.sign_in())["sid"].startswith("1.")
        assert (await server.export_user("ada"))["generations"]["logins"] == 1
        await server._deployment.aclose()


async def _dies(*_: object, **__: object) -> None:
    raise StorageUnavailable("gone")
