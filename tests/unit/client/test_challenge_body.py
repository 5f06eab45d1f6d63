"""The body of a challenge is read before anybody is asked: at most 64 KiB, for at most five seconds, and to its end."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from itertools import count

import httpx
import pytest

from support.desk import Desk, challenged
from upstile.client import CallbackPrompter, CeremonyFailed

pytestmark = pytest.mark.usefixtures("library")

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


@pytest.mark.both_libraries
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


@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
@pytest.mark.parametrize(
    ("coding", "coded", "reason"),
    [
        ("gzip", gzip.compress(PROBLEM), "Pay ACME"),
        ("X-GZIP", gzip.compress(PROBLEM), "Pay ACME"),
        ("deflate", zlib.compress(PROBLEM), "Pay ACME"),
        ("gzip", gzip.compress(PROBLEM.ljust(LIMIT)), "Pay ACME"),
        ("gzip", gzip.compress(PROBLEM.ljust(LIMIT + 1)), None),
        ("gzip", gzip.compress(PROBLEM + b" " * 50_000_000), None),
        ("gzip", gzip.compress(PROBLEM)[:-1], None),
        ("gzip", PROBLEM, None),
        ("gzip, gzip", gzip.compress(gzip.compress(PROBLEM)), None),
        ("unheard-of", PROBLEM, None),
    ],
)
def test_a_compressed_reason_is_read_within_the_same_bounds(
    waits: bool, coding: str, coded: bytes, reason: str | None
) -> None:
    assert _reason(Body(coded), waits, {"content-encoding": coding}) == reason


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


def _reason(body: Body, waits: bool, headers: dict[str, str] | None = None) -> str | None:
    """What the person was told of a challenge with this body."""
    desk, reply = Desk(), challenged(stream=body)
    reply.headers.update(headers or {})
    desk.first("call", reply)

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


@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
@pytest.mark.parametrize("name", ["insufficient-user-authentication", "insufficient-authorization"])
def test_a_challenge_that_was_lost_on_the_way_is_explained(waits: bool, name: str) -> None:
    desk, problem = Desk(), {"type": f"urn:upstile:problem:{name}", "title": "t", "status": 401}
    headers = {"content-type": "application/problem+json", "x-amzn-remapped-www-authenticate": "DPoP"}
    desk.first("call", httpx.Response(401, json=problem, headers=headers))

    async def awaited() -> None:
        async with desk.async_client() as bank:
            await bank.post("/transfers")

    call = (lambda: asyncio.run(awaited())) if waits else (lambda: desk.client().post("/transfers"))
    with pytest.raises(CeremonyFailed) as caught:
        call()
    assert "WWW-Authenticate" in caught.value.hint
    assert not desk.asked


@pytest.mark.parametrize("problem", [{"type": "urn:upstile:problem:missing-token"}, {"type": "x"}, [], "{"])
def test_another_401_without_a_challenge_is_the_apps(problem: object) -> None:
    desk, headers = Desk(), {"content-type": "application/problem+json"}
    body = problem if isinstance(problem, str) else json.dumps(problem)
    desk.first("call", httpx.Response(401, text=body, headers=headers))
    with desk.client() as bank:
        reply = bank.post("/transfers")
    assert (reply.status_code, reply.text) == (401, body)
