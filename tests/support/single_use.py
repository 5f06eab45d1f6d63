"""An application of a test's own, its handlers noted, and tokens for one call to call it with."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import httpx
from fastapi import APIRouter
from pydantic import BaseModel

from support.asgi import http_scope
from support.own_app import BANK_CLI, OwnApp, own_app
from support.tokens import minted_with
from support.wire_driver import NOON
from upstile.server import App


@asynccontextmanager
async def routed_app(folder: Path, **options: Any) -> AsyncGenerator[tuple[OwnApp, APIRouter]]:
    """The app, signed in, and a router of its route class, which the test includes."""
    clients = [BANK_CLI, App("ops", scopes={"admin", "payments"})]
    async with own_app(folder, clients=clients, **options) as app:
        await app.sign_in()
        yield app, APIRouter(route_class=app.server.route_class)


class Transfer(BaseModel):
    """A body that FastAPI looks at."""

    amount: int


async def pay(transfer: Transfer) -> str:
    """A handler that has a body."""
    return "paid"


async def call(app: OwnApp, path: str, token: str, *, method: str = "POST", **request: Any) -> httpx.Response:
    """A call with a bound token, a proof of its own, and any body."""
    headers = {**request.pop("headers", {}), "Authorization": f"DPoP {token}", "DPoP": app.proof(method, path, token)}
    return await app.http.request(method, path, headers=headers, **request)


async def for_one_call(app: OwnApp, folder: Path, **claims: Any) -> str:
    """A token that serves one call, as a ceremony for `max_age=0` would give it."""
    own = {"acr": "mfa", "amr": ["otp"], "auth_time": int(NOON), "single_use": True, "jti": token_urlsafe(8)}
    return await minted_with(app, folder, **{**own, **claims})


async def by_hand(
    app: OwnApp, method: str, path: str, token: str, receive: Callable[[], Awaitable[Any]], **headers: str
) -> int:
    """A call whose body a test hands over piece by piece: its status."""
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    lines = [(b"authorization", f"DPoP {token}".encode()), (b"dpop", app.proof(method, path, token).encode())]
    scope = http_scope(
        method, path, [*lines, *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())]
    )
    await app.api(scope, receive, send)
    return statuses[0]
