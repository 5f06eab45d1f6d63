"""Where sent codes arrive: the `deliver` hook of a test, which can be told to fail."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.own_app import OwnApp
from support.wire_driver import Started
from upstile.server.methods import CodeMessage

ADDRESS = "ada@example.com"


@dataclass
class Mailbox:
    """Takes messages, in order.

    Attributes:
        fault: what it does instead of taking one: `raises`, `hangs`.
        tried: every code that it was given.
    """

    messages: list[CodeMessage] = field(default_factory=list[CodeMessage])
    fault: str | None = None
    tried: list[str] = field(default_factory=list[str])

    async def __call__(self, message: CodeMessage) -> None:
        self.tried.append(message.code)
        if self.fault == "hangs":
            await asyncio.Event().wait()
        if self.fault is not None:
            raise ConnectionRefusedError(f"no mail server for {message.code}")
        self.messages.append(message)

    @property
    def code(self) -> str:
        """The newest one."""
        return self.messages[-1].code


async def begin(app: OwnApp, destination: str = ADDRESS, *, token: str | None = None, **more: Any) -> httpx.Response:
    """Begin to enrol a destination."""
    body = {"method": "otp", "name": "mail", "destination": destination, **more}
    return await app.call("POST", "/stepup/authenticators", token=token, json=body)


async def enroll(app: OwnApp, box: Mailbox, destination: str = ADDRESS, *, token: str | None = None) -> str:
    """Enrol a destination; its identifier."""
    begun = await begin(app, destination, token=token)
    assert begun.status_code == 201, begun.text
    id = str(begun.json()["id"])
    verified = await app.call("POST", f"/stepup/authenticators/{id}/verify", token=token, json={"otp": box.code})
    assert verified.status_code == 200, verified.text
    app.clock.now += 30
    return id


async def start(app: OwnApp, **changed: Any) -> Started:
    """A ceremony that takes sent codes, too."""
    return await app.start(authn_methods_supported="webauthn totp otp recovery_code password", **changed)


async def send(app: OwnApp, started: Started, id: str) -> httpx.Response:
    """Have a code sent."""
    return await app.answer(started, authn_method="otp", authn_id=id)


async def answer(app: OwnApp, started: Started, id: str, code: str) -> httpx.Response:
    """Answer with a sent code."""
    return await app.answer(started, authn_method="otp", authn_id=id, otp=code)
