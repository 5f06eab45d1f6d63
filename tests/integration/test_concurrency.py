"""64 at once, over three processes that share one storage: of everything that is good once, one wins."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from support.nodes import nodes
from support.wire_driver import WireApp, enrolled_app, new_key

pytestmark = pytest.mark.anyio
CROWD = 64
T = TypeVar("T")
Request = Callable[[WireApp], Awaitable[httpx.Response]]


async def _crowd(
    app: WireApp, folder: Path, request: Callable[[WireApp], Awaitable[httpx.Response]]
) -> list[httpx.Response]:
    return await _spread(app, folder, [None] * CROWD, lambda node, _: request(node))


async def _spread(
    app: WireApp, folder: Path, work: list[T], request: Callable[[WireApp, T], Awaitable[httpx.Response]]
) -> list[httpx.Response]:
    """Do each piece of work once, all at the same time, in turns over the processes."""
    async with nodes(app, folder) as everywhere:
        requests = (request(everywhere[n % len(everywhere)], piece) for n, piece in enumerate(work))
        replies = list(await asyncio.gather(*requests))
    assert 500 not in {reply.status_code for reply in replies}
    return replies


async def test_one_of_64_identical_codes_is_judged(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        form = app.answer_form(started, otp=app.code())
        replies = await _crowd(app, tmp_path, lambda node: node.post("/stepup/challenge", form))
        codes = {reply.json()["authorization_code"] for reply in replies if reply.status_code == 200}
        assert len(codes) == 1
        assert {reply.json()["error"] for reply in replies if reply.status_code != 200} <= {"slow_down"}


async def test_one_of_50_ceremonies_accepts_the_same_code(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()  # the key is known now, and has ten ceremonies of its own
        app.clock.now += 600
        await app.sign_in()
        work: list[tuple[WireApp, dict[str, Any]]] = []
        for owner in (app, *(replace(app, key=new_key()) for _ in range(4))):
            await owner.sign_in()
            while (started := await owner.start()).reply.status_code == 403:
                work.append((owner, owner.answer_form(started, otp=app.code())))
        assert len(work) == 50

        def answer(node: WireApp, piece: tuple[WireApp, dict[str, Any]]) -> Awaitable[httpx.Response]:
            owner, form = piece
            return replace(owner, http=node.http).post("/stepup/challenge", form)

        replies = await _spread(app, tmp_path, work, answer)
        assert [reply.status_code for reply in replies].count(200) == 1


async def test_one_of_64_identical_assertions_is_judged(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.enroll_passkey(await app.elevate(scope="authenticators", max_age="60"))
        started = await app.start(acr_values="phr")
        assert app.passkey is not None
        signed = json.dumps(app.passkey.sign(started.offer("webauthn")["options"]))
        form = app.answer_form(started, authn_method="webauthn", authn_response=signed)
        replies = await _crowd(app, tmp_path, lambda node: node.post("/stepup/challenge", form))
        codes = {reply.json()["authorization_code"] for reply in replies if reply.status_code == 200}
        assert len(codes) == 1
        assert {reply.json()["error"] for reply in replies if reply.status_code != 200} <= {"slow_down"}


async def test_one_of_64_redemptions_gets_a_token(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        replies = await _crowd(app, tmp_path, lambda node: node.redeem(started, code))
        assert [reply.status_code for reply in replies].count(200) == 1
        assert {reply.json()["error"] for reply in replies if reply.status_code != 200} == {"invalid_grant"}


async def test_one_of_64_calls_uses_the_single_use_token(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(max_age="0")
        replies = await _crowd(app, tmp_path, lambda node: node.call("DELETE", "/account", token=token))
        assert [reply.status_code for reply in replies].count(200) == 1
        assert {reply.json()["type"] for reply in replies if reply.status_code != 200} == {
            "urn:upstile:problem:token-used"
        }


async def test_of_many_guesses_at_once_five_are_judged(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.elevate()
        forms = [app.answer_form(await app.start(), otp=f"{n:06}") for n in range(8)]
        replies = await _spread(app, tmp_path, forms, lambda node, form: node.post("/stepup/challenge", form))
        answered = Counter(reply.status_code for reply in replies)
        assert answered[403] <= 4
        assert answered[429] == len(forms) - answered[403]
        # The lock of the fifth guess, and all five are there again behind it: so five were counted, and no more.
        app.clock.now += 29
        assert (await app.start()).reply.status_code == 429
        app.clock.now += 1
        assert (await app.start()).reply.json()["attempts_left"] == 5
