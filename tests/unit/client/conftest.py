"""Fixtures of the client's tests."""

import tempfile
import tkinter as tk
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import respx

import upstile.client.adapters._spool as spooling
from support.desk import Desk
from support.mocked_api import API, CODED, STEPPED, TOKEN, guarded_reply
from support.reader import METHODS
from support.several_ways import SeveralWays
from support.tk_person import TkPerson
from support.windows import new_window


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    """The API and its authorization server, for one step-up."""
    with respx.mock(assert_all_called=False) as router:
        router.get(f"{API}/.well-known/oauth-protected-resource", name="resource").respond(
            json={"resource": API, "authorization_servers": [API]}
        )
        router.get(f"{API}/.well-known/oauth-authorization-server", name="metadata").respond(
            json={
                "issuer": API,
                "authorization_challenge_endpoint": f"{API}/challenge",
                "token_endpoint": f"{API}/token",
            }
        )
        router.post(f"{API}/challenge", name="challenge").mock(side_effect=[STEPPED, CODED])
        router.post(f"{API}/token", name="token").respond(json=TOKEN)
        router.post(f"{API}/transfers", name="transfers").mock(side_effect=guarded_reply)
        yield router


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The temporary files that were made."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        made.append(tempfile.TemporaryFile(**options))  # noqa: SIM115 - what is tested closes it
        return made[-1]

    monkeypatch.setattr(spooling, "TemporaryFile", make)
    return made


@pytest.fixture(scope="module")
def root(screen: str) -> Iterator[tk.Tk]:
    """The window of an app on Tk."""
    made = new_window(screen)
    yield made
    made.destroy()


@pytest.fixture
def person(root: tk.Tk) -> Iterator[TkPerson]:
    """Who sits in front of it, and of the windows above it."""
    yield TkPerson(root)
    for window in root.winfo_children():
        window.destroy()


@pytest.fixture
def pays() -> Iterator[Callable[..., int]]:
    """Calls the API; at the end, no client of it did anything against the protocol."""
    servers: list[SeveralWays] = []

    def pay(desk: Desk, server: SeveralWays, **options: Any) -> int:
        servers.append(server)
        with desk.client(methods=METHODS, **options) as bank:
            return int(bank.post("/transfers").status_code)

    yield pay
    assert [violation for server in servers for violation in server.violations] == []
