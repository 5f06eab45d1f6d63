"""Can a request's body be sent twice? Decided before anybody is asked (client behaviour 2 of the design).

In plain httpx and httpx2 a used-up iterator or pipe is repeated *empty*, and the API answers 200 to the wrong request.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, get_args

from upstile.client._errors import ConfigurationError
from upstile.client.adapters._spool import Spool, spooled

Rewind = Callable[[], None]
OnUnreplayable = Literal["error", "spool"]


class Body:
    """A request's body, looked at before its first use.

    Args:
        http: the HTTP library.
        request: the request; its stream is replaced by one that can be sent again, if need be.
        spool_limit: bytes that are kept for that; `None` if nothing is.
    """

    def __init__(self, http: ModuleType, request: Any, spool_limit: int | None) -> None:
        self._why, self._rewind = _judge(http, request.stream)
        self._spool: Spool | None = None
        if self._why is not None and spool_limit is not None:
            self._keep(http, request, spool_limit)

    @property
    def unreplayable(self) -> str | None:
        """Why it cannot be sent again; `None` as long as it can."""
        return self._why if self._spool is None else self._spool.failure

    def close(self) -> None:
        """The call is over."""
        if self._spool is not None:
            self._spool.close()

    async def aclose(self) -> None:
        """The same in asynchronous code."""
        if self._spool is not None:
            await self._spool.aclose()

    def _keep(self, http: ModuleType, request: Any, limit: int) -> None:
        length = request.headers.get("content-length", "")
        spool = Spool(limit)
        if length.isdecimal() and int(length) > limit:
            self._why = spool.too_long
            return
        stream = spooled(http, request.stream, spool)
        if stream is not None:
            request.stream, self._spool = stream, spool

    def rewind(self) -> None:
        """Make the body ready to be sent again, from where it began."""
        self._rewind()


def checked_limit(on_unreplayable: OnUnreplayable, spool_limit: int) -> int | None:
    """How many bytes are kept of a body that can be read once; `None` if it is not kept.

    Raises:
        ConfigurationError: an option makes no sense.
    """
    if on_unreplayable not in get_args(OnUnreplayable) or type(spool_limit) is not int or spool_limit < 1:
        raise ConfigurationError('on_unreplayable is "error" or "spool", spool_limit a number of bytes')
    return spool_limit if on_unreplayable == "spool" else None


def _judge(http: ModuleType, stream: object) -> tuple[str | None, Rewind]:
    if isinstance(stream, http.ByteStream):
        return None, _nothing
    fields = getattr(stream, "fields", None)
    if fields is not None:
        return _judge_multipart(fields)
    source = getattr(stream, "_stream", None)
    start = _position(source)
    if start is None:
        return f"its body is a {type(source or stream).__name__}, which can be read once", _nothing
    return None, lambda: _seek(source, start)


def _judge_multipart(fields: list[Any]) -> tuple[str | None, Rewind]:
    # The library seeks the files of a form to their beginning whenever it renders it.
    for field in fields:
        file = getattr(field, "file", b"")
        if not isinstance(file, str | bytes) and _position(file) is None:
            return f"the file {getattr(field, 'filename', None)!r} in its form can be read once", _nothing
    return None, _nothing


def _position(source: Any) -> int | None:
    if hasattr(source, "__aiter__"):  # an async file: its `tell` would have to be awaited
        return None
    try:
        return int(source.tell()) if source.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None


def _seek(source: Any, position: int) -> None:
    source.seek(position)


def _nothing() -> None:
    return None
