"""State as JSON: dataclasses in, dataclasses out, read and written by pydantic's core."""

from typing import Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


class Json(Generic[T]):
    """Reads and writes one type of state. Members that have their default are left out.

    Args:
        kind: a dataclass.
    """

    def __init__(self, kind: type[T]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def read(self, value: bytes) -> T:
        """What `write` wrote, by this release or the one before it."""
        return self._adapter.validate_json(value)

    def write(self, state: T) -> bytes:
        """JSON without white space, on one line."""
        return self._adapter.dump_json(state, exclude_defaults=True)
