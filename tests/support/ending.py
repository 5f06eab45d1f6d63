"""An application that is ended while it answers: `python -m uvicorn support.ending:make --factory`.

It says on standard output what it does: `in flight` when the first byte of a slow call's body came, and `closed` when
its lifespan ends.
"""

import os
import sys
from asyncio import sleep
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI, Request

from upstile.server import App
from upstile.server.fastapi import StepUp

URL = "http://localhost:8000"


def make() -> FastAPI:
    """The application, with its state in the folder `ENDING_FOLDER`."""
    app = FastAPI(lifespan=_lifespan)
    storage = f"sqlite:///{Path(os.environ['ENDING_FOLDER']) / 'state.db'}"
    clients = [App("cli")]
    StepUp.embedded(url=URL, storage=storage, clients=clients, allow_insecure_loopback=True).install(app)

    @app.post("/slow")
    async def slow(request: Request) -> int:
        """Answer once the body is whole and this process is not ready any more; until then it is in flight."""
        body = b""
        async for chunk in request.stream():
            if not body and chunk:
                _say("in flight")
            body += chunk
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
            while body.endswith(b"wait"):
                if (await http.get("/stepup/health/ready")).status_code == 503:
                    break
                await sleep(0.01)
        return len(body)

    return app


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncGenerator[None]:
    yield
    _say("closed")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()
