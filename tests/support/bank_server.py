"""The example bank on a real socket, with a clock that tests move."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

from pydantic import BaseModel

from examples.bank.api import create_app
from examples.bank.serving import serving
from upstile.server.methods import Method


class MovableClock:
    """The time of day, plus what it was moved by."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time() + self.ahead


class Advance(BaseModel):
    """How many seconds to move the clock ahead."""

    advance: float


class Counted:
    """An ASGI middleware that notes each exchange that came through the socket."""

    def __init__(self, app: Any, exchanges: list[tuple[str, str, int]]) -> None:
        self._app = app
        self._exchanges = exchanges

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def speak(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._exchanges.append((scope["method"], scope["path"], message["status"]))
            await send(message)

        await self._app(scope, receive, speak if scope["type"] == "http" else send)


@dataclass(frozen=True)
class BankServer:
    """A running bank.

    Attributes:
        url: its base URL, `http://localhost:PORT`.
        clock_url: `POST {"advance": seconds}` moves its clock and answers `{"now": epoch seconds}`.
        clock: the same clock, in this process.
        exchanges: every exchange so far: method, path, status.
    """

    url: str
    clock_url: str
    clock: MovableClock
    exchanges: list[tuple[str, str, int]]


@contextmanager
def running_bank(folder: Path, *, methods: Sequence[Method] | None = None) -> Generator[BankServer]:
    """Run the bank with its state in `folder`; its ways to confirm are the usual ones by default."""
    clock, exchanges = MovableClock(), list[tuple[str, str, int]]()

    def make_app(url: str) -> Counted:
        app = create_app(url=url, storage=f"sqlite:///{folder / 'bank.db'}", methods=methods, clock=clock)

        @app.post("/_clock")
        async def move(how_far: Advance) -> dict[str, float]:
            clock.ahead += how_far.advance
            return {"now": clock()}

        return Counted(app, exchanges)

    with serving(make_app) as url:
        yield BankServer(url=url, clock_url=f"{url}/_clock", clock=clock, exchanges=exchanges)
