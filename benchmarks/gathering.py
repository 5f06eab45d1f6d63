"""A hundred calls at once that are challenged: how many ceremonies, and how far apart their answers come after it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx

from benchmarks.interleaved import Ratio, ratio
from benchmarks.table import Row
from examples.bank.api import create_app
from examples.bank.app import CLIENT_ID
from examples.bank.person import AuthenticatorApp
from examples.bank.serving import serving
from upstile.client import AsyncClient, CallbackPrompter, Requirement, Totp
from upstile.client.testing import Clock

AT_ONCE = 100
ORDER = {"to": "ACME", "amount": "1.00"}
LOGIN = {"username": "ada", "password": "correct horse"}
CONNECTIONS = 10
"""Few, and the same for all: the pool of httpx looks at every idle connection for every call, so that a client which
happens to have opened a hundred takes six times as long as one that needed thirty."""
LIMITS = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)

Post = Callable[[], Awaitable[httpx.Response]]


def gather_rows(rounds: int) -> Iterator[Row]:
    """At the example's bank, on a real socket; the bare calls bring tokens and proofs that were made before."""
    clock = Clock()
    with (
        TemporaryDirectory() as folder,
        serving(lambda url: create_app(url=url, storage=f"sqlite:///{Path(folder) / 'bank.db'}", clock=clock)) as url,
    ):
        seconds, ceremonies = asyncio.run(_measured(url, clock, rounds))
    name = f"{AT_ONCE} challenged calls at once: "
    yield Row(name + "ceremonies", "1", max(ceremonies), 1.0)
    yield Row(name + "their spread", f"that of {AT_ONCE} bare calls", _of(seconds, "challenged"), None)
    yield Row("  with the token at hand", f"that of {AT_ONCE} bare calls", _of(seconds, "at hand"), None)
    yield Row("  the spread of the bare calls", "ms", median(seconds["bare"]) * 1000, None)


def _of(seconds: dict[str, list[float]], contender: str) -> Ratio:
    return ratio(seconds, contender, "bare")


async def _measured(url: str, clock: Clock, rounds: int) -> tuple[dict[str, list[float]], list[int]]:
    """The spreads in each round, by contender, and how often the person was asked in each."""
    app, ceremonies = AuthenticatorApp(clock), list[int]()
    prompter = CallbackPrompter(code=lambda _: app.read(), show_key_uri=app.scan)
    options: dict[str, Any] = {"client_id": CLIENT_ID, "prompter": prompter, "methods": [Totp()], "clock": clock}
    seconds: dict[str, list[float]] = {"challenged": [], "at hand": [], "bare": []}
    async with AsyncClient(url, **options, limits=LIMITS) as client:
        await client.sign_in("/login", json=LOGIN)
        await client.authenticators.enroll(Totp(), "phone")
    for _ in range(rounds):
        clock.move(60)
        events: list[str] = []
        options["on_event"] = lambda event, events=events: events.append(event.kind)
        async with (
            AsyncClient(url, **options, limits=LIMITS) as client,
            httpx.AsyncClient(base_url=url, limits=LIMITS) as bare,
        ):
            await client.sign_in("/login", json=LOGIN)
            await asyncio.gather(*(client.get("/balance") for _ in range(AT_ONCE)))  # opens the connections
            seconds["challenged"].append(await _spread([lambda: client.post("/transfers", json=ORDER)] * AT_ONCE))
            ceremonies.append(events.count("started"))
            seconds["at hand"].append(await _spread([lambda: client.post("/transfers", json=ORDER)] * AT_ONCE))
            await asyncio.gather(*(bare.get("/balance") for _ in range(AT_ONCE)))
            seconds["bare"].append(await _spread(_ready(client, bare, url)))
    return seconds, ceremonies


def _ready(client: AsyncClient, bare: httpx.AsyncClient, url: str) -> list[Post]:
    """Calls whose headers are made: what is measured is the library, and the server."""
    tokens = client.step_up_auth.session.tokens
    caller = tokens.current()
    token = tokens.elevated.find(Requirement(acr="mfa", max_age=300), url, caller.login)
    if token is None:
        raise RuntimeError("the ceremony left no token")
    text, target = token.access_token, f"{url}/transfers"

    def ready() -> Post:
        headers = {"Authorization": f"DPoP {text}", "DPoP": caller.key.proof("POST", target, text)}
        return lambda: bare.post("/transfers", json=ORDER, headers=headers)

    return [ready() for _ in range(AT_ONCE)]


async def _spread(calls: list[Post]) -> float:
    """Seconds from the first answer to the last."""

    async def done(call: Post) -> float:
        (await call()).raise_for_status()
        return perf_counter()

    at = await asyncio.gather(*map(done, calls))
    return max(at) - min(at)
