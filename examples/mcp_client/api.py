"""The bank's MCP server, as its author writes it: mounted in FastAPI, guarded by tool."""

import json
from collections.abc import Callable
from time import time
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from mcp.server.mcpserver import MCPServer
from starlette.types import Receive, Scope, Send

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp

CLIENT_ID = "bank-mcp"
USER, PASSWORD = "ada", "correct horse"
READING = ("balance",)
"""Tools that only read. All others are confirmed, and so is one that is new and was forgotten here."""


def create_app(*, url: str, storage: str, clock: Callable[[], float] = time) -> FastAPI:
    """The MCP server under `url`, at `/mcp`."""
    tools = _tools()
    app = FastAPI(title="Bank", lifespan=lambda _: tools.session_manager.run())
    server = StepUp.embedded(
        url=url,
        storage=storage,
        clients=[App(CLIENT_ID)],
        name="Bank",
        clock=clock,
        allow_insecure_loopback=True,  # http://localhost; remove it for https
    )
    server.install(app)

    @app.post("/login")
    async def login(who: dict[str, str], request: Request) -> TokenResponse:
        if who != {"username": USER, "password": PASSWORD}:  # here stands your own check
            raise HTTPException(403, "Unknown user or wrong password")
        return await server.start_session(USER, amr=["pwd"], request=request, account=f"{USER}@example.com")

    @app.api_route("/mcp", methods=["GET", "POST", "DELETE"])
    async def mcp(request: Request, auth: Annotated[Authentication, Depends(server.require())]) -> Response:
        message = await _message_in(request)
        reason = _to_confirm(message)
        if reason is not None:
            auth.require(acr="mfa", max_age=300, reason=reason)
        return _HandedOver(tools, message)  # the very message that was judged

    return app


def _tools() -> MCPServer:
    tools, account = MCPServer("bank"), {"balance": 1000.0}

    @tools.tool()
    def balance() -> str:
        """The balance, in EUR."""
        return f"{account['balance']:.2f}"

    @tools.tool()
    def send_money(to: str, amount: float) -> str:
        """Send money, in EUR."""
        account["balance"] -= amount
        return f"Sent {amount:.2f} EUR to {to}."

    tools.streamable_http_app()  # makes the session manager that `_HandedOver` calls
    return tools


async def _message_in(request: Request) -> Any:
    try:
        return json.loads(await request.body() or b"null")
    except ValueError as error:
        raise HTTPException(400, "This is not JSON") from error


def _to_confirm(message: Any) -> str | None:
    """Why a message is to be confirmed; `None` where it only reads. What is not understood is confirmed."""
    if message is None or (isinstance(message, dict) and message.get("method") != "tools/call"):
        return None
    called = message.get("params") if isinstance(message, dict) else None
    if not isinstance(called, dict):
        return "Let a tool act for you"
    if called.get("name") in READING:
        return None
    given = called.get("arguments")
    if called.get("name") == "send_money" and isinstance(given, dict):
        return f"Send {given.get('amount')} EUR to {given.get('to')}"
    return f"Let the tool {called.get('name')} act for you"


class _HandedOver(Response):
    """What the MCP server answers to the message that was judged."""

    def __init__(self, tools: MCPServer, message: Any) -> None:
        super().__init__()
        self._tools, self._message = tools, b"" if message is None else json.dumps(message).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = [{"type": "http.request", "body": self._message, "more_body": False}]

        async def replayed() -> Any:
            return first.pop() if first else await receive()

        await self._tools.session_manager.handle_request(scope, replayed, send)
