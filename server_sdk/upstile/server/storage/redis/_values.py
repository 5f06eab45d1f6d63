"""A record as Redis keeps it: eight bytes of expiry, one flag, the value.

The expiry stands in the value because the caller's clock judges it. Redis has a clock of its own, so its TTL only says
when the bytes may go; it is always a length of time (`PX`), never a date (`PXAT` with a date that Redis believes to be
past stores nothing, and what is used up would be forgotten at once).
"""

import math
import struct

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._records import Record

ABSENT = b""
"""What stands for a key that is not there; no packed record is empty."""
_HEAD = struct.Struct(">dB")
_MARGIN = 10.0
"""Seconds for which every record stays after its end: the clocks of two nodes differ a little."""


def packed(record: Record) -> bytes:
    """The bytes of a record."""
    return _HEAD.pack(record.expires_at, record.used) + record.value


def live(raw: bytes, now: float) -> Record | None:
    """The record in these bytes, if it has not expired by the caller's clock.

    Raises:
        StorageUnavailable: a later release wrote it, or something else did.
    """
    if raw == ABSENT:
        return None
    if len(raw) < _HEAD.size or raw[_HEAD.size - 1] > 1:
        raise StorageUnavailable(
            "a record in Redis is not in the format of this release: "
            "a newer release wrote it, or another program uses our keys"
        )
    expires_at, used = _HEAD.unpack_from(raw)
    if expires_at <= now:
        return None
    return Record(value=raw[_HEAD.size :], expires_at=expires_at, used=bool(used))


def lifetime(record: Record, now: float) -> int:
    """How long Redis keeps it (milliseconds, at least one)."""
    return max(1, math.ceil((record.kept_until - now + _MARGIN) * 1000))
