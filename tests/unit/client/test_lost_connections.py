"""Connections that break: what is sent again, what never is, and what the app is told (upstile profile §3 and §4)."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from support.desk import CHALLENGE, Desk, Sent, challenged
from support.libraries import current
from upstile.client import CeremonyFailed, OutcomeUnknown
from upstile.protocol import verify_proof

pytestmark = pytest.mark.usefixtures("library")

BROKEN = [
    httpx.ReadError("broke"),
    httpx.ConnectError("broke"),
    httpx.ReadTimeout("broke"),
    httpx.RemoteProtocolError("broke"),
]
LOST = [error for error in BROKEN if not isinstance(error, httpx.ConnectError)]
SINGLE = CHALLENGE.replace("max_age=300", "max_age=0")


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", ["start", "token"])
def test_a_start_and_a_token_request_go_out_once(place: str, error: Exception) -> None:
    desk = Desk()
    desk.first(place, error)
    with desk.client() as bank, pytest.raises(CeremonyFailed, match="broke") as caught:
        bank.post("/transfers")
    assert len(desk.at(place)) == 1
    assert caught.value.__cause__ is not None
    assert len(desk.at("call")) == 1


@pytest.mark.parametrize("place", ["start", "token"])
def test_a_start_and_a_token_request_are_not_repeated_when_the_server_asks_to_slow_down(place: str) -> None:
    desk = Desk()
    desk.first(place, httpx.Response(429, json={"error": "slow_down"}, headers={"retry-after": "0"}))
    with desk.client() as bank, pytest.raises(CeremonyFailed) as caught:
        bank.post("/transfers")
    assert (caught.value.error, caught.value.retry_after) == ("slow_down", 0)
    assert len(desk.at(place)) == 1


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_an_answer_goes_out_again_the_same_with_a_fresh_proof(error: Exception) -> None:
    desk = Desk()
    desk.first("answer", error)
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200
    first, second = desk.at("answer")
    assert first.body == second.body
    proofs = [
        verify_proof(sent.headers["dpop"], expected_htm="POST", expected_htu=sent.url, now=sent.proof["iat"])
        for sent in (first, second)
    ]
    assert proofs[0].jkt == proofs[1].jkt
    assert proofs[0].jti != proofs[1].jti
    assert desk.person.labels == ["Code from your authenticator app"]


def test_an_answer_whose_reply_is_lost_for_fifteen_seconds_is_given_up() -> None:
    desk = Desk()

    def hangs(sent: Sent) -> httpx.Response:
        desk.monotonic.move(8)
        raise httpx.ReadTimeout("broke")

    desk.always("answer", hangs)
    with desk.client() as bank, pytest.raises(CeremonyFailed, match="cannot be reached"):
        bank.post("/transfers")
    assert len(desk.at("answer")) == 2
    assert len(desk.at("call")) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_answer_whose_node_is_gone_goes_out_again(status: int) -> None:
    desk = Desk()
    desk.first("answer", httpx.Response(status, headers={"retry-after": "0"}, text="<html>"))
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200
    assert len(desk.at("answer")) == 2
    assert len(desk.person.occasions) == 1


def test_a_repeat_that_never_left_is_no_unknown_outcome() -> None:
    desk = Desk()
    desk.first("call", challenged(SINGLE), httpx.ConnectError("refused"))
    with desk.client() as bank, pytest.raises(current().http.ConnectError):
        bank.delete("/account")


class _Cut(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b'{"authorization_'
        raise httpx.ReadError("cut")


def test_an_answer_whose_reply_is_cut_short_goes_out_again() -> None:
    desk = Desk()
    desk.first("answer", httpx.Response(200, stream=_Cut()))
    with desk.client() as bank:
        assert bank.post("/transfers").status_code == 200
    first, second = desk.at("answer")
    assert first.body == second.body
    assert len(desk.person.occasions) == 1


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_a_lost_repeat_for_this_call_alone_is_an_unknown_outcome_and_nothing_goes_out_again(error: Exception) -> None:
    desk = Desk()
    desk.first("call", challenged(SINGLE), error)
    with desk.client() as bank, pytest.raises(OutcomeUnknown) as caught:
        bank.delete("/account")
    assert repr(caught.value.__cause__) == repr(error)
    assert [sent.place for sent in desk.sent][-3:] == ["answer", "token", "call"]
    assert len(desk.at("call")) == 2
    assert len(desk.person.occasions) == 1


def test_the_same_without_blocking() -> None:
    desk = Desk()
    desk.first("call", challenged(SINGLE), BROKEN[0])

    async def main() -> None:
        async with desk.async_client() as bank:
            await bank.delete("/account")

    with pytest.raises(OutcomeUnknown):
        asyncio.run(main())
    assert len(desk.at("call")) == 2


def test_a_lost_repeat_of_another_call_is_httpx_s_own_error_and_nothing_goes_out_again() -> None:
    desk = Desk()
    desk.first("call", challenged(), BROKEN[0])
    with desk.client() as bank, pytest.raises(current().http.ReadError):
        bank.post("/transfers")
    assert len(desk.at("call")) == 2


@pytest.mark.parametrize("away", [httpx.ConnectError("away"), httpx.ReadError("broke"), httpx.Response(503)], ids=repr)
def test_an_api_that_is_away_after_the_ceremony_costs_no_second_prompt(away: httpx.Response | Exception) -> None:
    desk = Desk()
    desk.first("call", challenged(), away)
    with desk.client() as bank:
        if isinstance(away, Exception):
            with pytest.raises(type(away)):
                bank.post("/transfers")
        else:
            assert bank.post("/transfers").status_code == 503
        assert bank.post("/transfers").status_code == 200
    assert len(desk.person.occasions) == 1


def test_a_lost_first_try_is_httpx_s_own_error_and_nobody_is_asked() -> None:
    desk = Desk()
    desk.first("call", BROKEN[0])
    with desk.client() as bank, pytest.raises(current().http.ReadError):
        bank.delete("/account")
    assert len(desk.at("call")) == 1
    assert not desk.asked
