"""The HTTP libraries that the client runs on. Tests speak httpx; for httpx2 a transport stands between and translates.

A test that takes the fixture `library` runs on both: `pytestmark = pytest.mark.usefixtures("library")`.
"""

from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import httpx
import httpx2

import upstile.client
import upstile.client.httpx2


@dataclass(frozen=True)
class Library:
    """One of them.

    Attributes:
        http: the library itself.
        clients: where `Client`, `AsyncClient` and `StepUpAuth` are on it.
    """

    http: ModuleType
    clients: Any

    def __str__(self) -> str:
        return self.http.__name__

    def carried(self, transport: Any) -> Any:
        """A transport of httpx, for a client of this library."""
        if self.http is httpx or isinstance(transport, httpx2.BaseTransport | httpx2.AsyncBaseTransport):
            return transport
        return _Carried(transport) if isinstance(transport, httpx.BaseTransport) else _CarriedAwaited(transport)


HTTPX = Library(httpx, upstile.client)
HTTPX2 = Library(httpx2, upstile.client.httpx2)
_current = [HTTPX]


def current() -> Library:
    """The one that the running test is for."""
    return _current[-1]


@contextmanager
def running_on(library: Library) -> Generator[Library]:
    """Make it the current one."""
    _current.append(library)
    try:
        yield library
    finally:
        _current.pop()


class _CarriedAwaited(httpx2.AsyncBaseTransport):
    """A transport of httpx that can be awaited and nothing else, for clients of httpx2."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        with _translated_errors():
            return _reply(await self._transport.handle_async_request(_told(request)))


class _Carried(_CarriedAwaited, httpx2.BaseTransport):
    """A transport of httpx, for clients of httpx2."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        with _translated_errors():
            return _reply(self._transport.handle_request(_told(request)))


class _Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of a response of httpx."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with _translated_errors():
            yield from self._stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated_errors():
            async for chunk in self._stream:
                yield chunk

    def close(self) -> None:
        """Close it, where it can be."""
        if isinstance(self._stream, httpx.SyncByteStream):
            self._stream.close()

    async def aclose(self) -> None:
        """The same."""
        if isinstance(self._stream, httpx.AsyncByteStream):
            await self._stream.aclose()


def _told(request: httpx2.Request) -> httpx.Request:
    stream: Any = request.stream
    told = httpx.Request(
        request.method, str(request.url), headers=request.headers.raw, stream=stream, extensions=request.extensions
    )
    told.extensions = request.extensions  # the same ones, as a transport of httpx would see them
    return told


def _reply(told: httpx.Response) -> httpx2.Response:
    return httpx2.Response(told.status_code, headers=told.headers.raw, stream=_Body(told.stream))


@contextmanager
def _translated_errors() -> Generator[None]:
    try:
        yield
    except (httpx.TransportError, httpx.StreamError) as error:
        kind: Any = getattr(httpx2, type(error).__name__)
        raise kind(*error.args) from error
