"""Responses of the HTTP library, read as far as the core needs them: bounded in size and time."""

from collections.abc import Generator
from contextlib import aclosing, closing, contextmanager
from time import monotonic
from types import ModuleType
from typing import Any
from zlib import MAX_WBITS, decompressobj
from zlib import error as ZlibError

from upstile.client._exchange import Incoming, lowered

_MAX_BODY = 65_536
_MAX_SECONDS = 5.0
_WINDOWS = {"gzip": MAX_WBITS | 16, "x-gzip": MAX_WBITS | 16, "deflate": MAX_WBITS}
"""What zlib calls the content codings that it knows."""


def incoming(response: Any, url: str, raw: bytes, method: str) -> Incoming:
    """A response for the core; a body that unfolds to more than is read of a plain one is no body."""
    headers = lowered(response.headers.multi_items())
    body = _unfolded(response, raw) or b""
    return Incoming(status=response.status_code, url=url, method=method, headers=headers, body=body)


def read_bounded(http: ModuleType, response: Any, *, forgiving: bool = True) -> bytes:
    """The raw body, unless it is too large or too slow; then nothing, and the connection is dropped.

    A body that is cut short is none, too, or, unless `forgiving`, the transport's own error.
    """
    if response.is_stream_consumed:
        return bytes(response.content)
    end, body = monotonic() + _MAX_SECONDS, bytearray()
    try:
        with _impatient(response.request), closing(response.iter_raw()) as chunks:
            for chunk in chunks:
                _take(body, chunk, end)
    except (http.TransportError, http.StreamError, _TooMuch) as error:
        if isinstance(error, http.TransportError) and not forgiving:
            raise
        body.clear()
    finally:
        response.close()
    return _put_back(http, response, bytes(body))


async def aread_bounded(http: ModuleType, response: Any) -> bytes:
    """The same for an asynchronous response."""
    if response.is_stream_consumed:
        return bytes(response.content)
    end, body = monotonic() + _MAX_SECONDS, bytearray()
    try:
        with _impatient(response.request):
            # Closed here: httpx2 would close the response whenever an unfinished iterator is collected, once more.
            async with aclosing(response.aiter_raw()) as chunks:
                async for chunk in chunks:
                    _take(body, chunk, end)
    except (http.TransportError, http.StreamError, _TooMuch):
        body.clear()
    finally:
        await response.aclose()
    return _put_back(http, response, bytes(body))


def _unfolded(response: Any, raw: bytes) -> bytes | None:
    """A body without its content coding (RFC 9110 §8.4.1); `None` where we do not know it, or it is out of bounds."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if not raw or coding == "identity":
        return raw
    if coding not in _WINDOWS:
        return None
    unfold = decompressobj(_WINDOWS[coding])
    try:
        body = unfold.decompress(raw, _MAX_BODY + 1)
    except ZlibError:
        return None
    return body if unfold.eof and len(body) <= _MAX_BODY else None


class _TooMuch(Exception):
    """A body that nobody needs whole."""


def _take(body: bytearray, chunk: bytes, end: float) -> None:
    body += chunk
    if len(body) > _MAX_BODY or monotonic() > end:
        raise _TooMuch


@contextmanager
def _impatient(request: Any) -> Generator[None]:
    """Bound each read of a body, however patient the app's own time-outs are (httpcore asks when it begins to read)."""
    own: dict[str, float | None] = request.extensions.get("timeout", {})
    read = own.get("read")
    request.extensions["timeout"] = {**own, "read": _MAX_SECONDS if read is None else min(read, _MAX_SECONDS)}
    try:
        yield
    finally:
        request.extensions["timeout"] = own


def _put_back(http: ModuleType, response: Any, body: bytes) -> bytes:
    """Let the response be read again, by the library itself or by the app, from what was kept.

    The library reads a refused call to its end before the next one goes out, and would unfold it without bound.
    """
    kept = b"" if _unfolded(response, body) is None else body
    response.stream = http.ByteStream(kept)
    response.is_stream_consumed = False
    response.is_closed = False
    return kept
