"""A demand for a DPoP nonce is no step-up: it is obeyed once, and never a second time (RFC 9449 §8 and §9)."""

import asyncio

import httpx
import pytest

from support.desk import API, CHALLENGE, ELSEWHERE, Desk, Sent, challenged
from upstile.client import CeremonyFailed

pytestmark = pytest.mark.usefixtures("library")

DEMAND = 'DPoP error="use_dpop_nonce", algs="ES256"'


def test_an_api_that_wants_a_nonce_gets_it_and_nobody_is_asked() -> None:
    desk = Desk()
    desk.first("call", _demand("one"), httpx.Response(200))
    with desk.client() as bank:
        assert bank.post("/transfers", content=b"whole").status_code == 200
    assert [_nonce(sent) for sent in desk.at("call")] == [None, "one"]
    assert [sent.body for sent in desk.sent] == [b"whole", b"whole"]
    assert not desk.asked


@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
@pytest.mark.parametrize("same", [False, True], ids=["a new one each time", "always the same"])
def test_an_api_that_goes_on_demanding_nonces_is_answered_once(waits: bool, same: bool) -> None:
    desk = Desk()
    desk.first("call", *(_demand("n" if same else f"n{number}") for number in range(5)))

    async def main() -> httpx.Response:
        async with desk.async_client() as bank:
            return await bank.post("/transfers")

    if waits:
        reply = asyncio.run(main())
    else:
        with desk.client() as bank:
            reply = bank.post("/transfers")
    assert (reply.status_code, len(desk.sent)) == (401, 2)
    assert not desk.asked


def test_a_demand_without_a_nonce_is_the_calls_own_401() -> None:
    desk = Desk()
    desk.always("call", lambda _: challenged(DEMAND))
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 401
    assert len(desk.sent) == 1


def test_a_nonce_beside_a_step_up_is_kept_for_the_repeat_and_costs_no_exchange() -> None:
    desk = Desk()
    desk.first("call", _demand("one", CHALLENGE))
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200
    assert [_nonce(sent) for sent in desk.at("call")] == [None, "one"]
    assert _nonce(desk.at("start")[0]) == "one"


def test_the_repeat_may_be_asked_for_a_nonce_too() -> None:
    desk = Desk()
    desk.first("call", challenged(), _demand("one"))
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200
    assert [_nonce(sent) for sent in desk.at("call")] == [None, None, "one"]
    assert len(desk.person.occasions) == 1


@pytest.mark.parametrize("place", ["start", "answer", "token"])
def test_an_authorization_server_that_wants_a_nonce_gets_it(place: str) -> None:
    desk = Desk()
    desk.first(place, _as_demand("one"))
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200
    first, second = desk.at(place)
    assert (_nonce(first), _nonce(second)) == (None, "one")
    assert first.body == second.body
    assert len(desk.person.labels) == 1


@pytest.mark.parametrize("place", ["start", "answer", "token"])
@pytest.mark.parametrize("same", [False, True], ids=["a new one each time", "always the same"])
def test_an_authorization_server_that_goes_on_demanding_nonces_is_answered_once(place: str, same: bool) -> None:
    desk = Desk()
    desk.first(place, *(_as_demand("n" if same else f"n{number}") for number in range(5)))
    with desk.client() as bank, pytest.raises(CeremonyFailed) as caught:
        bank.post("/transfers")
    assert caught.value.error == "use_dpop_nonce"
    assert len(desk.at(place)) == 2


def test_the_nonces_of_two_servers_are_kept_apart() -> None:
    desk = Desk()
    desk.first("call", httpx.Response(302, headers={"location": f"{ELSEWHERE}/"}))
    desk.always("elsewhere", lambda _: httpx.Response(200, headers={"dpop-nonce": "theirs"}))
    with desk.client(follow_redirects=True) as bank:
        assert bank.get("/balance").status_code == 200
        assert bank.post("/transfers").status_code == 200
    assert len(desk.at("elsewhere")) == 1
    assert [_nonce(sent) for sent in desk.sent if "dpop" in sent.headers] == [None] * 6


def _demand(nonce: str, challenge: str = DEMAND) -> httpx.Response:
    return httpx.Response(401, headers={"www-authenticate": challenge, "dpop-nonce": nonce})


def _as_demand(nonce: str) -> httpx.Response:
    return httpx.Response(400, json={"error": "use_dpop_nonce"}, headers={"dpop-nonce": nonce})


def _nonce(sent: Sent) -> str | None:
    assert sent.url.startswith(API)
    nonce = sent.proof.get("nonce")
    assert nonce is None or isinstance(nonce, str)
    return nonce
