"""Many calls and one ceremony: `client.elevated()`, for whom it holds and for how long."""

import asyncio
import contextvars
from collections.abc import Iterator
from contextlib import nullcontext
from contextvars import Context
from threading import Thread
from typing import Any

import anyio
import httpx
import pytest

import upstile.client.httpx2 as on_httpx2
from support.desk import API, CHALLENGE, NOW, Desk, Sent, challenged
from upstile.client import (
    BaseToken,
    ConfigurationError,
    Requirement,
    StepUpAuth,
    StepUpCancelled,
    StepUpRequired,
    StepUpUnsatisfied,
    Totp,
    UntrustedChallenge,
)
from upstile.client.testing import ScriptedPrompter


def tokens(desk: Desk) -> list[str]:
    """What the calls went out with."""
    return [sent.headers["authorization"].partition(" ")[2] for sent in desk.at("call")]


def test_the_person_is_asked_once_at_the_entry_and_each_call_goes_out_once() -> None:
    desk = Desk()
    with desk.client() as bank, bank.elevated(acr="mfa", max_age=300, reason="Pay the month's bills"):
        assert len(desk.person.occasions) == 1
        for path in ("/a", "/b", "/c"):
            assert bank.post(path, content=_once()).status_code == 200
    assert tokens(desk) == ["ELEVATED-1"] * 3
    assert desk.person.occasions[0].reason == "Pay the month's bills"


def test_async_calls_and_their_tasks_are_in_it() -> None:
    desk = Desk()

    async def main() -> None:
        async with desk.async_client() as bank:
            async with bank.elevated(acr="mfa"):
                await asyncio.gather(*(bank.post(f"/{name}") for name in "abc"))
            await bank.post("/d")

    asyncio.run(main())
    assert tokens(desk) == ["ELEVATED-1"] * 3 + ["BASE-SECRET", "ELEVATED-1"]
    assert len(desk.person.occasions) == 1


def test_trio_knows_it_as_well() -> None:
    desk = Desk()

    async def main() -> None:
        async with desk.async_client() as bank, bank.elevated(acr="mfa"):
            assert (await bank.post("/a")).status_code == 200

    anyio.run(main, backend="trio")
    assert tokens(desk) == ["ELEVATED-1"]


def test_what_is_at_hand_serves_the_block() -> None:
    desk = Desk()
    with desk.client() as bank:
        bank.post("/a")
        with bank.elevated(acr="mfa", max_age=300):
            bank.post("/b")
    assert len(desk.person.occasions) == 1


def test_a_call_asks_again_before_it_is_sent_once_max_age_has_run_out() -> None:
    desk = Desk()
    desk.token["expires_in"] = 3600
    with desk.client() as bank, bank.elevated(acr="mfa", max_age=60):
        bank.post("/a", content=_once())
        desk.monotonic.move(60)
        bank.post("/b", content=_once())
        desk.monotonic.move(1)
        desk.clock.move(61)
        desk.token["auth_time"] = NOW + 61
        bank.post("/c", content=_once())
        bank.post("/d", content=_once())
    assert tokens(desk) == ["ELEVATED-1", "ELEVATED-1", "ELEVATED-2", "ELEVATED-2"]


def test_a_revoked_token_of_the_block_is_followed_by_another_ceremony() -> None:
    desk = Desk()
    with desk.client() as bank, bank.elevated(acr="mfa"):
        desk.first("call", httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_token"'}))
        bank.post("/a")
        bank.post("/b")
    assert tokens(desk) == ["ELEVATED-1", "ELEVATED-2", "ELEVATED-2"]


def test_of_blocks_in_blocks_the_innermost_holds() -> None:
    desk = Desk()
    del desk.token["acr"]
    with desk.client() as bank, bank.elevated(acr="mfa"):
        bank.post("/a")
        with bank.elevated(acr="phr"):
            bank.post("/b")
        bank.post("/c")
    assert tokens(desk) == ["ELEVATED-1", "ELEVATED-2", "ELEVATED-1"]


def test_a_call_may_ask_for_something_of_its_own() -> None:
    desk = Desk()
    del desk.token["acr"]
    with desk.client() as bank, bank.elevated(acr="mfa"):
        bank.request("POST", "/a", step_up=Requirement(acr="phr"))
        bank.request("POST", "/b", step_up=Requirement(max_age=0))
        bank.post("/c")
    assert tokens(desk) == ["ELEVATED-2", "ELEVATED-3", "ELEVATED-1"]


def test_what_an_api_wants_for_one_call_is_asked_for_that_call() -> None:
    desk = Desk()
    desk.always("call", lambda sent: _wanting(sent, "ELEVATED-2", CHALLENGE.replace("max_age=300", "max_age=0")))
    with desk.client() as bank, bank.elevated(acr="mfa"):
        assert bank.post("/a").status_code == 200
        desk.always("call", lambda _: httpx.Response(200))
        bank.post("/b")  # with what the block is for: the other has served
    assert tokens(desk) == ["ELEVATED-1", "ELEVATED-2", "ELEVATED-1"]


def test_a_block_for_a_single_call_is_refused_with_a_sentence() -> None:
    desk = Desk()
    with desk.client() as bank, pytest.raises(ConfigurationError, match="step_up=Requirement"):
        bank.elevated(acr="mfa", max_age=0)
    with pytest.raises(ConfigurationError, match="step_up=Requirement"):
        desk.async_client().elevated(max_age=0)
    assert desk.sent == []


def test_other_threads_are_in_it_only_with_a_copy_of_the_context() -> None:
    desk = Desk()
    with desk.client() as bank, bank.elevated(acr="mfa"):
        for context in (Context(), contextvars.copy_context()):
            thread = Thread(target=context.run, args=(bank.get, "/a"))
            thread.start()
            thread.join(10)
    assert tokens(desk) == ["BASE-SECRET", "ELEVATED-1", "ELEVATED-1"]
    assert len(desk.person.occasions) == 1


def test_a_task_that_outlives_the_block_is_an_ordinary_caller_again() -> None:
    desk = Desk()

    async def main() -> None:
        over = asyncio.Event()

        async def late() -> None:
            await over.wait()
            await bank.get("/late")

        async with desk.async_client() as bank:
            async with bank.elevated(acr="mfa"):
                task = asyncio.create_task(late())
                await asyncio.sleep(0)
            over.set()
            await task

    asyncio.run(main())
    assert tokens(desk)[0] == "BASE-SECRET"


def test_a_block_may_be_left_in_another_context_than_it_was_entered_in() -> None:
    desk = Desk()
    with desk.client() as bank:
        block = bank.elevated(acr="mfa")
        contextvars.copy_context().run(block.__enter__)
        block.__exit__(None, None, None)
        bank.get("/a")
    assert tokens(desk)[0] == "BASE-SECRET"


def test_an_error_inside_ends_the_block_and_goes_on() -> None:
    desk = Desk()
    with desk.client() as bank:
        with pytest.raises(ZeroDivisionError), bank.elevated(acr="mfa"):
            raise ZeroDivisionError
        bank.get("/a")
    assert tokens(desk)[0] == "BASE-SECRET"


def test_nobody_else_acts_on_what_one_user_has_confirmed() -> None:
    desk = Desk()
    with desk.client() as bank, bank.elevated(acr="mfa"):
        desk.first("call", httpx.Response(200, json={"access_token": "BOB", "token_type": "DPoP"}))
        bank.sign_in("/login", subject="bob")
        with pytest.raises(StepUpCancelled, match="Somebody else has signed in") as caught:
            bank.post("/transfers")
    assert [sent.url for sent in desk.at("call")] == [f"{API}/login"]
    assert "subject=" in str(caught.value.hint)


def test_a_refreshed_token_of_the_same_subject_stays_in_it_and_another_text_does_not() -> None:
    for subject, calls in (("ada", 2), (None, 1)):
        desk, texts = Desk(), iter(["ONE", "ONE", "TWO"])
        source = lambda t=texts, s=subject: BaseToken(access_token=next(t), subject=s)  # noqa: E731
        with desk.client(token=source) as bank, bank.elevated(acr="mfa"):
            bank.post("/a")
            with pytest.raises(StepUpCancelled) if subject is None else nullcontext():
                bank.post("/b")
        assert tokens(desk) == ["ELEVATED-1"] * calls


def test_other_apis_and_other_clients_are_not_in_it() -> None:
    desk, other = Desk(), Desk()
    with desk.client() as bank, other.client() as shop, bank.elevated(acr="mfa"):
        bank.get("https://elsewhere.example/x")
        shop.get("/a")
    assert "authorization" not in desk.at("elsewhere")[0].headers
    assert tokens(other)[0] == "BASE-SECRET"
    with desk.client() as bank, pytest.raises(UntrustedChallenge):
        bank.elevated(acr="mfa", url="https://elsewhere.example/x")


def test_nobody_is_asked_at_the_entry_where_nobody_may_be() -> None:
    desk = Desk()
    with desk.client(interaction="never") as bank, pytest.raises(StepUpRequired), bank.elevated(acr="mfa"):
        raise AssertionError
    assert desk.sent == []


def test_a_refusal_at_the_entry_begins_no_block() -> None:
    desk = Desk()
    with desk.client(prompter=ScriptedPrompter([])) as bank:
        with pytest.raises(StepUpCancelled), bank.elevated(acr="mfa"):
            raise AssertionError
        desk.always("call", lambda _: httpx.Response(200))
        bank.get("/a")
    assert tokens(desk) == ["BASE-SECRET"]


def test_an_api_that_takes_no_token_of_the_block_is_the_end() -> None:
    desk = Desk()
    desk.always("call", lambda sent: challenged())
    with desk.client() as bank, bank.elevated(acr="mfa", max_age=300), pytest.raises(StepUpUnsatisfied):
        bank.post("/a")
    assert len(desk.person.occasions) == 2  # the block's, and one more that an older token might have needed


@pytest.mark.parametrize("module", [None, on_httpx2])
def test_a_client_that_exists_has_it_through_its_auth(module: Any) -> None:
    seen: list[str] = []

    def serve(request: Any) -> Any:
        seen.append(request.headers["authorization"])
        return library.Response(200)

    desk = Desk()
    library = httpx if module is None else module.httpx2
    options: dict[str, Any] = {"client_id": "cli", "token": "BASE", "methods": [Totp()], "prompter": desk.person}
    options |= {"clock": desk.clock, "monotonic": desk.monotonic}
    way = {"transport": library.MockTransport(lambda request: _moved(desk, library, request))}
    auth = (StepUpAuth if module is None else module.StepUpAuth)(API, transport=way, **options)
    with library.Client(auth=auth, transport=library.MockTransport(serve)) as plain, auth.elevated(acr="mfa"):
        plain.get(f"{API}/a")

    async def main() -> None:
        transport = library.MockTransport(serve)
        async with library.AsyncClient(auth=auth, transport=transport) as plain, auth.elevated(acr="mfa"):
            await plain.get(f"{API}/b")

    asyncio.run(main())
    assert seen == ["DPoP ELEVATED-1"] * 2
    assert len(desk.person.occasions) == 1
    auth.close()


def _moved(desk: Desk, library: Any, request: Any) -> Any:
    """The desk's answer in the types of the other library."""
    request.read()
    found = desk.handle_request(httpx.Request(request.method, str(request.url), content=request.content))
    return library.Response(found.status_code, content=found.read())


def _wanting(sent: Sent, token: str, challenge: str) -> httpx.Response:
    return httpx.Response(200) if sent.headers["authorization"].endswith(token) else challenged(challenge)


def _once() -> Iterator[bytes]:
    yield b"one "
    yield b"two"
