"""The body of a challenge is read before anybody is asked: at most 64 KiB, for at most five seconds, and to its end."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from itertools import count

import httpx
import pytest

from support.desk import Desk, challenged
from upstile.client import CallbackPrompter, CeremonyFailed

LIMIT = 65_536
PROBLEM = json.dumps({"type": "x", "title": "t", "status": 401, "detail": "Pay ACME"}).encode()


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in chunks that notes how many were taken, and whether the connection was given back."""

    def __init__(self, first: bytes, chunk: bytes = b" ", most: int = 0) -> None:
        self._chunks = [first, *[chunk] * most]
        self.taken, self.closed = 0, False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.taken += 1
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


class _Clocks:
    """What the adapter measures the reading by; the app cannot set it, so the tests do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def stand_still(self) -> None:
        self._patch.setattr("upstile.client.adapters._response.monotonic", lambda: 0.0)

    def tick(self) -> None:
        ticks = count()
        self._patch.setattr("upstile.client.adapters._response.monotonic", lambda: float(next(ticks)))


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> _Clocks:
    return _Clocks(monkeypatch)


@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
def test_a_large_body_is_let_go_however_fast_it_comes(clocks: _Clocks, waits: bool) -> None:
    clocks.stand_still()
    body = Body(PROBLEM, b" " * 1024, most=1000)
    assert _reason(body, waits) is None
    assert body.taken <= 66
    assert body.closed


@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
def test_a_slow_body_is_let_go_however_small_it_is(clocks: _Clocks, waits: bool) -> None:
    clocks.tick()
    body = Body(PROBLEM, most=1000)
    assert _reason(body, waits) is None
    assert body.taken <= 7
    assert body.closed


@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
@pytest.mark.parametrize(("size", "reason"), [(LIMIT, "Pay ACME"), (LIMIT + 1, None)])
def test_up_to_the_limit_a_body_is_read_whole(clocks: _Clocks, waits: bool, size: int, reason: str | None) -> None:
    clocks.stand_still()
    assert _reason(Body(PROBLEM.ljust(size)), waits) == reason


def test_the_connection_is_given_back_before_anybody_is_asked() -> None:
    desk, body, closed = Desk(), Body(PROBLEM), list[bool]()
    desk.first("call", challenged(stream=body))

    def code(label: str) -> str:
        closed.append(body.closed)
        return "123456"

    with desk.client(prompter=CallbackPrompter(code=code)) as bank:
        assert bank.post("/transfers").status_code == 200
    assert closed == [True]


def test_the_authorization_server_is_read_within_the_same_bounds(clocks: _Clocks) -> None:
    clocks.stand_still()
    desk, body = Desk(), Body(b"{}", b" " * 1024, most=1000)
    desk.first("start", httpx.Response(403, stream=body))
    with desk.client() as bank, pytest.raises(CeremonyFailed):
        bank.post("/transfers")
    assert body.taken <= 66
    assert body.closed


def test_a_401_that_is_not_ours_stays_unread() -> None:
    desk, body = Desk(), Body(b"theirs", most=10)
    desk.first("call", challenged('DPoP algs="ES256"', stream=body))
    with desk.client() as bank, bank.stream("POST", "/transfers") as reply:
        assert reply.status_code == 401
        assert body.taken == 0
        assert reply.read() == b"theirs          "


def _reason(body: Body, waits: bool) -> str | None:
    """What the person was told of a challenge with this body."""
    desk = Desk()
    desk.first("call", challenged(stream=body))

    async def main() -> httpx.Response:
        async with desk.async_client() as bank:
            return await bank.post("/transfers")

    if waits:
        assert asyncio.run(main()).status_code == 200
    else:
        with desk.client() as bank:
            assert bank.post("/transfers").status_code == 200
    (occasion,) = desk.person.occasions
    return occasion.reason
