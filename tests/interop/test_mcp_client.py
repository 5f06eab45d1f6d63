"""The MCP SDK on httpx2, at a server whose tools are guarded: a tool that spends asks once, one that reads nobody."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import time
from typing import Any

import httpx2
import pytest

from examples.bank.serving import serving
from support.bank_server import MovableClock
from support.installed import module
from support.phone import PersonWithAPhone
from support.terminal import Sitting
from support.totp import code_at, seed_in
from upstile.client import StepUpRequired, Totp
from upstile.client.httpx2 import AsyncClient, Client, StepUpAuth
from upstile.server.authorization.ceremony import _overload

ROOT = Path(__file__).parents[2]
FIRST = "First code that your authenticator app shows: "
CODE = "Code from your authenticator app: "
SENT = "send_money: Sent 50.00 EUR to ACME."
LOGIN = {"username": "ada", "password": "correct horse"}


@dataclass(frozen=True)
class Place:
    """The server, its user, and how the client is set up."""

    url: str
    user: PersonWithAPhone
    options: dict[str, Any]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    create_app = module("examples.mcp_client.api").create_app
    monkeypatch.setattr(_overload, "LATE", inf)  # a busy machine must not refuse what a test starts
    clock = MovableClock()
    user, storage = PersonWithAPhone(clock), f"sqlite:///{tmp_path / 'bank.db'}"
    with serving(lambda url: create_app(url=url, storage=storage, clock=clock)) as url:
        yield Place(url, user, {"prompter": user, "methods": [Totp()], "clock": clock, "monotonic": clock})


def test_a_tool_that_spends_asks_once_and_one_that_reads_nobody(place: Place) -> None:
    app = module("examples.mcp_client.app")

    async def talk() -> list[str]:
        async with app.tools_of(place.url, **place.options) as tools:
            assert [tool.name for tool in (await tools.list_tools()).tools] == ["balance", "send_money"]
            said = [await app.called(tools, "balance")]
            assert place.user.occasions == []
            said += [await app.called(tools, "send_money", to=payee, amount=50) for payee in ("ACME", "Initech")]
            return [*said, await app.called(tools, "balance")]

    assert asyncio.run(talk()) == ["1000.00", "Sent 50.00 EUR to ACME.", "Sent 50.00 EUR to Initech.", "900.00"]
    assert [asked.reason for asked in place.user.occasions] == ["Send 50 EUR to ACME"]


def test_a_tool_whose_call_is_declined_fails_alone_and_is_not_tried_again(place: Place) -> None:
    app, error = module("examples.mcp_client.app"), module("mcp").MCPError

    async def talk() -> str:
        async with app.tools_of(place.url, **place.options) as tools:
            place.user.declines = True
            with pytest.raises(error, match=r"The person cancelled\. Nothing was done\."):
                await app.called(tools, "send_money", to="ACME", amount=50)
            assert len(place.user.occasions) == 1
            place.user.declines = False
            return str(await app.called(tools, "send_money", to="ACME", amount=50))

    assert asyncio.run(talk()) == "Sent 50.00 EUR to ACME."


def test_an_sdk_that_has_a_client_of_its_own_is_upgraded_by_its_auth(place: Place) -> None:
    mcp, transport, app = module("mcp"), module("mcp.client.streamable_http"), module("examples.mcp_client.app")

    async def talk() -> str:
        async with app.tools_of(place.url, **place.options):
            pass
        async with AsyncClient(place.url, client_id="bank-mcp", **place.options) as signed_in:
            await signed_in.sign_in("/login", json=LOGIN)
            session = signed_in.step_up_auth.session
            token, key = session.tokens.current().base, session.key._key
        auth = StepUpAuth(place.url, client_id="bank-mcp", token=token, dpop_key=key, **place.options)
        async with httpx2.AsyncClient(auth=auth) as http:
            way = transport.streamable_http_client(f"{place.url}/mcp", http_client=http)
            async with mcp.Client(way) as tools:
                said = await app.called(tools, "send_money", to="ACME", amount=1)
        auth.close()
        return str(said)

    assert asyncio.run(talk()) == "Sent 1.00 EUR to ACME."
    assert len(place.user.occasions) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"method": "tools/call", "params": {"name": "send_money", "arguments": {"to": "ACME", "amount": 1}}},
        [{"method": "tools/call", "params": {"name": "send_money", "arguments": {}}}],
        {"method": "tools/call", "params": [{"name": "balance"}]},
        {"method": "tools/call", "params": {"name": ["balance"]}},
        {"method": "tools/call", "params": {"name": "Balance"}},
    ],
    ids=["the tool", "in a list", "params of another shape", "a name of another shape", "a tool that there is not"],
)
def test_no_message_spends_without_a_confirmation(place: Place, message: Any) -> None:
    with pytest.raises(StepUpRequired) as caught:
        _answer(place, json=message)
    assert caught.value.response is not None
    assert caught.value.response.status == 401


def test_of_two_names_for_a_tool_the_one_that_is_judged_is_called(place: Place) -> None:
    twice = '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "send_money", "name": "balance"}}'
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    assert "Sent" not in _answer(place, content=twice, headers=headers)


def test_who_is_not_signed_in_reaches_no_tool(place: Place) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert httpx2.request(method, f"{place.url}/mcp").status_code == 401


@pytest.mark.long
def test_the_documented_command_asks_at_the_terminal() -> None:
    module("mcp")
    with closing(Sitting(["-m", "examples.mcp_client"], cwd=ROOT)) as person:
        person.sees("type this secret: ")
        seed = seed_in(person.sees("\n").replace(" ", "").strip())
        while not (seen := person.sees(FIRST, CODE, SENT)).endswith(SENT):  # the last step's code comes first
            person.writes(f"{code_at(seed, int(time()) // 30 - seen.endswith(FIRST))}\n")
        assert person.ends() == 0
    assert "The bank has the tools balance, send_money." in person.shown
    assert re.search(r"The service says:\s+│ Send 50 EUR to ACME", person.shown)


def _answer(place: Place, **request: Any) -> str:
    """What a message gets that is sent by hand, with the token of the sign-in, where nobody may be asked."""
    with Client(place.url, client_id="bank-mcp", interaction="never", **place.options) as http:
        http.sign_in("/login", json=LOGIN)
        return str(http.post("/mcp", **request).text)
