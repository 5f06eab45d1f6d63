"""A guard on a websocket judges the handshake: who is refused is never accepted."""

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Security, WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from examples.bank.serving import serving
from support.own_app import BANK_CLI
from support.websockets import open_websocket, say_hello, shake_hands, websocket_app
from support.wire_driver import URL
from upstile.protocol import parse_challenges
from upstile.server import StorageUnavailable, TokenResponse
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio
OPEN = ["websocket.accept", "websocket.send", "websocket.close"]
REFUSED = ["websocket.http.response.start", "websocket.http.response.body"]


def _kinds(sent: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in sent]


def _lines(sent: list[dict[str, Any]]) -> list[str]:
    return [value.decode() for name, value in sent[0]["headers"] if name == b"www-authenticate"]


async def test_a_handshake_with_a_token_is_accepted_and_one_without_is_answered_with_both_challenges(
    tmp_path: Path,
) -> None:
    async with websocket_app(tmp_path) as app:
        for path in ("/any", "/included"):
            assert _kinds(await shake_hands(app, path)) == OPEN
            refused = await shake_hands(app, path, token="")
            assert _kinds(refused) == REFUSED
            assert refused[0]["status"] == 401
            assert [c.scheme for line in _lines(refused) for c in parse_challenges(line)] == ["bearer", "dpop"]


@pytest.mark.parametrize("path", ["/strong", "/once"])
async def test_a_weak_token_opens_nothing_and_is_told_what_would(tmp_path: Path, path: str) -> None:
    async with websocket_app(tmp_path) as app:
        refused = await shake_hands(app, path)
        (challenge,) = (c for line in _lines(refused) for c in parse_challenges(line))
        assert (refused[0]["status"], challenge.params["acr_values"]) == (401, "mfa")
        await app.enroll_totp()
        token = await app.elevate(max_age="300" if path == "/strong" else "0")
        assert _kinds(await shake_hands(app, path, token=token)) == OPEN
        again = await shake_hands(app, path, token=token)  # a token for one call opens one
        assert (_kinds(again) == OPEN) is (path == "/strong")


async def test_a_token_without_a_scope_that_security_names_opens_nothing(tmp_path: Path) -> None:
    async with websocket_app(tmp_path) as app:
        for _ in range(2):
            refused = await shake_hands(app, "/admin")
            assert (_kinds(refused), refused[0]["status"]) == (REFUSED, 403)


async def test_a_proof_is_for_this_handshake_and_good_once(tmp_path: Path) -> None:
    async with websocket_app(tmp_path) as app:
        authorization = (b"authorization", f"DPoP {app.token}".encode())
        for changed in ({"htm": "POST"}, {"htu": f"{URL}/strong"}, {"htu": "ws://localhost:8000/any"}):
            proof = app.proof("GET", "/any", app.token, **changed).encode()
            assert _kinds(await open_websocket(app, "/any", headers=[authorization, (b"dpop", proof)])) == REFUSED
        headers = [authorization, (b"dpop", app.proof("GET", "/any", app.token).encode())]
        assert _kinds(await open_websocket(app, "/any", headers=headers)) == OPEN
        assert _kinds(await open_websocket(app, "/any", headers=headers)) == REFUSED
        assert _kinds(await open_websocket(app, "/any", headers=[authorization])) == REFUSED


async def test_where_the_server_can_send_no_response_a_handshake_is_closed_before_it_is_accepted(
    tmp_path: Path,
) -> None:
    async with websocket_app(tmp_path) as app:
        without: list[dict[str, Any]] = [{}, {"tls": {}}]
        for extensions in without:
            (closed,) = await shake_hands(app, "/strong", extensions=extensions)
            assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


async def test_a_handler_that_asks_for_more_once_it_has_accepted_closes(tmp_path: Path) -> None:
    async with websocket_app(tmp_path) as app:
        accepted, closed = await shake_hands(app, "/late")
        assert (accepted["type"], closed["type"], closed["code"]) == ("websocket.accept", "websocket.close", 1008)


async def test_storage_that_is_away_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("away")

    async with websocket_app(tmp_path) as app:
        await app.enroll_totp()
        token = await app.elevate(max_age="0")
        monkeypatch.setattr(app.server._deployment.own.storage.one_time, "update_many", away)
        refused = await shake_hands(app, "/once", token=token)
        assert (_kinds(refused), refused[0]["status"]) == (REFUSED, 503)


async def test_an_app_that_goes_away_while_it_is_refused_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone(message: Any) -> None:
        raise OSError("gone")

    async with websocket_app(tmp_path) as app:
        either: list[dict[str, Any]] = [{"websocket.http.response": {}}, {}]
        for extensions in either:
            assert await shake_hands(app, "/strong", send=gone, extensions=extensions) == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_guard_that_an_author_calls_judges_a_websocket_too(tmp_path: Path) -> None:
    async with websocket_app(tmp_path) as app:

        async def by_hand(websocket: WebSocket) -> None:
            await app.server.require()(websocket)

        app.api.websocket("/by-hand", dependencies=[Security(by_hand, scopes=["admin"])])(say_hello)
        refused = await shake_hands(app, "/by-hand")
        assert (_kinds(refused), refused[0]["status"]) == (REFUSED, 403)


def test_a_real_server_refuses_and_opens(tmp_path: Path) -> None:
    def make(url: str) -> FastAPI:
        api = FastAPI()
        storage = f"sqlite:///{tmp_path}/s.db"
        server = StepUp.embedded(
            url=url, storage=storage, clients=[BANK_CLI], dpop="optional", allow_insecure_loopback=True
        )
        server.install(api)
        api.websocket("/any", dependencies=[Depends(server.require())])(say_hello)
        api.websocket("/strong", dependencies=[Depends(server.require(acr="mfa"))])(say_hello)

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
