"""The time of proofs: what a server's `Date` corrects, what it cannot, and what it never touches."""

import asyncio
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.desk import API, CHALLENGE, NOW, Desk, Sent, challenged
from upstile.client import CeremonyFailed, FileStore, SignInExpired
from upstile.client._exchange import Incoming
from upstile.client.flow._proof_time import ProofTime
from upstile.client.testing import Clock

REFUSED = 'DPoP error="invalid_dpop_proof", algs="ES256"'


class Judge(Desk):
    """The desk as a server that takes proofs of the last minute, and says what time it is.

    Attributes:
        says: how far what the API says of the time is off.
        date: what it says instead.
    """

    def __init__(self, says: int = 0, date: str | None = None) -> None:
        super().__init__()
        self.says, self.date = says, date
        self.time = Clock(NOW)

    def stamped(self, reply: httpx.Response, *, says: int = 0, date: str | None = None) -> httpx.Response:
        """A reply with the time."""
        stamp = formatdate(self.time() + says, usegmt=True) if date is None else date
        if stamp:
            reply.headers["date"] = stamp
        return reply

    def good(self, sent: Sent) -> bool:
        """Whether a proof is of the last minute."""
        return abs(sent.proof["iat"] - self.time()) <= 60

    def _call(self, sent: Sent) -> httpx.Response:
        if not self.good(sent):
            return self.stamped(challenged(REFUSED), says=self.says, date=self.date)
        return self.stamped(super()._call(sent), says=self.says, date=self.date)

    def _start(self, sent: Sent) -> httpx.Response:
        return self._authority(sent, super()._start)

    def _answer(self, sent: Sent) -> httpx.Response:
        return self._authority(sent, super()._answer)

    def _token(self, sent: Sent) -> httpx.Response:
        return self._authority(sent, super()._token)

    def _authority(self, sent: Sent, answer: Any) -> httpx.Response:
        reply = answer(sent) if self.good(sent) else httpx.Response(400, json={"error": "invalid_dpop_proof"})
        return self.stamped(reply)


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


def test_a_date_that_made_proofs_bad_is_dropped_at_once() -> None:
    judge = Judge(says=300)
    with judge.client() as bank:
        judge.first("call", judge.stamped(challenged(REFUSED), says=300))  # for another reason
        with pytest.raises(CeremonyFailed):
            bank.post("/a")
        assert [bank.post(f"/{name}").status_code for name in "bc"] == [200] * 2
    assert [sent.proof["iat"] - NOW for sent in judge.at("call")][:3] == [0, 300, 0]


def test_a_date_between_two_clocks_does_not_make_calls_fail_by_turns() -> None:
    judge = Judge(says=70)
    judge.clock.move(25)  # the `Date` is 45 seconds ahead, too far for the judge
    with judge.client() as bank:
        with pytest.raises(CeremonyFailed):
            bank.post("/a")
        assert [bank.post(f"/{name}").status_code for name in "bcd"] == [200] * 3


def test_many_small_steps_do_not_lead_far_away() -> None:
    time = ProofTime(Clock(NOW), Clock(0))
    for step in range(20, 400, 20):
        time.hear(_answer(API, NOW + step), refused=False)
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
    for headers in ({"age": "600"}, {}):
        time.hear(_answer(API, NOW - 600, **headers), refused=True)
        assert time.now(API) == (NOW if headers else NOW - 600)


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
    time.hear(_answer(origin, NOW + 60), refused=True)
    assert time.now(f"{origin}/x") == (NOW + 60 if believed else NOW)


def test_each_origin_is_believed_for_itself() -> None:
    time = ProofTime(Clock(NOW), Clock(0))
    time.hear(_answer(API, NOW + 60), refused=True)
    assert (time.now(f"{API}/x"), time.now("https://other.example/x")) == (NOW + 60, NOW)


def test_an_answer_from_elsewhere_says_nothing_of_the_api() -> None:
    judge = Judge()
    late = {"date": formatdate(NOW + 600, usegmt=True), "www-authenticate": CHALLENGE}
    judge.first("call", httpx.Response(307, headers={"location": "http://api.example.com/transfers"}))
    judge.first("elsewhere", httpx.Response(401, headers=late))
    with judge.client(follow_redirects=True) as bank:
        assert bank.get("/transfers").status_code == 401
        bank.get("/transfers")
    assert {sent.proof["iat"] for sent in judge.at("call")} == {NOW}


def test_a_sign_in_is_sent_again_with_the_right_time() -> None:
    for wrong, bodies in ((600, [b'{"user":"ada"}'] * 2), (30, [b'{"user":"ada"}'])):
        judge = Judge()
        judge.clock.move(wrong)
        judge.always("call", lambda sent, judge=judge: _login(judge, sent))
        with judge.client(token=None) as bank:
            bank.sign_in("/login", subject="ada", json={"user": "ada"})
        assert [sent.body for sent in judge.at("call")] == bodies

    async def main() -> None:
        async with judge.async_client(token=None) as bank:
            await bank.sign_in("/login", subject="ada", data={"user": "ada"})

    judge.clock.move(600)
    asyncio.run(main())


def test_a_sign_in_with_a_body_that_is_used_up_is_not_sent_again() -> None:
    judge = Judge()
    judge.clock.move(600)
    judge.always("call", lambda sent: _login(judge, sent))
    with judge.client(token=None) as bank:
        with pytest.raises(CeremonyFailed, match="refused"):
            bank.sign_in("/login", content=_once())
        bank.sign_in("/login", content=_once())
    assert len(judge.at("call")) == 2


def test_a_body_that_is_used_up_is_not_sent_again_and_the_next_call_is_right() -> None:
    judge = Judge()
    judge.clock.move(100)
    with judge.client() as bank:
        with pytest.raises(CeremonyFailed) as caught:
            bank.post("/transfers", content=_once())
        assert "clock is 100 seconds ahead" in caught.value.diagnostics()
        assert bank.post("/transfers").status_code == 200
    assert [sent.proof["iat"] - NOW for sent in judge.at("call")] == [100, 0, 0]


def test_a_lie_makes_no_stored_sign_in_and_no_stored_confirmation_live_longer(tmp_path: Path) -> None:
    store = FileStore("pay", folder=tmp_path / "state")

    def client() -> Any:
        return judge.client(token=None, store=store, keep_elevated="all")

    judge = Judge(says=-800)
    with client() as bank:
        signed = {"access_token": "BASE", "token_type": "DPoP", "expires_in": 400}
        judge.first("call", httpx.Response(200, json=signed))
        bank.sign_in("/login", subject="ada")
        bank.post("/transfers")
    for clock in (judge.clock, judge.time, judge.monotonic):
        clock.move(401)
    dead = judge.stamped(challenged('DPoP error="invalid_token"'), says=-800)
    with client() as bank:
        assert bank.signed_in is None
        judge.first("call", dead)
        with pytest.raises(SignInExpired):
            bank.post("/transfers")
    assert judge.at("call")[-1].headers["authorization"] == "DPoP BASE"


def _answer(origin: str, date: int, **headers: str) -> Incoming:
    stamp = ("date", formatdate(date, usegmt=True))
    return Incoming(status=401, url=f"{origin}/x", headers=(stamp, *headers.items()))


def _login(judge: Judge, sent: Sent) -> httpx.Response:
    refused = httpx.Response(400, json={"error": "invalid_dpop_proof"})
    token = httpx.Response(200, json={"access_token": "T", "token_type": "DPoP"})
    return judge.stamped(token if judge.good(sent) else refused)


def _once() -> Iterator[bytes]:
    yield b"{}"
