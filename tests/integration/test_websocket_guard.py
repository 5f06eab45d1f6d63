"""A guard on a websocket judges the handshake: who is refused is never accepted."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket, WebSocketDisconnect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from examples.bank.serving import serving
from support.own_app import BANK_CLI, OwnApp, own_app
from support.wire_driver import URL
from upstile.protocol import parse_challenges
from upstile.server import App, Authentication, StorageUnavailable, TokenResponse
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio
CLIENTS = [BANK_CLI, App("ops", scopes="admin")]
OPEN = ["websocket.accept", "websocket.send", "websocket.close"]
REFUSED = ["websocket.http.response.start", "websocket.http.response.body"]


@asynccontextmanager
async def _app(folder: Path) -> AsyncGenerator[OwnApp]:
    async with own_app(folder, clients=CLIENTS) as app:
        router, require = APIRouter(), app.server.require

        @app.api.websocket("/any")
        @router.websocket("/included")
        async def any_token(websocket: WebSocket, auth: Annotated[Authentication, Depends(require())]) -> None:
            await _say(websocket, auth.subject)

        app.api.websocket("/strong", dependencies=[Depends(require(acr="mfa", max_age=300))])(_say)
        app.api.websocket("/once", dependencies=[Depends(require(acr="mfa", max_age=0))])(_say)
        app.api.websocket("/admin", dependencies=[Security(require(), scopes=["admin"])])(_say)
        app.api.include_router(router, dependencies=[Security(require(), scopes=["payments"])])

        @app.api.websocket("/late")
        async def asks_late(websocket: WebSocket, auth: Annotated[Authentication, Depends(require())]) -> None:
            await websocket.accept()
            auth.require(acr="mfa", max_age=300)
            await websocket.send_text("told")

        mfa, for_one, in_handler = require(acr="mfa"), require(max_age=0), require(once_in_handler=True)

        @app.api.websocket("/again")
        async def asks_again(websocket: WebSocket, auth: Annotated[Authentication, Depends(mfa)]) -> None:
            await _each(websocket, auth.require)

        @app.api.websocket("/messages")
        async def for_each(websocket: WebSocket, auth: Annotated[Authentication, Depends(in_handler)]) -> None:
            await _each(websocket, partial(auth.require, max_age=0))

        @app.api.websocket("/once-and-again")
        async def for_more(websocket: WebSocket, auth: Annotated[Authentication, Depends(for_one)]) -> None:
            await _each(websocket, partial(auth.require, max_age=0))

        @app.api.websocket("/each-by-hand")
        async def by_hand(websocket: WebSocket) -> None:
            await mfa(websocket)
            await _each(websocket, partial(mfa, websocket))

        @app.api.websocket("/once-by-hand")
        async def once_by_hand(websocket: WebSocket) -> None:
            await _each(websocket, partial(for_one, websocket))

        @app.api.websocket("/once-twice", dependencies=[Depends(for_one), Depends(require(acr="mfa", max_age=0))])
        async def both_at_once(websocket: WebSocket) -> None:
            await _each(websocket, partial(for_one, websocket))

        await app.sign_in()
        yield app


async def _say(websocket: WebSocket, text: str = "in") -> None:
    await websocket.accept()
    await websocket.send_text(text)
    await websocket.close()


async def _each(websocket: WebSocket, ask: Callable[[], Awaitable[object] | None]) -> None:
    await websocket.accept()
    while True:
        await websocket.receive_text()
        waiting = ask()
        if waiting is not None:
            await waiting
        await websocket.send_text("done")


async def _shake_hands(app: OwnApp, path: str, *, token: str | None = None, **changed: Any) -> list[dict[str, Any]]:
    """What a server is told about a websocket: its first message says whether it is open."""
    presented = app.token if token is None else token
    headers = [(b"authorization", f"DPoP {presented}".encode()), (b"dpop", app.proof("GET", path, presented).encode())]
    return await _open(app, path, **{"headers": headers if presented else [], **changed})


async def _open(app: OwnApp, path: str, **changed: Any) -> list[dict[str, Any]]:
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


def _kinds(sent: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in sent]


def _lines(sent: list[dict[str, Any]]) -> list[str]:
    return [value.decode() for name, value in sent[0]["headers"] if name == b"www-authenticate"]


async def test_a_handshake_with_a_token_is_accepted_and_one_without_is_answered_with_both_challenges(
    tmp_path: Path,
) -> None:
    async with _app(tmp_path) as app:
        for path in ("/any", "/included"):
            assert _kinds(await _shake_hands(app, path)) == OPEN
            refused = await _shake_hands(app, path, token="")
            assert _kinds(refused) == REFUSED
            assert refused[0]["status"] == 401
            assert [c.scheme for line in _lines(refused) for c in parse_challenges(line)] == ["bearer", "dpop"]


@pytest.mark.parametrize("path", ["/strong", "/once"])
async def test_a_weak_token_opens_nothing_and_is_told_what_would(tmp_path: Path, path: str) -> None:
    async with _app(tmp_path) as app:
        refused = await _shake_hands(app, path)
        (challenge,) = (c for line in _lines(refused) for c in parse_challenges(line))
        assert (refused[0]["status"], challenge.params["acr_values"]) == (401, "mfa")
        await app.enroll_totp()
        token = await app.elevate(max_age="300" if path == "/strong" else "0")
        assert _kinds(await _shake_hands(app, path, token=token)) == OPEN
        again = await _shake_hands(app, path, token=token)  # a token for one call opens one
        assert (_kinds(again) == OPEN) is (path == "/strong")


async def test_a_token_without_a_scope_that_security_names_opens_nothing(tmp_path: Path) -> None:
    async with _app(tmp_path) as app:
        for _ in range(2):
            refused = await _shake_hands(app, "/admin")
            assert (_kinds(refused), refused[0]["status"]) == (REFUSED, 403)


async def test_a_proof_is_for_this_handshake_and_good_once(tmp_path: Path) -> None:
    async with _app(tmp_path) as app:
        authorization = (b"authorization", f"DPoP {app.token}".encode())
        for changed in ({"htm": "POST"}, {"htu": f"{URL}/strong"}, {"htu": "ws://localhost:8000/any"}):
            proof = app.proof("GET", "/any", app.token, **changed).encode()
            assert _kinds(await _open(app, "/any", headers=[authorization, (b"dpop", proof)])) == REFUSED
        headers = [authorization, (b"dpop", app.proof("GET", "/any", app.token).encode())]
        assert _kinds(await _open(app, "/any", headers=headers)) == OPEN
        assert _kinds(await _open(app, "/any", headers=headers)) == REFUSED
        assert _kinds(await _open(app, "/any", headers=[authorization])) == REFUSED


async def test_where_the_server_can_send_no_response_a_handshake_is_closed_before_it_is_accepted(
    tmp_path: Path,
) -> None:
    async with _app(tmp_path) as app:
        without: list[dict[str, Any]] = [{}, {"tls": {}}]
        for extensions in without:
            (closed,) = await _shake_hands(app, "/strong", extensions=extensions)
            assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


async def test_a_handler_that_asks_for_more_once_it_has_accepted_closes(tmp_path: Path) -> None:
    async with _app(tmp_path) as app:
        accepted, closed = await _shake_hands(app, "/late")
        assert (accepted["type"], closed["type"], closed["code"]) == ("websocket.accept", "websocket.close", 1008)


async def test_storage_that_is_away_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("away")

    async with _app(tmp_path) as app:
        await app.enroll_totp()
        token = await app.elevate(max_age="0")
        monkeypatch.setattr(app.server._deployment.storage.one_time, "update_many", away)
        refused = await _shake_hands(app, "/once", token=token)
        assert (_kinds(refused), refused[0]["status"]) == (REFUSED, 503)


async def test_an_app_that_goes_away_while_it_is_refused_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone(message: Any) -> None:
        raise OSError("gone")

    async with _app(tmp_path) as app:
        either: list[dict[str, Any]] = [{"websocket.http.response": {}}, {}]
        for extensions in either:
            assert await _shake_hands(app, "/strong", send=gone, extensions=extensions) == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_guard_that_an_author_calls_judges_a_websocket_too(tmp_path: Path) -> None:
    async with _app(tmp_path) as app:

        async def by_hand(websocket: WebSocket) -> None:
            await app.server.require()(websocket)

        app.api.websocket("/by-hand", dependencies=[Security(by_hand, scopes=["admin"])])(_say)
        refused = await _shake_hands(app, "/by-hand")
        assert (_kinds(refused), refused[0]["status"]) == (REFUSED, 403)


def test_a_real_server_refuses_and_opens(tmp_path: Path) -> None:
    def make(url: str) -> FastAPI:
        api = FastAPI()
        storage = f"sqlite:///{tmp_path}/s.db"
        server = StepUp.embedded(
            url=url, storage=storage, clients=[BANK_CLI], dpop="optional", allow_insecure_loopback=True
        )
        server.install(api)
        api.websocket("/any", dependencies=[Depends(server.require())])(_say)
        api.websocket("/strong", dependencies=[Depends(server.require(acr="mfa"))])(_say)

        @api.post("/login")
        async def login() -> TokenResponse:
            return await server.start_session("ada", amr=["pwd"])

        return api

    with serving(make, ws="websockets-sansio") as url:
        token = httpx.post(f"{url}/login").json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        address = url.replace("http", "ws", 1)
        with connect(f"{address}/any", additional_headers=headers) as socket:
            assert socket.recv() == "in"
        with pytest.raises(InvalidStatus) as caught:
            connect(f"{address}/strong", additional_headers=headers)
    assert caught.value.response.status_code == 401
    assert 'acr_values="mfa"' in caught.value.response.headers["www-authenticate"]


@asynccontextmanager
async def _talking(app: OwnApp, path: str, token: str) -> AsyncGenerator[Callable[[], Awaitable[dict[str, Any]]]]:
    """An open websocket: what a server is told about each further message."""
    heard, said = asyncio.Queue[dict[str, Any]](), asyncio.Queue[dict[str, Any]]()
    headers = [(b"authorization", f"DPoP {token}".encode()), (b"dpop", app.proof("GET", path, token).encode())]
    heard.put_nowait({"type": "websocket.connect"})
    task = asyncio.ensure_future(_open(app, path, headers=headers, receive=heard.get, send=said.put))
    assert (await said.get())["type"] == "websocket.accept"

    async def say() -> dict[str, Any]:
        heard.put_nowait({"type": "websocket.receive", "text": "on"})
        return await said.get()

    yield say
    heard.put_nowait({"type": "websocket.disconnect", "code": 1000})
    with suppress(WebSocketDisconnect):
        await task


@pytest.mark.parametrize("path", ["/again", "/each-by-hand"])
@pytest.mark.parametrize("ended", ["expired", "revoked", "unknown"])
async def test_who_asks_again_on_an_open_websocket_asks_whether_the_token_still_lives(
    tmp_path: Path, ended: str, path: str
) -> None:
    async with _app(tmp_path) as app:
        await app.enroll_totp()
        async with _talking(app, path, await app.elevate(max_age="300")) as say:
            assert (await say())["type"] == "websocket.send"
            if ended == "expired":
                app.clock.now += 300
            elif ended == "revoked":
                await app.server.end_sessions("ada")
            else:  # nobody could read for too long what has ended
                app.server._deployment.revocations._read_at = None
            assert await say() == {"type": "websocket.close", "code": 1008, "reason": ""}


@pytest.mark.parametrize("path", ["/messages", "/once-by-hand"])
async def test_a_token_for_one_call_serves_one_message_of_a_websocket(tmp_path: Path, path: str) -> None:
    async with _app(tmp_path) as app:
        await app.enroll_totp()
        async with _talking(app, path, await app.elevate(max_age="0")) as say:
            assert (await say())["type"] == "websocket.send"
            assert (await say())["type"] == "websocket.close"


@pytest.mark.parametrize("path", ["/once-and-again", "/once-twice"])
async def test_a_token_for_one_call_that_opened_a_websocket_has_served(tmp_path: Path, path: str) -> None:
    """For all guards of its handshake, which are one call, and for no message."""
    async with _app(tmp_path) as app:
        await app.enroll_totp()
        async with _talking(app, path, await app.elevate(max_age="0")) as say:
            assert (await say())["type"] == "websocket.close"
