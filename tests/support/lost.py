"""A person who lost everything but a mailbox, and asks for a way back by mail."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from support.mailbox import Mailbox, enroll
from support.own_app import OwnApp, own_app
from support.wire_driver import new_key
from upstile.server import SecurityEvent
from upstile.server.methods import EmailCode, SmsCode, Totp

PATH = "/stepup/authenticators"
HOUR = 3600
PHONE = "+491701234567"


@dataclass
class Lost:
    """Ada, whose app on another device is known, and who is signed in on a new one."""

    app: OwnApp
    box: Mailbox
    mail: str
    known: OwnApp
    told: list[SecurityEvent]

    async def ask(self, app: OwnApp | None = None) -> httpx.Response:
        """Ask for a code, with a fresh sign-in."""
        app = app or self.app
        await app.sign_in()
        return await app.call("POST", f"{PATH}/{self.mail}/restore")

    async def mailed(self) -> str:
        """A code: asked for, waited for, sent."""
        assert (await self.ask()).json() == {"id": self.mail, "state": "waiting", "sent_in": 24 * HOUR}
        self.app.clock.now += 24 * HOUR
        sent = await self.ask()
        assert (sent.status_code, sent.json()) == (202, {"id": self.mail, "state": "sent", "expires_in": 600})
        return self.box.code

    async def begin(self, code: str, app: OwnApp | None = None, **wanted: Any) -> httpx.Response:
        """Begin to enrol with a code."""
        body = {"method": "totp", "name": "new phone", **wanted, "enrolment_code": code}
        return await (app or self.app).call("POST", PATH, json=body)

    async def confirm(self, begun: httpx.Response) -> httpx.Response:
        """Show that what was begun works."""
        id, uri = begun.json()["id"], begun.json()["otpauth_uri"]
        return await self.app.call("POST", f"{PATH}/{id}/verify", json={"otp": self.app.first_code(uri)})

    def kinds(self) -> list[str]:
        """What was told of the way back."""
        return [event.kind for event in self.told if "restore" in event.kind]


@asynccontextmanager
async def lost(folder: Path, *, deployment: dict[str, Any] | None = None, **options: Any) -> AsyncGenerator[Lost]:
    """Ada, with an authenticator app, a mailbox and a phone number; nothing was asked for yet."""
    box, told = Mailbox(), list[SecurityEvent]()
    options = {"mail_alone_restores": True, **options}
    methods = [Totp(), EmailCode(box, **options), SmsCode(box)]
    async with own_app(folder, methods=methods, notify=told.append, **(deployment or {})) as known:
        await known.sign_in()
        await known.enroll_totp()
        mail = await enroll(known, box, token=await known.elevate(scope="authenticators", max_age="60"))
        await enroll(known, box, PHONE, token=await known.elevate(scope="authenticators", max_age="60"))
        known.clock.now += HOUR
        yield Lost(replace(known, key=new_key()), box, mail, known, told)
