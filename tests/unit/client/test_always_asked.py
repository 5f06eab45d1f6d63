"""`interaction="required"`: the person is asked for every call that needs it, and nothing kept serves in silence."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest

from support.desk import Desk, challenged
from support.rooms import NAME
from upstile.client import ConfigurationError, FileStore, Requirement, StepUpUnsatisfied
from upstile.client.flow.tokens import _kept
from upstile.client.testing import ScriptedPrompter

MFA = Requirement(acr="mfa", max_age=300)


def tokens(desk: Desk) -> list[str]:
    """What the calls went out with."""
    return [sent.headers["authorization"].partition(" ")[2] for sent in desk.at("call")]


def test_each_call_that_is_challenged_asks() -> None:
    desk = Desk()
    with desk.client(interaction="required") as bank:
        for _ in range(2):
            assert bank.post("/transfers").status_code == 200
        assert bank.request("POST", "/transfers", step_up=MFA).status_code == 200
    assert tokens(desk) == ["BASE-SECRET", "ELEVATED-1", "BASE-SECRET", "ELEVATED-2", "ELEVATED-3"]
    assert len(desk.person.occasions) == 3


def test_the_server_is_asked_for_what_the_api_asks() -> None:
    desk = Desk()
    with desk.client(interaction="required") as bank:
        bank.post("/transfers")
    (start,) = desk.at("start")
    assert (start.form["acr_values"], start.form["max_age"]) == ("mfa", "300")


def test_a_call_that_asks_nothing_asks_nobody() -> None:
    desk = Desk()
    desk.always("call", lambda _: httpx.Response(200))
    with desk.client(interaction="required") as bank:
        bank.get("/balance")
    assert not desk.asked


def test_calls_that_wait_together_are_confirmed_one_by_one() -> None:
    desk, ready = Desk(), Event()
    desk.person = ScriptedPrompter(lambda: "123456", hold=ready)
    with desk.client(interaction="required") as bank, ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(bank.post, f"/{name}") for name in "abc"]
        while len(desk.at("call")) < 3:
            pass
        ready.set()
        assert [call.result().status_code for call in calls] == [200] * 3
    assert len(desk.person.occasions) == 3
    assert sorted(tokens(desk)[3:]) == ["ELEVATED-1", "ELEVATED-2", "ELEVATED-3"]


def test_nothing_is_kept_and_nothing_kept_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kept, "terminal_session", lambda: "1 boot")
    desk, store = Desk(), FileStore("pay", folder=tmp_path / "state")
    for interaction in ("auto", "required", "required"):
        with desk.client(token=None, store=store, interaction=interaction, keep_elevated="all") as bank:
            if interaction == "auto":
                desk.first("call", httpx.Response(200, json={"access_token": "BASE", "token_type": "DPoP"}))
                bank.sign_in("/login", subject="ada")
            bank.request("POST", "/transfers", step_up=MFA)
    sent = [call.headers.get("authorization") for call in desk.at("call")]
    assert sent == [None, "DPoP ELEVATED-1", "DPoP ELEVATED-2", "DPoP ELEVATED-3"]
    kept = json.loads(store.read(NAME) or "")["elevated"]
    assert [token["access_token"] for token in kept] == ["ELEVATED-1"]


def test_a_block_is_one_confirmation_even_if_one_was_given_before_it() -> None:
    desk = Desk()
    with desk.client(interaction="required") as bank:
        bank.post("/transfers")
        with bank.elevated(acr="mfa", max_age=300):
            for path in ("/a", "/b"):
                bank.post(path)
            bank.request("POST", "/c", step_up=MFA)
        bank.post("/d")
    assert tokens(desk)[2:] == ["ELEVATED-2"] * 3 + ["BASE-SECRET", "ELEVATED-3"]
    assert len(desk.person.occasions) == 3


def test_a_block_whose_time_has_run_out_asks_once_for_all_its_calls() -> None:
    desk = Desk()

    async def main() -> None:
        async with desk.async_client(interaction="required") as bank, bank.elevated(acr="mfa", max_age=60):
            desk.monotonic.move(61)
            await asyncio.gather(*(bank.post(f"/{name}") for name in "abc"))

    asyncio.run(main())
    assert tokens(desk) == ["ELEVATED-2"] * 3
    assert len(desk.person.occasions) == 2


def test_an_api_that_is_never_satisfied_is_the_end() -> None:
    desk = Desk()
    desk.always("call", lambda _: challenged())
    with desk.client(interaction="required") as bank:
        for _ in range(2):
            with pytest.raises(StepUpUnsatisfied):
                bank.post("/transfers")
    assert len(desk.person.occasions) == 1


def test_asking_for_later_calls_is_refused_because_none_would_use_it() -> None:
    desk = Desk()
    with desk.client(interaction="required") as bank, pytest.raises(ConfigurationError, match="elevated"):
        bank.step_up(acr="mfa")

    async def main() -> None:
        async with desk.async_client(interaction="required") as bank:
            await bank.step_up(acr="mfa")

    with pytest.raises(ConfigurationError, match="elevated"):
        asyncio.run(main())
    assert not desk.asked


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="never or required"):
        Desk().client(interaction="always")
