"""A body that can be read once is kept while it is sent, so that it can be sent again.

What is small stays in memory; the rest goes to a temporary file that has no name, or that the system deletes with its
last handle: nothing is left behind, even by a crash. Asynchronous code reads and writes it in a thread.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import cache
from os import SEEK_END
from tempfile import TemporaryFile
from threading import Lock
from types import ModuleType
from typing import IO, Any

from upstile.client._errors import UnreplayableBody
from upstile.client.adapters._waiting import in_thread

SPOOL_LIMIT = 64 * 1024 * 1024
"""Bytes that are kept of a body by default."""
_BLOCK = 65_536
_GONE = "The call could not be repeated: what was kept of its body is gone"


class Spool:
    """What was sent of one body.

    Args:
        limit: bytes that are kept at most.

    Attributes:
        failure: why the body cannot be sent again; `None` as long as it can.
        length: bytes kept.
        too_long: what is said of a longer one.
    """

    def __init__(self, limit: int) -> None:
        self.failure: str | None = None
        self.length = 0
        self.too_long = f"its body is longer than the {limit} bytes that this app keeps"
        self._limit = limit
        self._recent = bytearray()
        self._file: IO[bytes] | None = None
        self._lock = Lock()  # a write of a call that was cancelled may still go on in its thread

    def add(self, chunk: bytes) -> bool:
        """Keep a chunk; whether `flush` is due, which blocks."""
        if self.failure is None and self.length + len(chunk) > self._limit:
            self.fail(self.too_long)
        if self.failure is not None:
            return self._file is not None
        self._recent += chunk
        self.length += len(chunk)
        return len(self._recent) >= _BLOCK

    def flush(self) -> None:
        """Write to the file what is in memory; of a body that failed nothing is kept."""
        with self._lock:
            if self.failure is not None:
                self._drop()
                return
            try:
                self._file = self._file or TemporaryFile(prefix="upstile-")  # noqa: SIM115 - `_drop` closes it
                self._file.seek(0, SEEK_END)
                self._file.write(self._recent)
                self._file.flush()
                self._recent.clear()
            except OSError as error:  # the call goes on: it may need no repetition
                self.fail(f"its body could not be kept ({error.strerror or error})")
                self._drop()

    def blocks(self, at: int) -> bool:
        """Whether reading from there blocks."""
        return at < self.length - len(self._recent)

    def read(self, at: int) -> bytes:
        """A block of what was kept, from there on.

        Raises:
            UnreplayableBody: it cannot be read.
        """
        with self._lock:
            written = self.length - len(self._recent)
            if at >= written:
                return bytes(self._recent[at - written :])
            try:
                block = _block(self._file, at, min(_BLOCK, written - at))
            except OSError as error:
                raise UnreplayableBody(_GONE) from error
        if not block:  # the file is shorter than what was written to it
            raise UnreplayableBody(_GONE)
        return block

    def fail(self, why: str) -> None:
        """From now on the body cannot be sent again; what was kept is dropped by `flush` or `close`."""
        self.failure = why
        self.length = 0
        self._recent.clear()

    def close(self) -> None:
        """Give up what was kept."""
        with self._lock:
            if self.failure is None:
                self.fail("its call is over")
            self._drop()

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what a full disk did not take
                file.close()

    async def aclose(self) -> None:
        """The same in asynchronous code, also when that is being cancelled."""
        if self._file is None and not self._lock.locked():
            self.close()
            return
        from anyio import CancelScope

        with CancelScope(shield=True):
            await in_thread(self.close)


def _block(file: IO[bytes] | None, at: int, size: int) -> bytes:
    if file is None:
        return b""
    file.seek(at)
    return file.read(size)


class _Spooled:
    """A request's stream that keeps what it hands out; each iteration begins at the beginning."""

    def __init__(self, http: ModuleType, stream: Any, spool: Spool) -> None:
        self._http, self._stream, self._spool = http, stream, spool
        self._source: Any = None

    def _check(self) -> None:
        if self._spool.failure is not None:
            raise self._http.StreamConsumed


class _Sync(_Spooled):
    def __iter__(self) -> Iterator[bytes]:
        self._check()
        spool, at = self._spool, 0
        while at < spool.length:
            block = spool.read(at)
            at += len(block)
            yield block
        if self._source is None:
            self._source = iter(self._stream)
        while (chunk := self._next()) is not None:
            if spool.add(bytes(chunk)):
                spool.flush()
            yield chunk

    def _next(self) -> bytes | None:
        try:
            return next(self._source, None)
        except BaseException:  # what it was about to give is lost
            self._spool.fail("its body could not be read")
            raise


class _Async(_Spooled):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._check()
        spool, at = self._spool, 0
        while at < spool.length:
            block = await in_thread(spool.read, at) if spool.blocks(at) else spool.read(at)
            at += len(block)
            yield block
        if self._source is None:
            self._source = aiter(self._stream)
        while (chunk := await self._anext()) is not None:
            if spool.add(bytes(chunk)):
                await in_thread(spool.flush)
            yield chunk

    async def _anext(self) -> bytes | None:
        try:
            return await anext(self._source, None)
        except BaseException:
            self._spool.fail("its body could not be read")
            raise


def spooled(http: ModuleType, stream: Any, spool: Spool) -> Any:
    """A stream of the library that can be sent again as far as the spool holds it, or `None` if it is none."""
    sync, awaited = isinstance(stream, http.SyncByteStream), isinstance(stream, http.AsyncByteStream)
    return _kind(http, sync, awaited)(http, stream, spool) if sync or awaited else None


@cache
def _kind(http: ModuleType, sync: bool, awaited: bool) -> type:
    bases = (_Sync,) * sync + (_Async,) * awaited + (http.SyncByteStream,) * sync + (http.AsyncByteStream,) * awaited
    return type("SpooledStream", bases, {})
