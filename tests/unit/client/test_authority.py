"""The line to the authorization server: for what it waits, how long, and what it says of a wrong clock."""

from email.utils import formatdate
from threading import Event

import pytest

from support.desk import API, NOW
from upstile.client import CeremonyFailed, StepUpCancelled
from upstile.client._authority import Authority
from upstile.client._exchange import Incoming, Outgoing
from upstile.client._proof_key import ProofKey

URL = f"{API}/challenge"
FORM = {"auth_session": "s", "otp": "123456"}
DONE = Incoming(status=200, url=URL, body=b"{}")


class Waits(Event):
    """A cancel event that notes for how long it was waited for, and waits for nothing."""

    def __init__(self, cancelled: bool = False) -> None:
        super().__init__()
        self.seconds: list[float | None] = []
        self._cancelled = cancelled

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        if self._cancelled:
            self.set()
        return self._cancelled


class Line:
    """A transport with replies in their order; the last one is given for ever."""

    def __init__(self, *replies: Incoming) -> None:
        self._replies = list(replies)
        self.sent: list[Outgoing] = []

    def send(self, request: Outgoing) -> Incoming:
        self.sent.append(request)
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def busy(retry_after: str | None) -> Incoming:
    headers = () if retry_after is None else (("retry-after", retry_after),)
    return Incoming(status=429, url=URL, headers=headers, body=b'{"error": "slow_down"}')


def posted(line: Line, cancel: Event) -> Incoming:
    authority = Authority(line, ProofKey(lambda: NOW), lambda: NOW, cancel)
    return authority.post(URL, FORM, repeatable=True)


@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_an_answer_that_is_still_judged_is_sent_again_after_a_short_wait(seconds: int) -> None:
    line, cancel = Line(busy(str(seconds)), DONE), Waits()
    assert posted(line, cancel) is DONE
    assert cancel.seconds == [seconds]
    first, second = line.sent
    assert first.body == second.body
    assert dict(first.headers)["DPoP"] != dict(second.headers)["DPoP"]


@pytest.mark.parametrize("retry_after", ["3", "30", None, "-1", "soon", "1.5"])
def test_a_longer_wait_or_none_is_the_persons_to_decide(retry_after: str | None) -> None:
    line, cancel = Line(busy(retry_after)), Waits()
    with pytest.raises(CeremonyFailed) as caught:
        posted(line, cancel)
    assert (len(line.sent), cancel.seconds) == (1, [])
    assert caught.value.error == "slow_down"
    if caught.value.retry_after is not None:
        assert f"Wait {retry_after} seconds" in caught.value.diagnostics()


def test_a_server_that_is_always_busy_is_given_up() -> None:
    line, cancel = Line(busy("2")), Waits()
    with pytest.raises(CeremonyFailed) as caught:
        posted(line, cancel)
    assert caught.value.error == "slow_down"
    assert 2 <= len(line.sent) <= 5
    assert len(cancel.seconds) <= 4


def test_nobody_waits_for_a_server_when_nobody_waits_for_the_answer() -> None:
    line = Line(busy("2"))
    with pytest.raises((StepUpCancelled, CeremonyFailed)):
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
        posted(Line(_refusal("invalid_dpop_proof", NOW - seconds)), Event())
    words = caught.value.diagnostics()
    assert ("clock" in words) is (said is not None)
    assert (said or "") in words


def test_a_clock_is_not_blamed_for_another_refusal() -> None:
    with pytest.raises(CeremonyFailed) as caught:
        posted(Line(_refusal("invalid_grant", NOW - 3600)), Event())
    assert "clock" not in caught.value.diagnostics()
    assert "Sign in again" in caught.value.diagnostics()


def _refusal(error: str, server_time: float) -> Incoming:
    date = formatdate(server_time, usegmt=True)
    return Incoming(status=400, url=URL, headers=(("date", date),), body=f'{{"error": "{error}"}}'.encode())
