"""The example bank on a real socket, with a clock that tests move."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time

from fastapi import FastAPI
from pydantic import BaseModel

from examples.bank.api import create_app
from examples.bank.serving import serving


class MovableClock:
    """The time of day, plus what it was moved by."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time() + self.ahead


class Advance(BaseModel):
    """How many seconds to move the clock ahead."""

    advance: float


@dataclass(frozen=True)
class BankServer:
    """A running bank.

    Attributes:
        url: its base URL, `http://localhost:PORT`.
        clock_url: `POST {"advance": seconds}` moves its clock and answers `{"now": epoch seconds}`.
        clock: the same clock, in this process.
    """

    url: str
    clock_url: str
    clock: MovableClock


@contextmanager
def running_bank(folder: Path) -> Generator[BankServer]:
    """Run the bank with its state in `folder`."""
    clock = MovableClock()

    def make_app(url: str) -> FastAPI:
        app = create_app(url=url, storage=f"sqlite:///{folder / 'bank.db'}", clock=clock)

        @app.post("/_clock")
        async def move(how_far: Advance) -> dict[str, float]:
            clock.ahead += how_far.advance
            return {"now": clock()}

        return app

    with serving(make_app) as url:
        yield BankServer(url=url, clock_url=f"{url}/_clock", clock=clock)
