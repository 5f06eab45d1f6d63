"""The issuer stops, or hangs: what is known serves, what is new is a quick 503, nothing piles up, and it recovers."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support.external_api import ExternalApi, external_api, told
from support.issuer_server import NOW, URL, IssuerServer, jwk_of
from upstile.server.issuers import IntrospectionVerifier, JWTVerifier, _http, _introspected, _key_set, _remembered

pytestmark = pytest.mark.anyio
CROWD = 64
SERVED, LATER = (200, ""), (503, "temporarily-unavailable")


@dataclass
class Case:
    """A way to judge tokens.

    Attributes:
        verifier: made for an issuer.
        known: a token that the API has met.
        new: makes one that it has not, by a number.
        connections: how many it may have to the issuer at a time.
        threads: how many of its own.
    """

    verifier: Callable[[IssuerServer], Any]
    known: str
    new: Callable[[int], str]
    connections: int
    threads: int


def case_of(kind: str, issuer: IssuerServer) -> Case:
    if kind == "signed":
        issuer.keys.append(jwk_of("new", "EdDSA"))
        signed = [issuer.token("new", "EdDSA", header={"kid": f"new {number}"}) for number in range(CROWD)]
        known = issuer.token()
        issuer.keys.pop()
        return Case(lambda at: JWTVerifier(issuer=at.url), known, signed.__getitem__, 1, 1)
    active = {"active": True, "sub": "ada", "client_id": "cli", "aud": URL, "token_type": "Bearer", "exp": NOW + 300}
    issuer.introspect = lambda form: active
    return Case(
        lambda at: IntrospectionVerifier(issuer=at.url, client_id="api", client_secret="s"),
        "known",
        lambda number: f"new-{number}",
        16,
        0,
    )


class Clock:
    """Time goes on, but not so far that an answer would be too old."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> float:
        return NOW + time.monotonic() - self._began


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds are shorter; what a call waits is not."""
    monkeypatch.setattr(_key_set, "RETRIED_AFTER", 0.1)
    monkeypatch.setattr(_key_set, "WINDOW", 0.5)
    monkeypatch.setattr(_remembered, "AWAY_FOR", 0.3)
    for module in (_http, _introspected):
        monkeypatch.setattr(module, "TAKES", 1.2)


@pytest.mark.parametrize("how", ["stops", "hangs"])
@pytest.mark.parametrize("kind", ["signed", "introspected"])
async def test_while_the_issuer_is_gone_what_is_known_serves_and_nothing_piles_up(
    issuer: IssuerServer, kind: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    case = case_of(kind, issuer)
    async with external_api(case.verifier(issuer), clock=Clock()) as api:
        assert told(await api.call(case.known)) == SERVED
        _end(issuer, how)
        threads = _threads()
        assert await _within_a_second(api, case.new(0)) == LATER
        issuer.most = issuer.connections
        for _ in range(2):
            calls = [api.call(token) for number in range(CROWD) for token in (case.known, case.new(number))]
            assert [told(reply) for reply in await asyncio.gather(*calls)] == [SERVED, LATER] * CROWD
            assert _threads() - threads <= case.threads
        assert issuer.most <= 2 * case.connections  # the issuer learns a moment later that one was closed
        _begin_again(issuer, how)
        assert await _served(api, case.new(0))
        assert await _served(api, case.new(CROWD - 1))
    said = [record.message for record in caplog.records]
    assert sum("cannot be read:" in line or "cannot be asked about tokens" in line for line in said) == 1
    assert sum("can be read again" in line or "answers again" in line for line in said) == 1


def _threads() -> int:
    """How many there are besides those of the issuer, which runs here as well."""
    return sum("process_request_thread" not in thread.name for thread in threading.enumerate())


async def _within_a_second(api: ExternalApi, token: str) -> tuple[int, str]:
    call, second = asyncio.ensure_future(api.call(token)), asyncio.ensure_future(asyncio.sleep(1))
    await asyncio.wait({call, second}, return_when=asyncio.FIRST_COMPLETED)
    assert call.done()
    await second
    return told(call.result())


def _end(issuer: IssuerServer, how: str) -> None:
    if how == "hangs":
        issuer.mood = "hangs"
    else:
        issuer.stop()


def _begin_again(issuer: IssuerServer, how: str) -> None:
    issuer.keys += [jwk_of("new", "EdDSA", kid=f"new {number}") for number in range(CROWD)]
    issuer.mood = "well"
    if how == "stops":
        issuer.start()


async def _served(api: ExternalApi, token: str) -> bool:
    """By itself, in the end."""
    for _ in range(100):
        reply = told(await api.call(token))
        if reply == SERVED:
            return True
        assert reply in (LATER, (401, "invalid_token"))
        await asyncio.sleep(0.1)
    return False
