"""A websocket that is open ends with its token, however the issuer ended that."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket

from support.issuer_server import NOW, URL, IssuerServer, jwk_of
from support.resource import BOUND, CLIENT
from support.websockets import ask_for_each, talking_with
from upstile.protocol import create_proof
from upstile.server import Authentication
from upstile.server.fastapi import StepUp
from upstile.server.issuers import IntrospectionVerifier, JWTVerifier

pytestmark = pytest.mark.anyio
BY_HAND, BY_HANDLER = "/by-hand", "/by-handler"
ACTIVE = {"active": True, "sub": "ada", "client_id": "cli", "aud": URL, "token_type": "Bearer", "acr": "mfa"}
CLOSED = {"type": "websocket.close", "code": 1008, "reason": ""}


@dataclass
class Open:
    """An open websocket of an API.

    Attributes:
        api, server: the application, and its guards.
        say: sends a message; what came back.
    """

    api: FastAPI
    server: StepUp
    say: Callable[[], Awaitable[dict[str, Any]]] = field(init=False)

    async def goes_on(self) -> bool:
        """Whether it takes another message."""
        told = await self.say()
        assert told["type"] == "websocket.send" or told == CLOSED
        return told != CLOSED


class Clock:
    """A clock that a test moves."""

    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def opened(verifier: Any, clock: Clock, path: str, *lines: tuple[bytes, bytes]) -> AsyncGenerator[Open]:
    """A websocket of an API that asks again for each message."""
    api, server = FastAPI(), StepUp(url=URL, verifier=verifier, clock=clock, allow_insecure_loopback=True)
    server.install(api)
    guard = server.require(acr="mfa")

    @api.websocket(BY_HAND)
    async def by_hand(websocket: WebSocket) -> None:
        await guard(websocket)
        await ask_for_each(websocket, lambda: guard(websocket))

    @api.websocket(BY_HANDLER)
    async def by_handler(websocket: WebSocket, auth: Annotated[Authentication, Depends(guard)]) -> None:
        await ask_for_each(websocket, auth.require)

    found = Open(api, server)
    async with api.router.lifespan_context(api), talking_with(found, path, list(lines)) as found.say:
        yield found


def bearer(token: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {token}".encode()


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("path", [BY_HAND, BY_HANDLER])
async def test_a_key_that_leaves_the_set_ends_an_open_websocket(
    issuer: IssuerServer, clock: Clock, path: str, bound: bool
) -> None:
    verifier = JWTVerifier(issuer=issuer.url)
    issuer.keys.append(jwk_of("other", "EdDSA"))
    token = issuer.token(**(BOUND if bound else {}))
    proof = create_proof(CLIENT, htm="GET", htu=f"{URL}{path}", now=NOW, jti="p", access_token=token)
    bound_lines = ((b"authorization", f"DPoP {token}".encode()), (b"dpop", proof.encode()))
    async with opened(verifier, clock, path, *(bound_lines if bound else (bearer(token),))) as socket:
        assert await socket.goes_on()
        assert await socket.goes_on()  # its proof served the handshake
        issuer.keys.pop(0)
        await _read_again(socket.server)
        assert not await socket.goes_on()


@pytest.mark.parametrize("path", [BY_HAND, BY_HANDLER])
async def test_a_token_of_another_issuer_that_expires_ends_an_open_websocket(
    issuer: IssuerServer, clock: Clock, path: str
) -> None:
    async with opened(JWTVerifier(issuer=issuer.url, leeway=10), clock, path, bearer(issuer.token())) as socket:
        clock.now = NOW + 309
        assert await socket.goes_on()
        clock.now = NOW + 310
        assert not await socket.goes_on()


async def test_a_guard_by_hand_asks_the_issuer_again_and_ends_with_its_answer(
    issuer: IssuerServer, clock: Clock
) -> None:
    issuer.introspect = lambda form: ACTIVE
    verifier = IntrospectionVerifier(issuer=issuer.url, client_id="api", client_secret="s", remembered_for=30)
    async with opened(verifier, clock, BY_HAND, bearer("opaque")) as socket:
        for seconds, asked in [(0, 1), (29, 1), (31, 2), (400, 3), (800, 4)]:
            clock.now = NOW + seconds
            assert await socket.goes_on()
            assert len(issuer.forms) == asked
        issuer.introspect = lambda form: {"active": False}
        assert await socket.goes_on()  # for as long as an answer is good
        clock.now = NOW + 831
        assert not await socket.goes_on()


@pytest.mark.parametrize("change", [{"sub": "eve"}, {"acr": "pwd"}, {"aud": "https://other.example"}], ids=str)
async def test_an_issuer_that_says_otherwise_than_before_ends_an_open_websocket(
    issuer: IssuerServer, clock: Clock, change: dict[str, Any]
) -> None:
    issuer.introspect = lambda form: ACTIVE
    verifier = IntrospectionVerifier(issuer=issuer.url, client_id="api", client_secret="s")
    async with opened(verifier, clock, BY_HAND, bearer("opaque")) as socket:
        issuer.introspect = lambda form: {**ACTIVE, **change}
        clock.now = NOW + 31
        assert not await socket.goes_on()


@pytest.mark.parametrize("mood", ["away", "well"])
async def test_where_nobody_can_be_asked_an_open_websocket_ends(issuer: IssuerServer, clock: Clock, mood: str) -> None:
    """By hand because the issuer is away; in a handler because `auth.require` cannot wait."""
    issuer.introspect = lambda form: ACTIVE
    verifier = IntrospectionVerifier(issuer=issuer.url, client_id="api", client_secret="s")
    path = BY_HAND if mood == "away" else BY_HANDLER
    async with opened(verifier, clock, path, bearer("opaque")) as socket:
        assert await socket.goes_on()
        if mood == "away":
            issuer.stop()
        clock.now = NOW + 31
        assert not await socket.goes_on()


async def _read_again(server: StepUp) -> None:
    """What the keeper does every five minutes."""
    (external,) = server._deployment.external
    external._key_set._due = 0  # type: ignore[attr-defined]
    await asyncio.to_thread(external.tick, 0.0)
