"""Can a request's body be sent twice? Decided before anybody is asked (client behaviour 2 of the design).

In plain httpx and httpx2 a used-up iterator or pipe is repeated *empty*, and the API answers 200 to the wrong request.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

Rewind = Callable[[], None]


class Body:
    """A request's body, looked at before its first use.

    Args:
        http: the HTTP library.
        stream: the request's stream, as the library made it.
    """

    def __init__(self, http: ModuleType, stream: object) -> None:
        self.unreplayable, self._rewind = _judge(http, stream)

    def rewind(self) -> None:
        """Make the body ready to be sent again, from where it began."""
        self._rewind()


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
