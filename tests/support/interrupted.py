"""A program that asks on its terminal: `python -m support.interrupted WHERE FOLDER HOW`.

`WHERE` is where it is when it is interrupted: choice, code, PIN or enrolment. `HOW` is blocking or asyncio, with
`+handler` where the app ends in good order at SIGTERM. The sign-in lies in `FOLDER`.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import httpx

from support.desk import API, Desk, webauthn_offer
from support.keys import enroll
from support.rooms import file_store, metadata
from upstile.client import AsyncClient, Client, TerminalPrompter, Totp, WebAuthn
from upstile.client.testing import VirtualKey

PROMPTS = {
    "choice": "or change with",
    "code": "Code from your authenticator app: ",
    "PIN": "PIN of your security key",
    "enrolment": "First code that your authenticator app shows: ",
}
"""What is on the terminal by then."""


def _desk(where: str, key: VirtualKey) -> Desk:
    desk, credential = Desk(), enroll(key, "1234").credential_id
    document = {**metadata(), "authenticators_endpoint": f"{API}/authenticators"}
    desk.always("server", lambda _: httpx.Response(200, json=document))
    offered = {"choice": ("webauthn", "totp"), "PIN": ("webauthn",)}.get(where, ("totp",))
    desk.offers = lambda sent: [
        webauthn_offer(sent, credential) if method == "webauthn" else {"method": method} for method in offered
    ]
    if where == "enrolment":
        pending = {"id": "a", "state": "pending", "otpauth_uri": "otpauth://totp/bank:ada?secret=AAAA"}
        desk.always("call", lambda _: httpx.Response(201, json=pending))
    return desk


def main() -> None:
    """Ask, and be interrupted."""
    where, folder, how = sys.argv[1:]
    if "handler" in how:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    key = VirtualKey(pin="1234")
    desk = _desk(where, key)
    options: dict[str, Any] = {
        "token": None,
        "store": file_store(Path(folder)),
        "prompter": TerminalPrompter(),
        "methods": [WebAuthn(lambda: [key]), Totp()],
    }
    if "asyncio" in how:
        asyncio.run(_awaited(desk.async_client(**options), where))
    else:
        _blocking(desk.client(**options), where)
    sys.exit("nobody interrupted it")


def _blocking(client: Client, where: str) -> None:
    with client:
        if where == "enrolment":
            client.authenticators.enroll(Totp(), "phone")
        client.post("/transfers")


async def _awaited(client: AsyncClient, where: str) -> None:
    async with client:
        if where == "enrolment":
            await client.authenticators.enroll(Totp(), "phone")
        await client.post("/transfers")


if __name__ == "__main__":
    main()
