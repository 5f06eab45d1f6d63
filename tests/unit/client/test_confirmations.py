"""What an app may show of a sign-in: what was confirmed, and until when; and a sign-in that was brought along."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.desk import CHALLENGE, NOW, Desk, challenged
from support.rooms import Room, file_store
from support.terminal import Terminal
from upstile.client import (
    BaseToken,
    ConfigurationError,
    MemoryStore,
    Requirement,
    StepUpCancelled,
    TerminalPrompter,
    harmless,
)
from upstile.client.flow.tokens import _kept

MFA = Requirement(acr="mfa", max_age=300)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(_kept, "terminal_session", lambda: "1 boot")
    return Room(file_store(tmp_path / "state"))


def test_what_was_confirmed_is_shown_while_calls_go_by_it_also_in_the_next_process(room: Room) -> None:
    with closing(room.signed_in()) as bank:
        assert bank.confirmations() == ()
        bank.step_up(acr="mfa", max_age=300)
        [mine] = bank.confirmations()
    room.desk.clock.move(100)
    room.desk.monotonic.move(100)
    with room.client() as following:
        [found] = following.confirmations(MFA)
        assert found == mine
        assert (found.acr, found.confirmed_at, found.expires) == (("mfa",), NOW, NOW + 295)
        assert following.confirmations(Requirement(acr="mfa", max_age=99)) == ()
        assert following.confirmations(Requirement(acr="phr")) == ()
        assert following.confirmations(Requirement(acr="mfa", scope="payments")) == ()
        assert following.confirmations(Requirement(acr="mfa", max_age=0)) == ()
        room.desk.monotonic.move(195)
        assert following.confirmations() == ()


def test_where_a_confirmation_would_do_nobody_is_asked(room: Room) -> None:
    with closing(room.signed_in()) as bank:
        bank.step_up(acr="mfa")
        assert bank.confirmations(Requirement(acr="mfa"))
        bank.step_up(acr="mfa")
    assert len(room.desk.person.occasions) == 1


def test_another_sign_in_has_confirmed_nothing(room: Room) -> None:
    with closing(room.signed_in()) as bank:
        bank.step_up(acr="mfa")
        bank.sign_in_with(BaseToken(access_token="OTHER", subject="eve"))
        assert bank.confirmations() == ()


def test_a_token_from_elsewhere_is_a_sign_in_like_others(room: Room) -> None:
    with room.client() as bank:
        signed_in = bank.sign_in_with(BaseToken(access_token="BROUGHT", subject="ada"), expires_in=60)
        assert signed_in is not None
        assert (signed_in.subject, signed_in.expires, signed_in.bound) == ("ada", room.desk.clock() + 60, False)
    with room.client() as following:
        assert following.signed_in == signed_in
        room.desk.first("call", httpx.Response(200))
        following.get("/balance")
    assert room.desk.at("call")[-1].headers["authorization"] == "Bearer BROUGHT"
    assert "dpop" not in room.desk.at("call")[-1].headers


@pytest.mark.parametrize(
    ("token", "expires_in"),
    [
        (BaseToken(access_token="SECRET", token_type="mac"), None),
        (BaseToken(access_token="SECRET"), -1),
        (BaseToken(access_token="SECRET"), float("nan")),
        (BaseToken(access_token="SECRET"), float("inf")),
    ],
)
def test_a_token_that_could_not_be_sent_is_refused_unseen(room: Room, token: BaseToken, expires_in: Any) -> None:
    with room.client() as bank:
        with pytest.raises(ConfigurationError) as caught:
            bank.sign_in_with(token, expires_in=expires_in)
        assert "SECRET" not in str(caught.value)
        assert bank.signed_in is None


def test_the_same_in_async_code() -> None:
    async def run(desk: Desk) -> None:
        async with desk.async_client(token=None, store=MemoryStore()) as bank:
            assert await bank.confirmations() == ()
            await bank.sign_in_with(BaseToken(access_token="BROUGHT", subject="ada"))
            await bank.step_up(acr="mfa", max_age=300)
            assert len(await bank.confirmations(MFA)) == 1
            desk.first("call", httpx.Response(200, content=b"streamed"))
            async with bank.stream("GET", "/report", step_up=MFA) as response:
                assert await response.aread() == b"streamed"
        assert len(desk.person.occasions) == 1

    asyncio.run(run(Desk()))


def test_a_streamed_call_may_ask_first() -> None:
    desk = Desk()
    with desk.client() as bank:
        desk.first("call", httpx.Response(200, stream=httpx.ByteStream(b"streamed")))
        with bank.stream("POST", "/report", step_up=MFA, content=iter([b"once"])) as response:
            assert not response.is_stream_consumed
            assert b"".join(response.iter_bytes()) == b"streamed"
        assert desk.at("call")[0].headers["authorization"] == "DPoP ELEVATED-1"
        desk.first("call", challenged(CHALLENGE), httpx.Response(200))
        with bank.stream("GET", "/other") as response:
            assert response.status_code == 200
    assert len(desk.person.occasions) == 1


def test_an_app_asks_for_its_own_on_the_terminal_too() -> None:
    with closing(Terminal()) as terminal:
        terminal.types("ada\n", after="username: ")
        assert TerminalPrompter(terminal.device).ask("username") == "ada"
        terminal.types("hush\n", after="pass [2Jword: ")
        assert TerminalPrompter(terminal.device).ask("pass\x1b[2Jword", hidden=True) == "hush"
        terminal.sees("\n")
        assert "hush" not in terminal.shown
        terminal.types("\x04", after="more: ")
        with pytest.raises(StepUpCancelled):
            TerminalPrompter(terminal.device).ask("more")


def test_what_others_say_can_be_shown() -> None:
    assert harmless("fine\x1b[2J\u202e\nrest") == "fine [2J rest"
    assert harmless("\u2800") is None
