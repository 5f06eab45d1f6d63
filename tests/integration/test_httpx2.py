"""The clients on httpx2 do what those on httpx do, and nothing of httpx is loaded for them."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

import upstile.client.httpx2
from examples.bank.api import create_app
from support.ada import Ada
from support.bank_server import MovableClock
from upstile.client import Client, FileStore, NotSignedIn, OutcomeUnknown

ORDER = {"to": "ACME", "amount": "1.00"}
LOGIN = {"username": "ada", "password": "correct horse"}


def test_a_call_steps_up_with_one_prompt(ada: Ada) -> None:
    with ada.app():
        pass
    with upstile.client.httpx2.Client(ada.bank.url, **ada.options()) as client:
        client.sign_in("/login", json=LOGIN)
        asked = len(ada.person.occasions)
        reply = client.post("/transfers", json=ORDER)
        assert isinstance(reply, httpx2.Response)
        assert (reply.status_code, len(ada.person.occasions)) == (200, asked + 1)
        assert [entry.name for entry in client.authenticators.list()] == ["phone"]


def test_ten_tasks_share_one_prompt(ada: Ada) -> None:
    with ada.app():
        pass
    asked = len(ada.person.occasions)

    async def main() -> list[int]:
        async with upstile.client.httpx2.AsyncClient(ada.bank.url, **ada.options()) as client:
            await client.sign_in("/login", json=LOGIN)
            replies = await asyncio.gather(*(client.post("/transfers", json=ORDER) for _ in range(10)))
            return [reply.status_code for reply in replies]

    assert asyncio.run(main()) == [200] * 10
    assert len(ada.person.occasions) == asked + 1


def test_a_client_that_exists_is_upgraded_by_one_line(ada: Ada) -> None:
    with ada.app() as signed_in:
        token = signed_in.step_up_auth.session.tokens.current().base
        key = signed_in.step_up_auth.session.key._key
    auth = upstile.client.httpx2.StepUpAuth(ada.bank.url, token=token, dpop_key=key, **ada.options())
    with httpx2.Client(base_url=ada.bank.url, auth=auth) as client:
        assert client.post("/transfers", json=ORDER).status_code == 200
    auth.close()


def test_a_lost_answer_to_a_call_for_itself_is_unknown() -> None:
    def broken(request: httpx2.Request) -> httpx2.Response:
        request.extensions["upstile.once"] = True
        raise httpx2.ReadError("gone")

    transport = httpx2.MockTransport(broken)
    client = upstile.client.httpx2.Client("https://api.example.com", client_id="cli", transport=transport)
    with client, pytest.raises(OutcomeUnknown):
        client.post("/x")


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_an_application_is_called_in_process(tmp_path: Path, library: Any) -> None:
    clock, clients = MovableClock(), upstile.client.httpx2 if library is httpx2 else upstile.client
    url = "http://localhost:8000"
    app = create_app(url=url, storage=f"sqlite:///{tmp_path / 'bank.db'}", clock=clock)
    transport = library.ASGITransport(app)

    async def main() -> int:
        async with clients.AsyncClient(url, client_id="bank-cli", transport=transport, clock=clock) as client:
            await client.sign_in("/login", json=LOGIN)
            return len(await client.authenticators.list())

    assert asyncio.run(main()) == 0


def test_nothing_of_httpx_is_loaded() -> None:
    look = "import sys, upstile.client.httpx2; print([name for name in sys.modules if name.split('.')[0] == 'httpx'])"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)  # noqa: S603
    assert loaded.stdout == "[]\n"


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
