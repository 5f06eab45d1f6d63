"""Two processes of a deployment, one of which has not seen the other's new signing key."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from support.own_app import OwnApp, own_app
from upstile.server.keys._rotation import PUBLISHED_AHEAD

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def _behind(folder: Path) -> AsyncGenerator[OwnApp]:
    """The app at a process that is behind, with a token that another one signed with a newer key."""
    async with own_app(folder) as ahead, own_app(folder) as behind:
        await ahead.server._deployment.own.signing.rotate(ahead.clock.now)
        for app in (ahead, behind):
            app.clock.now += PUBLISHED_AHEAD
        await ahead.sign_in()
        yield replace(behind, token=ahead.token, key=ahead.key)


async def test_a_guard_takes_a_token_of_a_key_that_its_process_has_not_seen(tmp_path: Path) -> None:
    async with _behind(tmp_path) as app:
        assert (await app.call("GET", "/me")).status_code == 200


async def test_a_ceremony_starts_with_such_a_token(tmp_path: Path) -> None:
    async with _behind(tmp_path) as app:
        assert (await app.start()).reply.json()["error"] != "invalid_grant"


async def test_enrolling_takes_such_a_token(tmp_path: Path) -> None:
    async with _behind(tmp_path) as app:
        assert (await app.enroll_totp()).status_code == 200


async def test_such_a_token_can_be_revoked(tmp_path: Path) -> None:
    async with _behind(tmp_path) as app:
        form = {"token": app.token, "client_id": app.client_id}
        assert (await app.post("/stepup/revoke", form)).status_code == 200
        await app.server._deployment.own.signing.tick(app.clock.now)  # from here on the key is known in any case
        assert (await app.call("GET", "/me")).status_code == 401


async def test_an_invented_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with own_app(tmp_path / "other") as other, own_app(tmp_path) as app:
        await other.sign_in()
        stranger = replace(app, token=other.token, key=other.key)
        assert (await stranger.call("GET", "/me")).status_code == 401
        assert (await stranger.call("GET", "/me")).status_code == 401
