"""`dpop="optional"`: apps without a key get bearer tokens, and a key that was shown once is asked for again."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import Depends

from support.own_app import OwnApp, own_app
from support.wire_driver import new_key

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def _keyless(folder: Path) -> AsyncGenerator[OwnApp]:
    """An app that showed a key to enrol, and then signed in without one."""
    async with own_app(folder, dpop="optional") as app:
        await app.sign_in()
        await app.enroll_totp()
        app.bound = False
        await app.sign_in()
        yield app


async def test_a_ceremony_without_a_key_yields_a_bearer_token_that_serves(tmp_path: Path) -> None:
    async with _keyless(tmp_path) as app:
        app.api.get("/secret", dependencies=[Depends(app.server.require(acr="mfa", max_age=300))])(_secret)
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        token = (await app.redeem(started, code)).json()
        assert (token["token_type"], token["acr"]) == ("Bearer", "mfa")
        assert (await app.call("GET", "/secret")).status_code == 401
        assert (await app.call("GET", "/secret", token=token["access_token"])).json() == "told"


async def test_a_session_that_began_with_a_key_needs_that_key(tmp_path: Path) -> None:
    async with _keyless(tmp_path) as app:
        app.bound = True
        started = await app.start()
        own = app.key
        for app.bound, app.key in ((False, own), (True, new_key())):
            reply = await app.answer(started, otp=app.code())
            assert (reply.status_code, reply.json()["error"]) == (400, "invalid_session")
        app.key = own
        assert (await app.answer(started, otp=app.code())).status_code == 200


async def test_a_code_of_a_ceremony_with_a_key_needs_that_key(tmp_path: Path) -> None:
    async with _keyless(tmp_path) as app:
        app.bound = True
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        app.bound = False
        reply = await app.redeem(started, code)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        app.bound = True
        assert (await app.redeem(started, code)).json()["token_type"] == "DPoP"


async def test_a_session_that_began_without_a_key_takes_none_later(tmp_path: Path) -> None:
    async with _keyless(tmp_path) as app:
        started = await app.start()
        app.bound = True
        assert (await app.answer(started, otp=app.code())).json()["error"] == "invalid_session"


async def test_a_bound_token_starts_no_ceremony_without_its_key(tmp_path: Path) -> None:
    async with own_app(tmp_path, dpop="optional") as app:
        await app.sign_in()
        await app.enroll_totp()
        app.bound = False
        reply = (await app.start()).reply
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


async def test_a_proof_that_nobody_needs_must_be_sound_all_the_same(tmp_path: Path) -> None:
    async with _keyless(tmp_path) as app:
        app.bound = True
        form = app.start_form("v" * 43)
        reply = await app.post("/stepup/challenge", form, htm="GET")
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_dpop_proof")


async def _secret() -> str:
    return "told"
