"""Ada at a bank that keeps some things closed for a day after a reset."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import Depends

from support.nodes import Shared
from support.own_app import OwnApp, own_app
from upstile.server import Authentication

DAY = 24 * 3600
PATH = "/stepup/authenticators"


@asynccontextmanager
async def cooling(folder: Path, shared: Shared | None = None, **options: Any) -> AsyncGenerator[OwnApp]:
    """A node of the bank. `/payout` is closed for a day after a reset; `/transfer` asks for the same and is not."""
    kept: dict[str, Any] = {}
    if shared is not None:
        kept = {"storage": shared.storage, "one_time": shared.one_time, "secret_keys": [shared.secret_keys]}
    async with own_app(folder, **{"cooling_off": DAY, **kept, **options}) as app:
        require = app.server.require

        @app.api.post("/transfer")
        async def transfer(auth: Annotated[Authentication, Depends(require(acr="mfa"))]) -> str:
            return auth.subject

        @app.api.post("/payout")
        async def payout(auth: Annotated[Authentication, Depends(require(acr="mfa", settled=True))]) -> str:
            return auth.subject

        @app.api.post("/limits")
        async def limits(auth: Annotated[Authentication, Depends(require())]) -> str:
            auth.require(acr="mfa", settled=True)
            return auth.subject

        yield app


async def enrolled(app: OwnApp) -> OwnApp:
    """Ada, signed in, with an authenticator app."""
    await app.sign_in()
    assert (await app.enroll_totp()).status_code == 200
    return app


async def reset(app: OwnApp) -> str:
    """The help desk resets Ada: an enrolment code."""
    await app.server.disable_authenticators("ada", by="bob", reason="lost her phone")
    return await app.server.enrolment_code("ada", by="bob", reason="lost her phone")


async def reset_and_enrolled(app: OwnApp) -> OwnApp:
    """Ada, or whoever talked the help desk into it, with a new authenticator app."""
    code = await reset(app)
    await app.sign_in()
    assert (await app.enroll_totp(enrolment_code=code)).status_code == 200
    app.clock.now += 30
    return app


async def tried(app: OwnApp, path: str = "/payout", token: str | None = None) -> httpx.Response:
    """A call with a fresh proof of the person, or with this token."""
    return await app.call("POST", path, token=await app.elevate() if token is None else token)


def is_closed(reply: httpx.Response) -> bool:
    """Whether it is closed because of a reset."""
    if reply.status_code != 403:
        return False
    return bool(reply.json()["type"] == "urn:upstile:problem:recently-reset")
