"""The ceremony's own connection goes the way that the app's calls go, and takes no secret where it does not belong."""

import asyncio
from threading import Event
from typing import Any

import httpx
import pytest
import trio

from support.desk import API, ELSEWHERE, Desk, Sent
from upstile.client import CeremonyFailed
from upstile.client.adapters._transport import OwnTransport

pytestmark = pytest.mark.usefixtures("library")

OWN = ("resource", "server", "start", "answer", "token")


class Awaited(httpx.AsyncBaseTransport):
    """A desk that can be awaited and nothing else, as `httpx.ASGITransport` is."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._desk.handle_async_request(request)


def test_what_a_gateway_wants_to_see_goes_with_the_ceremony() -> None:
    desk = Desk()
    with desk.client(headers={"x-api-key": "k"}, cookies={"gate": "g"}) as bank:
        bank.headers["x-late"] = "l"
        assert bank.post("/transfers").status_code == 200
    for place in OWN:
        for sent in desk.at(place):
            assert (sent.headers["x-api-key"], sent.headers["x-late"]) == ("k", "l")
            assert sent.headers["cookie"] == "gate=g"


def test_the_apps_own_authorization_never_goes_with_the_ceremony() -> None:
    desk = Desk()
    with desk.client(headers={"Authorization": "Basic c2VjcmV0", "DPoP": "mine", "Content-Type": "x/y"}) as bank:
        assert bank.post("/transfers").status_code == 200
    for place in OWN:
        for sent in desk.at(place):
            assert "authorization" not in sent.headers
            assert sent.headers.get("dpop") != "mine"
            assert sent.headers.get("content-type") != "x/y"


def test_another_issuer_is_told_none_of_the_apps_secrets() -> None:
    desk, seen = Desk(), list[httpx.Headers]()

    def elsewhere(sent: Sent) -> httpx.Response:
        seen.append(sent.headers)
        return httpx.Response(404)

    desk.always("resource", lambda _: httpx.Response(200, json={"resource": API, "authorization_servers": [ELSEWHERE]}))
    desk.always("elsewhere", elsewhere)
    options: dict[str, Any] = {"headers": {"x-api-key": "k"}, "cookies": {"gate": "g"}, "issuer": ELSEWHERE}
    with desk.client(**options) as bank, pytest.raises(CeremonyFailed):
        bank.post("/transfers")
    assert seen
    assert all("x-api-key" not in headers and "cookie" not in headers for headers in seen)


@pytest.mark.both_libraries
def test_a_transport_that_is_awaited_is_used_in_the_apps_own_loop() -> None:
    desk = Desk()

    async def main() -> None:
        async with desk.async_client(transport=Awaited(desk)) as bank:
            assert (await bank.post("/transfers")).status_code == 200
            await bank.step_up(acr="mfa", max_age=0)

    asyncio.run(main())
    trio.run(main)
    assert len(desk.at("token")) == 4


def test_many_tasks_of_trio_share_one_ceremony() -> None:
    desk = Desk()

    async def main() -> None:
        async with desk.async_client() as bank, trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(bank.post, "/transfers")

    trio.run(main)
    assert len(desk.at("start")) == 1


def test_a_task_of_trio_that_gives_up_cancels_the_ceremony() -> None:
    desk = Desk()
    desk.person._hold = Event()

    async def main() -> None:
        async with desk.async_client() as bank:
            with trio.move_on_after(0.2) as scope:
                await bank.post("/transfers")
            assert scope.cancelled_caught

    trio.run(main)
    assert desk.at("token") == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_a_proxy_is_never_for_this_machine_itself(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    own = OwnTransport(httpx, {}, lambda _: False)
    direct = own._opened()._transport_for_url(httpx.URL(f"http://{host}:8000/x"))
    proxied = own._client._transport_for_url(httpx.URL("http://far.example/x"))
    assert direct is own._client._transport
    assert proxied is not direct
    own.close()


@pytest.mark.both_libraries
@pytest.mark.parametrize("repeats", [True, False])
def test_a_proof_that_was_used_below_us_is_replaced_once(repeats: bool) -> None:
    desk = Desk()
    used = httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_dpop_proof"'})
    desk.first("call", used, httpx.Response(200))
    body: Any = b"again" if repeats else iter([b"once"])
    with desk.client() as bank:
        status = bank.post("/transfers", content=body).status_code
    proofs = [sent.proof["jti"] for sent in desk.at("call")]
    assert (status, len(set(proofs))) == ((200, 2) if repeats else (401, 1))
    assert not desk.asked


def test_a_proof_that_is_never_good_is_the_callers_401() -> None:
    desk = Desk()
    desk.always("call", lambda _: httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_dpop_proof"'}))
    with desk.client() as bank:
        assert bank.get("/me").status_code == 401
    assert len(desk.at("call")) == 2
