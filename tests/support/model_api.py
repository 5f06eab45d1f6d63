"""An API of language models, as its provider writes it: guarded by upstile, with the routes that others' SDKs call.

It answers what the SDKs of Anthropic and of OpenAI expect on the wire, as JSON or as server-sent events.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp

CLIENT_ID = "model-cli"
WORDS = ["Sent", " 50.00", " to", " ACME"]
ANSWER = "".join(WORDS)
PATIENCE = 10.0

Part = tuple[str, dict[str, Any] | str]
"""An event's name and its data."""


class ModelApi:
    """The API, and what a test may set.

    Attributes:
        failures: statuses that the next guarded calls are answered with, instead of an answer.
        calls: how often a call came through a guard.
        read: tells that the first word of a streamed answer was read; the others are sent after that.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.failures: list[int] = []
        self.calls = 0
        self.read: Callable[[], bool] = lambda: True

    def app(self, url: str, folder: Path, clock: Callable[[], float]) -> FastAPI:
        """The API under `url`."""
        server = StepUp.embedded(
            url=url,
            storage=f"sqlite:///{folder / 'models.db'}",
            clients=[App(CLIENT_ID)],
            clock=clock,
            allow_insecure_loopback=True,
        )
        api = FastAPI()
        server.install(api)
        recent = server.requirement(acr="mfa", max_age=300, reason="Let the model spend money")
        once = server.requirement(acr="mfa", max_age=0, reason="Let the model spend money once")

        @api.post("/login")
        async def login(user: str, request: Request) -> TokenResponse:
            return await server.start_session(user, amr=["pwd"], request=request)

        @api.post("/v1/messages")
        async def messages(body: dict[str, Any], auth: Annotated[Authentication, Depends(recent)]) -> Response:
            return self._answer(body, _message(), _message_parts())

        @api.post("/once/v1/messages")
        async def for_once(body: dict[str, Any], auth: Annotated[Authentication, Depends(once)]) -> Response:
            return self._answer(body, _message(), _message_parts())

        @api.post("/v1/chat/completions")
        async def completions(body: dict[str, Any], auth: Annotated[Authentication, Depends(recent)]) -> Response:
            return self._answer(body, _completion("chat.completion", message=ANSWER), _completion_parts())

        return api

    def _answer(self, body: dict[str, Any], whole: dict[str, Any], parts: Iterator[Part]) -> Response:
        self.calls += 1
        if self.failures:
            raise HTTPException(self.failures.pop(0), headers={"retry-after-ms": "1"})
        if body.get("stream"):
            return StreamingResponse(self._streamed(parts), media_type="text/event-stream")
        return Response(json.dumps(whole), media_type="application/json")

    async def _streamed(self, parts: Iterator[Part]) -> AsyncIterator[str]:
        for name, data in parts:
            if WORDS[1] in json.dumps(data):
                with anyio.fail_after(PATIENCE):
                    while not self.read():
                        await anyio.sleep(0.01)
            line = data if isinstance(data, str) else json.dumps(data)
            yield f"event: {name}\ndata: {line}\n\n" if name else f"data: {line}\n\n"


def _message() -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "small",
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }


def _message_parts() -> Iterator[Part]:
    yield "message_start", {"type": "message_start", "message": {**_message(), "content": [], "stop_reason": None}}
    block = {"type": "text", "text": ""}
    yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": block}
    for word in WORDS:
        delta = {"type": "text_delta", "text": word}
        yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": end, "usage": {"output_tokens": 4}}
    yield "message_stop", {"type": "message_stop"}


def _completion(kind: str, *, message: str | None = None, delta: str | None = None) -> dict[str, Any]:
    said = "message" if message is not None else "delta"
    choice = {
        "index": 0,
        said: {"role": "assistant", "content": delta if message is None else message},
        "finish_reason": None if delta is not None else "stop",
    }
    return {"id": "chatcmpl-1", "object": kind, "created": 1_800_000_000, "model": "small", "choices": [choice]}


def _completion_parts() -> Iterator[Part]:
    for word in WORDS:
        yield "", _completion("chat.completion.chunk", delta=word)
    yield "", _completion("chat.completion.chunk")
    yield "", "[DONE]"
