"""The line to the authorization server: for what it waits, how long, and what it says of a wrong clock."""

from collections.abc import Callable
from email.utils import formatdate
from threading import Event

import pytest

from support.desk import API, NOW
from upstile.client import CeremonyFailed, StepUpCancelled
from upstile.client._exchange import ConnectionLost, Incoming, Outgoing
from upstile.client.authority._authority import Authority
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.testing import Clock

URL = f"{API}/challenge"
FORM = {"auth_session": "s", "otp": "123456"}
DONE = Incoming(status=200, url=URL, body=b"{}")
LOST = ConnectionLost()


class Waits(Event):
    """A cancel event that notes for how long it was waited for; only its clock goes on."""

    def __init__(self, cancelled: bool = False) -> None:
        super().__init__()
        self.seconds: list[float | None] = []
        self.clock = Clock(1000)
        self._cancelled = cancelled

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        self.clock.move(timeout or 0)
        if self._cancelled:
            self.set()
        return self._cancelled


class Line:
    """A transport with replies in their order; the last one is given for ever."""

    def __init__(self, *replies: Incoming | ConnectionLost, takes: Callable[[], object] = lambda: None) -> None:
        self._replies = list(replies)
        self._takes = takes
        self.sent: list[Outgoing] = []

    def send(self, request: Outgoing) -> Incoming:
        self.sent.append(request)
        self._takes()
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, ConnectionLost):
            raise reply
        return reply


def busy(retry_after: str | None) -> Incoming:
    return unavailable(429, retry_after, b'{"error": "slow_down"}')


def unavailable(status: int, retry_after: str | None = None, body: bytes = b"<html>") -> Incoming:
    headers = () if retry_after is None else (("retry-after", retry_after),)
    return Incoming(status=status, url=URL, headers=headers, body=body)


def posted(line: Line, cancel: Waits, *, repeatable: bool = True) -> Incoming:
    authority = Authority(line, ProofKey(lambda: NOW), lambda: NOW, cancel.clock, cancel)
    return authority.post(URL, FORM, repeatable=repeatable)


@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_an_answer_that_is_still_judged_is_sent_again_after_a_short_wait(seconds: int) -> None:
    line, cancel = Line(busy(str(seconds)), DONE), Waits()
    assert posted(line, cancel) is DONE
    assert cancel.seconds == [seconds]
    first, second = line.sent
    assert first.body == second.body
    assert dict(first.headers)["DPoP"] != dict(second.headers)["DPoP"]


@pytest.mark.parametrize(
    ("status", "retry_after"),
    [*((429, wait) for wait in ("3", "30", None, "-1", "soon", "1.5")), (502, "3"), (503, "30"), (504, "3")],
)
def test_a_longer_wait_or_none_is_the_persons_to_decide(status: int, retry_after: str | None) -> None:
    line, cancel = Line(unavailable(status, retry_after, b'{"error": "slow_down"}')), Waits()
    with pytest.raises(CeremonyFailed) as caught:
        posted(line, cancel)
    assert (len(line.sent), cancel.seconds) == (1, [])
    assert caught.value.error == "slow_down"
    if caught.value.retry_after is not None:
        assert f"Wait {retry_after} seconds" in caught.value.diagnostics()


@pytest.mark.parametrize(
    ("reply", "pauses", "error"),
    [
        (busy("1"), [1] * 14, "slow_down"),
        (busy("2"), [2] * 7, "slow_down"),
        (busy("0"), [0] + [1] * 14, "slow_down"),
        (LOST, [0] + [1] * 14, None),
        (unavailable(502), [1] * 14, None),
        (unavailable(503, "1", b'{"error": "temporarily_unavailable"}'), [1] * 14, "temporarily_unavailable"),
        (unavailable(504), [1] * 14, None),
    ],
    ids=["busy", "busy for long", "busy for moments", "no reply", "no node", "no storage", "no time"],
)
def test_an_answer_without_a_verdict_is_repeated_for_fifteen_seconds(
    reply: Incoming | ConnectionLost, pauses: list[float], error: str | None
) -> None:
    line, cancel = Line(reply), Waits()
    with pytest.raises(CeremonyFailed) as caught:
        posted(line, cancel)
    assert caught.value.error == error
    assert cancel.seconds == pauses
    assert len(line.sent) == len(pauses) + 1
    assert {request.body for request in line.sent} == {line.sent[0].body}
    assert len({dict(request.headers)["DPoP"] for request in line.sent}) == len(line.sent)


def test_a_node_that_died_while_it_judged_costs_neither_the_code_nor_the_ceremony() -> None:
    line, cancel = Line(LOST, LOST, unavailable(502), *[busy("1")] * 9, DONE), Waits()
    assert posted(line, cancel) is DONE
    assert cancel.clock() - 1000 < 15


def test_a_node_that_hangs_is_asked_again_only_while_there_is_time() -> None:
    cancel = Waits()
    line = Line(LOST, takes=lambda: cancel.clock.move(10))
    with pytest.raises(CeremonyFailed, match="cannot be reached"):
        posted(line, cancel)
    assert len(line.sent) == 2


@pytest.mark.parametrize("reply", [busy("0"), LOST, unavailable(502), unavailable(503, "1")])
def test_a_start_and_a_token_request_are_sent_once(reply: Incoming | ConnectionLost) -> None:
    line, cancel = Line(reply, DONE), Waits()
    with pytest.raises(CeremonyFailed):
        posted(line, cancel, repeatable=False)
    assert (len(line.sent), cancel.seconds) == (1, [])


@pytest.mark.parametrize("reply", [busy("2"), LOST, unavailable(503)])
def test_nobody_waits_for_a_server_when_nobody_waits_for_the_answer(reply: Incoming | ConnectionLost) -> None:
    line = Line(reply)
    with pytest.raises(StepUpCancelled):
        posted(line, Waits(cancelled=True))
    assert len(line.sent) == 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3600, "3600 seconds ahead of the server's"),
        (-90, "90 seconds behind the server's"),
        (31, "31 seconds ahead of"),
        (29, None),
        (0, None),
    ],
)
def test_a_wrong_clock_is_named_when_a_proof_is_refused(seconds: int, said: str | None) -> None:
    with pytest.raises(CeremonyFailed) as caught:
        posted(Line(_refusal("invalid_dpop_proof", NOW - seconds)), Waits())
    words = caught.value.diagnostics()
    assert ("clock" in words) is (said is not None)
    assert (said or "") in words


def test_a_clock_is_not_blamed_for_another_refusal() -> None:
    with pytest.raises(CeremonyFailed) as caught:
        posted(Line(_refusal("invalid_grant", NOW - 3600)), Waits())
    assert "clock" not in caught.value.diagnostics()
    assert "Sign in again" in caught.value.diagnostics()


def _refusal(error: str, server_time: float) -> Incoming:
    date = formatdate(server_time, usegmt=True)
    return Incoming(status=400, url=URL, headers=(("date", date),), body=f'{{"error": "{error}"}}'.encode())


def started(line: Line, cancel: Waits) -> Incoming:
    return Authority(line, ProofKey(lambda: NOW), lambda: NOW, cancel.clock, cancel).start(URL, FORM)


@pytest.mark.parametrize(
    ("retry_after", "waits"), [("1", True), ("5", True), ("6", False), (None, False), ("soon", False)]
)
def test_a_start_that_is_refused_for_a_moment_waits_for_it_once(retry_after: str | None, waits: bool) -> None:
    line, cancel = Line(unavailable(503, retry_after), DONE), Waits()
    if waits:
        assert started(line, cancel) == DONE
        assert cancel.seconds == [int(retry_after or 0)]
        assert len({sent.body for sent in line.sent}) == 1
        assert len({dict(sent.headers)["DPoP"] for sent in line.sent}) == 2
    else:
        with pytest.raises(CeremonyFailed):
            started(line, cancel)
        assert (len(line.sent), cancel.seconds) == (1, [])


def test_a_start_that_is_refused_again_has_failed() -> None:
    line, cancel = Line(unavailable(503, "1")), Waits()
    with pytest.raises(CeremonyFailed, match="503"):
        started(line, cancel)
    assert len(line.sent) == 2


@pytest.mark.parametrize("reply", [LOST, unavailable(502, "1"), busy("1")])
def test_no_other_start_is_sent_again(reply: Incoming | ConnectionLost) -> None:
    line, cancel = Line(reply, DONE), Waits()
    with pytest.raises(CeremonyFailed):
        started(line, cancel)
    assert len(line.sent) == 1


def test_a_start_that_waits_can_be_cancelled() -> None:
    line = Line(unavailable(503, "5"), DONE)
    with pytest.raises(StepUpCancelled):
        started(line, Waits(cancelled=True))
    assert len(line.sent) == 1
