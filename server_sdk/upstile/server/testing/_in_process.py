"""An application in this process, in an event loop of its own thread, and the way to it for httpx and httpx2."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from anyio import to_thread

Message = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class InProcess:
    """The way to an application that runs in this process: the `transport=` of a client, sync or async.

    It knows no HTTP library: a request's own answers in its words. What a handler raises, and no exception handler of
    the application answers, is raised by the call. A response is read to its end before the client has it.
    """

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop, state: Message) -> None:
        self._app = app
        self._loop = loop
        self._state = state

    def handle_request(self, request: Any) -> Any:
        """Answer a request of a sync client."""
        return self._answered(request, request.read())

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request of an async client, on any event loop."""
        return await to_thread.run_sync(self._answered, request, await request.aread())

    def _answered(self, request: Any, body: bytes) -> Any:
        call = _call(self._app, _scope(request, self._state), body)
        status, headers, content = asyncio.run_coroutine_threadsafe(call, self._loop).result()
        library = sys.modules[type(request).__module__.partition(".")[0]]
        return library.Response(status, headers=headers, content=content, request=request)

    def close(self) -> None:
        """Leave the application running: other clients may use it."""

    async def aclose(self) -> None:
        """The same."""

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> "InProcess":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


@contextmanager
def in_process(app: App) -> Generator[InProcess]:
    """Run an application for the length of a block: its lifespan begins and ends, as under a server.

    ```python
    with in_process(app) as api, httpx.Client(transport=api, base_url="http://localhost:8000") as client: ...
    ```

    Args:
        app: an ASGI application.

    Raises:
        Exception: what the start of the application raised.
    """
    loop = asyncio.new_event_loop()
    thread = Thread(target=_run, args=(loop,), name="upstile in_process", daemon=True)
    thread.start()
    life = _Lifespan(app)
    try:
        asyncio.run_coroutine_threadsafe(life.begin(), loop).result()
        try:
            yield InProcess(app, loop, life.state)
        finally:
            asyncio.run_coroutine_threadsafe(life.end(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run an event loop until it is stopped, and put away what it has."""
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


class _Lifespan:
    """The lifespan of an application (ASGI 3, lifespan 2.0)."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.state: Message = {}

    async def begin(self) -> None:
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._app(scope, self._told.get, self._said.put))
        await self._says("startup")

    async def end(self) -> None:
        await self._says("shutdown")
        await self._task

    async def _says(self, what: str) -> None:
        """Tell the application, and wait until it is done; raise what it raises."""
        await self._told.put({"type": f"lifespan.{what}"})
        said = asyncio.ensure_future(self._said.get())
        await asyncio.wait([said, self._task], return_when=asyncio.FIRST_COMPLETED)
        if not said.done():
            said.cancel()
            await self._task
            raise RuntimeError(f"the application ended before its {what} was complete")
        if said.result()["type"] != f"lifespan.{what}.complete":
            await self._task  # it raises what went wrong
            raise RuntimeError(f"the application's {what} failed: {said.result().get('message', '')}")


def _scope(request: Any, state: Message) -> Message:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port),
        "client": ("127.0.0.1", 50_000),
        "state": dict(state),
    }


async def _call(app: App, scope: Message, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """One call, whole."""
    left = [{"type": "http.request", "body": body, "more_body": False}]
    begun: list[Message] = []
    content = bytearray()
    done = asyncio.Event()

    async def receive() -> Message:
        if left:
            return left.pop()
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.append(message)
        elif message["type"] == "http.response.body":
            content.extend(message.get("body", b""))
            if not message.get("more_body", False):
                done.set()

    await app(scope, receive, send)
    if not begun or not done.is_set():
        raise RuntimeError("the application returned without a whole response")
    return begun[0]["status"], list(begun[0].get("headers", ())), bytes(content)
