"""The clients on httpx2 do what those on httpx do, and nothing of httpx is loaded for them."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

import upstile.client.httpx2
from examples.bank.api import create_app
from support.ada import Ada
from support.bank_server import BankServer, MovableClock
from support.libraries import Library
from upstile.client import Client, FileStore, NotSignedIn, OutcomeUnknown

ORDER = {"to": "ACME", "amount": "1.00"}
LOGIN = {"username": "ada", "password": "correct horse"}


def test_a_lost_answer_to_a_call_for_itself_is_unknown() -> None:
    def broken(request: httpx2.Request) -> httpx2.Response:
        request.extensions["upstile.once"] = True
        raise httpx2.ReadError("gone")

    transport = httpx2.MockTransport(broken)
    client = upstile.client.httpx2.Client("https://api.example.com", client_id="cli", transport=transport)
    with client, pytest.raises(OutcomeUnknown):
        client.post("/x")


@pytest.mark.both_libraries
def test_an_application_is_called_in_process(tmp_path: Path, library: Library) -> None:
    clock = MovableClock()
    url = "http://localhost:8000"
    app = create_app(url=url, storage=f"sqlite:///{tmp_path / 'bank.db'}", clock=clock)
    transport = library.http.ASGITransport(app)

    async def main() -> int:
        async with library.clients.AsyncClient(url, client_id="bank-cli", transport=transport, clock=clock) as client:
            await client.sign_in("/login", json=LOGIN)
            return len(await client.authenticators.list())

    assert asyncio.run(main()) == 0


CALL = """
import sys
from upstile.client.httpx2 import AsyncClient, Client, StepUpAuth
from upstile.client import StepUpRequired

with Client(sys.argv[1], client_id="bank-cli", interaction="never") as client:
    client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
    assert client.get("/balance").status_code == 200
    try:
        client.post("/transfers", json={"to": "ACME", "amount": "1.00"})
    except StepUpRequired:
        print("challenged", [name for name in sys.modules if name.partition(".")[0] in ("httpx", "httpcore")])
"""


def test_a_challenged_call_on_httpx2_loads_nothing_of_httpx(bank_server: BankServer) -> None:
    assert _said(["-c", CALL, bank_server.url])[0] == "challenged []"


def test_the_import_itself_loads_nothing_of_httpx() -> None:
    loaded = _said(["-X", "importtime", "-c", "import upstile.client.httpx2"])
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in loaded if line.startswith("import time:")}
    assert {"httpx2", "upstile"} <= names
    assert names.isdisjoint({"httpx", "httpcore"})


def test_what_both_offer_has_the_same_names() -> None:
    for name in ("Client", "AsyncClient", "StepUpAuth"):
        one, other = getattr(upstile.client, name), getattr(upstile.client.httpx2, name)
        assert one.__mro__[1] is other.__mro__[1]


def test_a_sign_in_in_a_store_serves_both_libraries_and_ends_for_both(ada: Ada, tmp_path: Path) -> None:
    with ada.app():
        pass
    store = FileStore("pay", folder=tmp_path / "state")
    with upstile.client.httpx2.Client(ada.bank.url, store=store, **ada.options()) as client:
        client.sign_in("/login", subject="ada", json=LOGIN)
    with Client(ada.bank.url, store=store, **ada.options()) as other:
        assert other.get("/balance").status_code == 200

    async def main() -> None:
        async with upstile.client.httpx2.AsyncClient(ada.bank.url, store=store, **ada.options()) as client:
            assert (await client.post("/transfers", json=ORDER)).status_code == 200
            await client.sign_out()
            with pytest.raises(NotSignedIn):
                await client.get("/balance")

    asyncio.run(main())
    with upstile.client.httpx2.Client(ada.bank.url, store=store, **ada.options()) as client:
        assert client.signed_in is None


def _said(command: list[str]) -> list[str]:
    done = subprocess.run(  # noqa: S603
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()
