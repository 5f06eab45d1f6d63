"""An application with guarded websockets, and a hand that opens them without a server."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket, WebSocketDisconnect

from support.own_app import BANK_CLI, OwnApp, own_app
from upstile.server import App, Authentication

CLIENTS = [BANK_CLI, App("ops", scopes="admin")]


@asynccontextmanager
async def websocket_app(folder: Path) -> AsyncGenerator[OwnApp]:
    async with own_app(folder, clients=CLIENTS) as app:
        router, require = APIRouter(), app.server.require

        @app.api.websocket("/any")
        @router.websocket("/included")
        async def any_token(websocket: WebSocket, auth: Annotated[Authentication, Depends(require())]) -> None:
            await say_hello(websocket, auth.subject)

        app.api.websocket("/strong", dependencies=[Depends(require(acr="mfa", max_age=300))])(say_hello)
        app.api.websocket("/once", dependencies=[Depends(require(acr="mfa", max_age=0))])(say_hello)
        app.api.websocket("/admin", dependencies=[Security(require(), scopes=["admin"])])(say_hello)
        app.api.include_router(router, dependencies=[Security(require(), scopes=["payments"])])

        @app.api.websocket("/late")
        async def asks_late(websocket: WebSocket, auth: Annotated[Authentication, Depends(require())]) -> None:
            await websocket.accept()
            auth.require(acr="mfa", max_age=300)
            await websocket.send_text("told")

        mfa, for_one, in_handler = require(acr="mfa"), require(max_age=0), require(once_in_handler=True)

        @app.api.websocket("/again")
        async def asks_again(websocket: WebSocket, auth: Annotated[Authentication, Depends(mfa)]) -> None:
            await ask_for_each(websocket, auth.require)

        @app.api.websocket("/messages")
        async def for_each(websocket: WebSocket, auth: Annotated[Authentication, Depends(in_handler)]) -> None:
            await ask_for_each(websocket, partial(auth.require, max_age=0))

        @app.api.websocket("/once-and-again")
        async def for_more(websocket: WebSocket, auth: Annotated[Authentication, Depends(for_one)]) -> None:
            await ask_for_each(websocket, partial(auth.require, max_age=0))

        @app.api.websocket("/each-by-hand")
        async def by_hand(websocket: WebSocket) -> None:
            await mfa(websocket)
            await ask_for_each(websocket, partial(mfa, websocket))

        @app.api.websocket("/once-by-hand")
        async def once_by_hand(websocket: WebSocket) -> None:
            await ask_for_each(websocket, partial(for_one, websocket))

        @app.api.websocket("/once-twice", dependencies=[Depends(for_one), Depends(require(acr="mfa", max_age=0))])
        async def both_at_once(websocket: WebSocket) -> None:
            await ask_for_each(websocket, partial(for_one, websocket))

        await app.sign_in()
        yield app


async def say_hello(websocket: WebSocket, text: str = "in") -> None:
    await websocket.accept()
    await websocket.send_text(text)
    await websocket.close()


async def ask_for_each(websocket: WebSocket, ask: Callable[[], Awaitable[object] | None]) -> None:
    await websocket.accept()
    while True:
        await websocket.receive_text()
        waiting = ask()
        if waiting is not None:
            await waiting
        await websocket.send_text("done")


async def shake_hands(app: OwnApp, path: str, *, token: str | None = None, **changed: Any) -> list[dict[str, Any]]:
    """What a server is told about a websocket: its first message says whether it is open."""
    presented = app.token if token is None else token
    headers = [(b"authorization", f"DPoP {presented}".encode()), (b"dpop", app.proof("GET", path, presented).encode())]
    return await open_websocket(app, path, **{"headers": headers if presented else [], **changed})


class HasApi(Protocol):
    """Something with an application."""

    @property
    def api(self) -> FastAPI:
        """The application."""
        ...


async def open_websocket(app: HasApi, path: str, **changed: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "headers": [],
        "subprotocols": [],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8000),
        "extensions": {"websocket.http.response": {}},
        **changed,
    }
    await app.api(scope, changed.get("receive", receive), changed.get("send", send))
    return sent


@asynccontextmanager
async def talking(app: OwnApp, path: str, token: str) -> AsyncGenerator[Callable[[], Awaitable[dict[str, Any]]]]:
    """An open websocket: what a server is told about each further message."""
    headers = [(b"authorization", f"DPoP {token}".encode()), (b"dpop", app.proof("GET", path, token).encode())]
    async with talking_with(app, path, headers) as say:
        yield say


@asynccontextmanager
async def talking_with(
    app: HasApi, path: str, headers: list[tuple[bytes, bytes]]
) -> AsyncGenerator[Callable[[], Awaitable[dict[str, Any]]]]:
    """The same, with these lines in its handshake."""
    heard, said = asyncio.Queue[dict[str, Any]](), asyncio.Queue[dict[str, Any]]()
    heard.put_nowait({"type": "websocket.connect"})
    task = asyncio.ensure_future(open_websocket(app, path, headers=headers, receive=heard.get, send=said.put))
    assert (await said.get())["type"] == "websocket.accept"

    async def say() -> dict[str, Any]:
        heard.put_nowait({"type": "websocket.receive", "text": "on"})
        return await said.get()

    yield say
    heard.put_nowait({"type": "websocket.disconnect", "code": 1000})
    with suppress(WebSocketDisconnect):
        await task
