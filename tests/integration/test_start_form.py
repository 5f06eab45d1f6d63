"""An `auth_session` at a start: ours hands none out there, and heeds none (upstile profile §3 "Start")."""

from pathlib import Path
from secrets import token_urlsafe

import pytest

from support.wire_driver import enrolled_app

pytestmark = pytest.mark.anyio


async def test_an_auth_session_at_a_start_is_ignored(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        waiting = await app.start()
        for given in (waiting.auth_session, token_urlsafe(32), ""):
            started = await app.start(auth_session=given)
            assert started.reply.status_code == 403
            assert started.auth_session not in (given, waiting.auth_session)
        assert (await app.answer(waiting, otp=app.code())).status_code == 200
