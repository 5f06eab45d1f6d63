"""An MCP client that steps up. Run it with `uv run --only-group mcp python -m examples.mcp_client`, in a terminal.

It brings an MCP server of its own; with the address of one that runs already, it uses that.
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.bank.serving import serving
from examples.mcp_client.api import create_app
from examples.mcp_client.app import called, tools_of


async def talk(url: str) -> None:
    """Do what a model would do: look which tools there are, read, and send money."""
    async with tools_of(url) as tools:
        names = ", ".join(tool.name for tool in (await tools.list_tools()).tools)
        print(f"The bank has the tools {names}.")  # noqa: T201
        print(f"balance: {await called(tools, 'balance')} EUR")  # noqa: T201
        print(f"send_money: {await called(tools, 'send_money', to='ACME', amount=50)}")  # noqa: T201


def main() -> None:
    """Talk to the server that is named, or to one of our own."""
    if sys.argv[1:]:
        asyncio.run(talk(sys.argv[1]))
        return
    with TemporaryDirectory(prefix="upstile-mcp-") as folder:
        storage = f"sqlite:///{Path(folder) / 'bank.db'}"
        with serving(lambda url: create_app(url=url, storage=storage)) as url:
            asyncio.run(talk(url))


if __name__ == "__main__":
    main()
