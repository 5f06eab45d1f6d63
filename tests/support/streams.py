"""Bodies that can be read once."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterable, Iterator

BIG = [bytes([number]) * 50_000 for number in range(8)]
"""More than stays in memory."""


class Pipe(io.RawIOBase):
    """A file that cannot be rewound."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


def once(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A generator."""
    yield from chunks


async def aonce(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """An asynchronous one."""
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk
