"""A wrong clock at a sign-in, with a body that can be read once, and in what is kept in a store."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.desk import NOW, Sent, challenged
from support.judge import Judge
from upstile.client import CeremonyFailed, FileStore, SignInExpired


def test_a_sign_in_is_sent_again_with_the_right_time() -> None:
    for wrong, bodies in ((600, [b'{"user":"ada"}'] * 2), (30, [b'{"user":"ada"}'])):
        judge = Judge()
        judge.clock.move(wrong)
        judge.always("call", partial(_login, judge))
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
    judge.always("call", partial(_login, judge))
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


def _login(judge: Judge, sent: Sent) -> httpx.Response:
    refused = httpx.Response(400, json={"error": "invalid_dpop_proof"})
    token = httpx.Response(200, json={"access_token": "T", "token_type": "DPoP"})
    return judge.stamped(token if judge.good(sent) else refused)


def _once() -> Iterator[bytes]:
    yield b"{}"
