"""Bodies: what can be read again is repeated from where it began, and whoever asks first may send anything."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from support.desk import Desk, Sent, challenged
from support.streams import Pipe
from upstile.client import Requirement, StepUpError, UnreplayableBody

pytestmark = pytest.mark.usefixtures("library")

ASKED = Requirement(acr="mfa", max_age=300)


@pytest.mark.both_libraries
def test_a_file_is_repeated_from_where_it_stood_and_not_from_its_beginning() -> None:
    desk, file = Desk(), io.BytesIO(b"head|body")
    file.seek(5)
    with desk.client() as bank:
        assert bank.post("/transfers", content=file, headers={"content-length": "4"}).status_code == 200
    assert [sent.body for sent in desk.at("call")] == [b"body", b"body"]


def test_each_of_three_tries_gets_the_whole_file() -> None:
    desk, file = Desk(), io.BytesIO(b"head|body")
    file.seek(5)
    with desk.client() as bank:
        bank.step_up(acr="mfa")  # a token that the API will refuse
        desk.always("call", lambda sent: _only("ELEVATED-2", sent))
        assert bank.post("/transfers", content=file, headers={"content-length": "4"}).status_code == 200
    assert [sent.body for sent in desk.at("call")] == [b"body"] * 3


@pytest.mark.parametrize("kind", ["bytes", "text", "form", "json"])
def test_what_httpx_holds_in_memory_is_repeated_whole(kind: str) -> None:
    content: dict[str, dict[str, Any]] = {
        "bytes": {"content": b"body"},
        "text": {"content": "body"},
        "form": {"data": {"a": "b"}},
        "json": {"json": {"a": "b"}},
    }
    desk = Desk()
    with desk.client() as bank:
        assert bank.post("/transfers", **content[kind]).status_code == 200
    first, second = desk.at("call")
    assert first.body == second.body != b""
    assert first.headers["content-length"] == second.headers["content-length"] == str(len(first.body))


def test_a_form_with_a_file_is_repeated_whole() -> None:
    desk, file = Desk(), io.BytesIO(b"the report")
    with desk.client() as bank:
        assert bank.post("/transfers", data={"a": "b"}, files={"file": ("report", file)}).status_code == 200
    first, second = desk.at("call")
    assert first.body == second.body
    assert b"the report" in first.body


def test_a_form_with_a_pipe_is_refused_before_anybody_is_asked() -> None:
    desk = Desk()
    files: dict[str, Any] = {"good": ("a", io.BytesIO(b"a")), "bad": ("report", Pipe(b"the report"))}
    with desk.client() as bank, pytest.raises(UnreplayableBody) as caught:
        bank.post("/transfers", files=files)
    assert [sent.place for sent in desk.sent] == ["call"]
    assert "'report'" in caught.value.hint
    assert "step_up=" in caught.value.hint
    assert not desk.asked


def test_whoever_asks_first_may_send_a_generator() -> None:
    desk = Desk()
    with desk.client() as bank:
        assert bank.request("POST", "/transfers", content=_chunks(), step_up=ASKED).status_code == 200
    assert [sent.place for sent in desk.sent] == ["resource", "server", "start", "answer", "token", "call"]
    assert desk.at("call")[0].body == b"one two"
    assert desk.at("call")[0].headers["authorization"] == "DPoP ELEVATED-1"


def test_whoever_asks_first_may_send_a_form_with_a_pipe() -> None:
    desk = Desk()
    with desk.client() as bank:
        files = {"file": ("report", Pipe(b"the report"))}
        assert bank.request("POST", "/transfers", files=files, step_up=ASKED).status_code == 200
    (call,) = desk.at("call")
    assert b"the report" in call.body


def test_whoever_asks_first_may_send_an_async_generator() -> None:
    desk = Desk()

    async def main() -> int:
        async with desk.async_client() as bank:
            return (await bank.request("POST", "/transfers", content=_achunks(), step_up=ASKED)).status_code

    assert asyncio.run(main()) == 200
    assert [sent.body for sent in desk.at("call")] == [b"one two"]


def test_a_generator_that_was_asked_for_and_is_challenged_nevertheless_is_not_sent_empty() -> None:
    desk = Desk()
    desk.always("call", lambda sent: _only("NO-TOKEN-WILL-DO", sent))
    with desk.client() as bank, pytest.raises(StepUpError):
        bank.request("POST", "/transfers", content=_chunks(), step_up=ASKED)
    assert [sent.body for sent in desk.at("call")] == [b"one two"]


def _only(token: str, sent: Sent) -> httpx.Response:
    return httpx.Response(200) if sent.headers["authorization"].endswith(token) else challenged()


def _chunks() -> Iterator[bytes]:
    yield b"one "
    yield b"two"


async def _achunks() -> AsyncIterator[bytes]:
    for chunk in _chunks():
        yield chunk
