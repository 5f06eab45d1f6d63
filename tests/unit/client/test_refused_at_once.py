"""A token that is refused as soon as it is there ends the call: nobody is asked again at once, in no process."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest

from support.desk import CHALLENGE, Desk, Sent, challenged
from support.rooms import NAME, Room, file_store
from upstile.client import OutcomeUnknown, StepUpUnsatisfied
from upstile.client.flow.tokens import _kept

USED = {"type": "urn:upstile:problem:token-used", "title": "t", "status": 401, "instance": "urn:uuid:7"}
ONCE = CHALLENGE.replace("max_age=300", "max_age=0")
Reply = Callable[[], httpx.Response]


def dead() -> httpx.Response:
    return httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_token"'})


def naked() -> httpx.Response:
    problem = {"type": "urn:upstile:problem:missing-token", "title": "t", "status": 401, "instance": "urn:uuid:1"}
    return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="bank"'}, json=problem)


def refuses(reply: Reply) -> Callable[[Sent], httpx.Response]:
    """An API that challenges, and takes no token that comes of it."""
    return lambda sent: reply() if "ELEVATED" in sent.headers["authorization"] else challenged()


def asked(desk: Desk) -> int:
    return len(desk.person.occasions)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A machine whose terminal keeps nothing that was confirmed."""
    monkeypatch.setattr(_kept, "terminal_session", lambda: None)
    made = Room(file_store(tmp_path / "state"))
    made.signed_in().close()
    made.desk.always("call", refuses(dead))
    return made


@pytest.mark.parametrize("reply", [dead, naked])
def test_a_fresh_token_that_is_refused_is_the_end_and_nobody_is_asked_again(reply: Reply) -> None:
    desk = Desk()
    desk.always("call", refuses(reply))
    with desk.client() as bank:
        for _ in range(3):
            with pytest.raises(StepUpUnsatisfied) as caught:
                bank.post("/transfers")
            assert caught.value.response is not None
    assert asked(desk) == 1
    assert [sent.headers["authorization"] for sent in desk.at("call")] == [
        *("DPoP BASE-SECRET", "DPoP ELEVATED-1"),
        *("DPoP BASE-SECRET", "DPoP BASE-SECRET"),
    ]


def test_the_error_has_the_refusal_and_not_the_challenge() -> None:
    desk = Desk()
    desk.always("call", refuses(naked))
    with desk.client() as bank, pytest.raises(StepUpUnsatisfied) as caught:
        bank.post("/transfers")
    assert caught.value.correlation_id == "urn:uuid:1"


def test_async_code_is_told_the_same() -> None:
    desk = Desk()
    desk.always("call", refuses(dead))

    async def calls() -> None:
        async with desk.async_client() as bank:
            for _ in range(2):
                with pytest.raises(StepUpUnsatisfied):
                    await bank.post("/transfers")

    asyncio.run(calls())
    assert asked(desk) == 1


def test_it_doubles_from_30_seconds_to_15_minutes() -> None:
    desk = Desk()
    desk.always("call", refuses(dead))
    with desk.client() as bank:
        for number, pause in enumerate([30, 60, 120, 240, 480, 900, 900], start=1):
            for seconds in (pause - 1, 2):
                with pytest.raises(StepUpUnsatisfied):
                    bank.post("/transfers")
                assert asked(desk) == number
                _wait(desk, seconds)


def test_all_who_share_the_ceremony_are_refused_and_it_counts_once() -> None:
    desk, start, ended = Desk(), Barrier(5), list[str]()
    desk.always("call", refuses(dead))
    with desk.client() as bank:

        def call() -> None:
            start.wait()
            with pytest.raises(StepUpUnsatisfied) as caught:
                bank.post("/transfers")
            ended.append(caught.value.code)

        threads = [Thread(target=call) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert ended == ["step_up_unsatisfied"] * 5
        shared = asked(desk)
        _wait(desk, 31)
        with pytest.raises(StepUpUnsatisfied):
            bank.post("/transfers")
    assert (shared, asked(desk)) == (1, 2)


def test_the_next_process_asks_nobody_either(room: Room) -> None:
    for _ in range(2):
        with room.client() as bank, pytest.raises(StepUpUnsatisfied):
            bank.post("/transfers")
    assert asked(room.desk) == 1


def test_nor_does_one_that_runs_already(room: Room) -> None:
    with room.client() as first, room.client() as second:
        assert first.signed_in == second.signed_in  # both have read the store
        for bank in (first, second):
            with pytest.raises(StepUpUnsatisfied):
                bank.post("/transfers")
        _wait(room.desk, 31)
        for bank in (second, first):  # the second time that it happens, for whichever process
            with pytest.raises(StepUpUnsatisfied):
                bank.post("/transfers")
        _wait(room.desk, 31)
        for bank in (first, second):
            with pytest.raises(StepUpUnsatisfied):
                bank.post("/transfers")
    assert asked(room.desk) == 2


def test_a_served_call_ends_it(room: Room) -> None:
    with room.client() as bank:
        with pytest.raises(StepUpUnsatisfied):
            bank.post("/transfers")
        _wait(room.desk, 31)
        room.desk.always("call", refuses(lambda: httpx.Response(200)))
        assert bank.post("/transfers").status_code == 200
    assert json.loads(room.store.read(NAME) or "{}").get("dead_ends", []) == []


@pytest.mark.parametrize("beside", [{}, {"type": "urn:upstile:problem:insufficient-user-authentication"}])
def test_a_call_that_the_api_has_seen_before_may_have_been_carried_out(beside: dict[str, Any]) -> None:
    desk = Desk()
    used = challenged(ONCE, json={**USED, **beside})
    desk.always("call", lambda sent: used if "ELEVATED" in sent.headers["authorization"] else challenged(ONCE))
    with desk.client() as bank, pytest.raises(StepUpUnsatisfied if beside else OutcomeUnknown) as caught:
        bank.post("/transfers")
    assert caught.value.correlation_id == "urn:uuid:7"
    assert (asked(desk), len(desk.at("call"))) == (1, 2)


def _wait(desk: Desk, seconds: float) -> None:
    desk.clock.move(seconds)
    desk.monotonic.move(seconds)
    desk.token["auth_time"] += int(seconds)
