"""State as JSON: dataclasses in, dataclasses out, read and written by pydantic's core."""

from typing import Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")
_REMEMBERED = 1 << 20
"""Bytes of JSON whose reading is remembered, for each type."""


class Json(Generic[T]):
    """Reads and writes one type of state. Members that have their default are left out.

    What was read or written lately is not read again: most of what a request reads, the one before it wrote.

    Args:
        kind: a frozen dataclass; nobody changes the mappings in it.
    """

    def __init__(self, kind: type[T]) -> None:
        adapter: TypeAdapter[T] = TypeAdapter(kind)
        # Their own methods: those of the adapter pass a dozen options on, which takes longer than a small state itself.
        self._written = adapter.serializer.to_json
        self._validated = adapter.validator.validate_json
        self._lately: dict[bytes, T] = {}
        self._size = 0

    def read(self, value: bytes) -> T:
        """What `write` wrote, by this release or the one before it."""
        state = self._lately.get(value)
        return self._remember(value, self._validated(value)) if state is None else state

    def write(self, state: T) -> bytes:
        """JSON without white space, on one line."""
        value = self._written(state, exclude_defaults=True)
        self._remember(value, state)
        return value

    def _remember(self, value: bytes, state: T) -> T:
        if self._size >= _REMEMBERED:
            self._lately, self._size = {}, 0
        self._lately[value] = state
        self._size += len(value)
        return state
