"""The time of proofs: what a server's `Date` corrects, what it cannot, and what it never touches."""

import asyncio
from email.utils import formatdate

import httpx
import pytest

from support.desk import API, CHALLENGE, NOW, Desk, challenged
from support.judge import REFUSED, Judge
from upstile.client import CeremonyFailed
from upstile.client._exchange import Incoming
from upstile.client.flow.tokens._proof_time import ProofTime
from upstile.client.testing import Clock


@pytest.mark.parametrize("wrong", [-890, -61, 61, 890])
def test_a_call_with_a_wrong_clock_goes_through_and_the_next_needs_no_second_try(wrong: int) -> None:
    judge = Judge()
    judge.clock.move(wrong)
    with judge.client() as bank:
        assert bank.post("/transfers").status_code == 200
        sent = len(judge.sent)
        assert bank.post("/transfers").status_code == 200
    assert len(judge.sent) == sent + 1
    assert len(judge.person.occasions) == 1
    assert len(judge.at("start")) == 2  # its own server said what time it is, not the API


def test_async_calls_are_corrected_as_well() -> None:
    judge = Judge()
    judge.clock.move(300)

    async def main() -> int:
        async with judge.async_client() as bank:
            return (await bank.post("/transfers")).status_code

    assert asyncio.run(main()) == 200


@pytest.mark.parametrize("wrong", [45, -45])
def test_a_clock_that_is_off_by_less_than_a_proof_may_be_is_corrected_from_the_first_answer_on(wrong: int) -> None:
    judge = Judge()
    judge.clock.move(wrong)
    with judge.client() as bank:
        for _ in range(3):
            bank.post("/transfers")
    assert [sent.proof["iat"] - NOW for sent in judge.at("call")] == [wrong, 0, 0, 0]
    assert len(judge.person.occasions) == 1


@pytest.mark.parametrize("wrong", [5, -4])
def test_a_few_seconds_are_left_alone(wrong: int) -> None:
    judge = Judge()
    judge.clock.move(wrong)
    with judge.client() as bank:
        bank.post("/transfers")
        bank.post("/transfers")
    assert {sent.proof["iat"] - NOW for sent in judge.at("call")} == {wrong}


@pytest.mark.parametrize("wrong", [901, -901, 86_400])
def test_more_than_a_quarter_of_an_hour_is_not_corrected_and_named(wrong: int) -> None:
    judge = Judge()
    judge.clock.move(wrong)
    with judge.client() as bank, pytest.raises(CeremonyFailed) as caught:
        bank.post("/transfers")
    assert "clock is" in caught.value.diagnostics()
    assert {sent.proof["iat"] - NOW for sent in judge.at("call")} == {wrong}


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2027 08:00:00 GMT", "0", "now"])
def test_a_date_that_is_missing_or_no_date_changes_nothing(date: str) -> None:
    judge = Judge(date=date)
    judge.clock.move(100)
    with judge.client() as bank:
        assert bank.post("/transfers").status_code == 401
    assert {sent.proof["iat"] - NOW for sent in judge.at("call")} == {100}
    assert not judge.asked


@pytest.mark.parametrize("lie", [-800, -40, 40, 800])
def test_an_api_that_lies_changes_no_proof_for_the_authorization_server(lie: int) -> None:
    judge = Judge(says=lie)
    judge.first("call", judge.stamped(challenged(REFUSED), says=lie))
    with judge.client() as bank:
        judge.always("call", lambda sent: judge.stamped(Desk._call(judge, sent), says=lie))
        assert bank.post("/transfers").status_code == 200
    assert [sent.proof["iat"] - NOW for sent in judge.at("call")] == [0, lie, lie]
    assert {sent.proof["iat"] - NOW for place in ("start", "answer", "token") for sent in judge.at(place)} == {0}
    assert len(judge.at("start")) == 1


@pytest.mark.parametrize("off", [-300, -61, 61, 300])
def test_a_date_that_is_not_the_judges_makes_no_good_proof_a_bad_one(off: int) -> None:
    judge = Judge(says=off)  # a gateway with a clock of its own
    with judge.client() as bank:
        assert [bank.post(f"/{name}").status_code for name in "abc"] == [200] * 3
    assert {sent.proof["iat"] - NOW for sent in judge.at("call")} == {0}


def test_a_date_between_two_clocks_does_not_make_calls_fail_by_turns() -> None:
    judge = Judge(says=70)
    judge.clock.move(25)  # the `Date` is 45 seconds ahead, too far for the judge
    with judge.client() as bank:
        assert [bank.post(f"/{name}").status_code for name in "abcd"] == [200] * 4
    ahead = [sent.proof["iat"] - NOW for sent in judge.at("call")]
    assert ahead[:3] == [25, 70, 70]
    assert set(ahead[3:]) == {25}


def test_a_good_clock_is_tried_again_where_the_date_does_not_help() -> None:
    judge = Judge(says=300)
    judge.first("call", judge.stamped(challenged(REFUSED), says=300))  # a transport has sent the proof twice
    with judge.client() as bank:
        assert bank.post("/a").status_code == 200
    assert [sent.proof["iat"] - NOW for sent in judge.at("call")] == [0, 300, 0, 0]


def test_many_small_steps_do_not_lead_far_away() -> None:
    time = ProofTime(Clock(NOW), Clock(0))
    for step in range(20, 400, 20):
        time.hear(_answer(API, NOW + step))
    assert time.now(API) == NOW + 40


def test_what_is_refused_with_the_date_and_without_it_begins_anew() -> None:
    judge = Judge()
    judge.clock.move(100)
    used = [judge.stamped(challenged(REFUSED)) for _ in range(2)]
    with judge.client() as bank:
        bank.post("/transfers")
        judge.first("call", *used)  # a transport that sends proofs twice
        with pytest.raises(CeremonyFailed):
            bank.post("/transfers")
        assert bank.post("/transfers").status_code == 200


def test_a_clock_that_is_set_right_meanwhile_is_believed_again() -> None:
    judge = Judge()
    judge.clock.move(300)
    with judge.client() as bank:
        bank.post("/transfers")
        judge.clock.move(-300)
        assert bank.post("/transfers").status_code == 200
    assert judge.at("call")[-1].proof["iat"] == NOW
    assert [sent.proof["iat"] - NOW for sent in judge.at("call")].count(-300) == 0


def test_a_machine_that_slept_asks_the_time_again() -> None:
    judge = Judge()
    judge.clock.move(300)
    with judge.client() as bank:
        bank.post("/transfers")
        judge.time.move(3600)
        judge.clock.move(3600)  # the monotonic clock stood still
        judge.token["auth_time"] = NOW + 3600
        assert bank.post("/transfers").status_code == 200
    assert judge.at("call")[-1].proof["iat"] == NOW + 3600


def test_a_cached_answers_date_is_that_of_another_time() -> None:
    time = ProofTime(Clock(NOW), Clock(0))
    for headers in ({"age": "40"}, {}):
        time.hear(_answer(API, NOW - 40, **headers))
        assert time.now(API) == (NOW if headers else NOW - 40)


@pytest.mark.parametrize(
    ("origin", "believed"),
    [
        ("https://api.example.com", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("http://api.example.com", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("ftp://api.example.com", False),
    ],
)
def test_only_over_tls_or_from_this_machine_is_a_date_believed(origin: str, believed: bool) -> None:
    time = ProofTime(Clock(NOW), Clock(0))
    time.hear(_answer(origin, NOW + 40))
    assert time.now(f"{origin}/x") == (NOW + 40 if believed else NOW)


def test_each_origin_is_believed_for_itself() -> None:
    time = ProofTime(Clock(NOW), Clock(0))
    time.hear(_answer(API, NOW + 40))
    assert (time.now(f"{API}/x"), time.now("https://other.example/x")) == (NOW + 40, NOW)


def test_an_answer_from_elsewhere_says_nothing_of_the_api() -> None:
    judge = Judge()
    late = {"date": formatdate(NOW + 600, usegmt=True), "www-authenticate": CHALLENGE}
    judge.first("call", httpx.Response(307, headers={"location": "http://api.example.com/transfers"}))
    judge.first("elsewhere", httpx.Response(401, headers=late))
    with judge.client(follow_redirects=True) as bank:
        assert bank.get("/transfers").status_code == 401
        bank.get("/transfers")
    assert {sent.proof["iat"] for sent in judge.at("call")} == {NOW}


def _answer(origin: str, date: int, **headers: str) -> Incoming:
    stamp = ("date", formatdate(date, usegmt=True))
    return Incoming(status=401, url=f"{origin}/x", headers=(stamp, *headers.items()))
