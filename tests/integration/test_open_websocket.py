"""A guard on a websocket that is open: who asks again asks whether the token still lives, and is one call."""

from pathlib import Path

import pytest

from support.websockets import talking, websocket_app

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/again", "/each-by-hand"])
@pytest.mark.parametrize("ended", ["expired", "revoked", "unknown"])
async def test_who_asks_again_on_an_open_websocket_asks_whether_the_token_still_lives(
    tmp_path: Path, ended: str, path: str
) -> None:
    async with websocket_app(tmp_path) as app:
        await app.enroll_totp()
        async with talking(app, path, await app.elevate(max_age="300")) as say:
            assert (await say())["type"] == "websocket.send"
            if ended == "expired":
                app.clock.now += 300
            elif ended == "revoked":
                await app.server.end_sessions("ada")
            else:  # nobody could read for too long what has ended
                app.server._deployment.own.revocations._read_at = None
            assert await say() == {"type": "websocket.close", "code": 1008, "reason": ""}


@pytest.mark.parametrize("path", ["/messages", "/once-by-hand"])
async def test_a_token_for_one_call_serves_one_message_of_a_websocket(tmp_path: Path, path: str) -> None:
    async with websocket_app(tmp_path) as app:
        await app.enroll_totp()
        async with talking(app, path, await app.elevate(max_age="0")) as say:
            assert (await say())["type"] == "websocket.send"
            assert (await say())["type"] == "websocket.close"


@pytest.mark.parametrize("path", ["/once-and-again", "/once-twice"])
async def test_a_token_for_one_call_that_opened_a_websocket_has_served(tmp_path: Path, path: str) -> None:
    """For all guards of its handshake, which are one call, and for no message."""
    async with websocket_app(tmp_path) as app:
        await app.enroll_totp()
        async with talking(app, path, await app.elevate(max_age="0")) as say:
            assert (await say())["type"] == "websocket.close"
