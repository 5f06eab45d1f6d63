"""The MCP client, as its author writes it: the SDK's own, on an httpx2 client that steps up."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Unpack

import httpx2
import mcp
from mcp import types
from mcp.client.streamable_http import streamable_http_client

from examples.mcp_client.api import CLIENT_ID, PASSWORD, USER
from upstile.client import ClientOptions, StepUpError, Totp
from upstile.client.httpx2 import AsyncClient


class ToolClient(AsyncClient):
    """An `AsyncClient` whose errors end one call of a tool: the MCP SDK ends all of them when its client raises."""

    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """As `AsyncClient.send`; a step-up that did not come about is the error of the tool's call."""
        try:
            return await super().send(request, **how)
        except StepUpError as error:
            failure = {"code": types.INTERNAL_ERROR, "message": error.diagnostics()}
            return httpx2.Response(403, json={"jsonrpc": "2.0", "id": None, "error": failure}, request=request)


@asynccontextmanager
async def tools_of(url: str, **options: Unpack[ClientOptions]) -> AsyncGenerator[mcp.Client]:
    """Ada's tools at the bank; the first time she adds an authenticator app."""
    async with ToolClient(url, client_id=CLIENT_ID, **options) as http:
        await http.sign_in("/login", json={"username": USER, "password": PASSWORD})
        if not any(entry.state == "active" for entry in await http.authenticators.list()):
            await http.authenticators.enroll(Totp(), "my phone")
        async with mcp.Client(streamable_http_client(f"{url}/mcp", http_client=http)) as tools:
            yield tools


async def called(tools: mcp.Client, name: str, **arguments: object) -> str:
    """What a tool says."""
    result = await tools.call_tool(name, dict(arguments))
    said = " ".join(part.text for part in result.content if part.type == "text")
    if result.is_error:
        raise RuntimeError(said)
    return said
