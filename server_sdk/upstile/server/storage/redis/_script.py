"""The one script: compare what all keys hold with what was expected, then write, or say what they hold instead."""

from collections.abc import Mapping, Sequence
from hashlib import sha1

from upstile.server.storage._records import OneTimeKey, Record
from upstile.server.storage.redis._values import lifetime, live, packed

Command = tuple[str | bytes | int, ...]

# The first command that writes is the only one that Redis can refuse (memory full, read-only, too few replicas), so a
# refusal leaves nothing half written.
SCRIPT = """\
local found = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do
  if (found[i] or '') ~= ARGV[i] then return found end
end
for i = 1, #KEYS do
  local value, milliseconds = ARGV[#KEYS + 2 * i - 1], ARGV[#KEYS + 2 * i]
  if milliseconds == '0' then redis.call('DEL', KEYS[i])
  elseif milliseconds ~= '' then redis.call('SET', KEYS[i], value, 'PX', milliseconds) end
end
return 1
"""
_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
_LEAVE = (b"", b"")
_DELETE = (b"", b"0")

Write = tuple[bytes, bytes]
"""A value and its milliseconds."""


def changes(
    kept: Mapping[OneTimeKey, Record | None], found: Mapping[OneTimeKey, bytes], now: float
) -> dict[OneTimeKey, Write]:
    """What is to be written, without what is there already.

    What expired is not deleted: the decision did not see it, and it may mean "used" to a clock that is set back.
    """
    writes: dict[OneTimeKey, Write] = {}
    for key, record in kept.items():
        if record is None:
            if live(found[key], now) is not None:
                writes[key] = _DELETE
        elif (value := packed(record)) != found[key]:
            writes[key] = (value, b"%d" % lifetime(record, now))
    return writes


def compare_and_set(
    names: Sequence[str], found: Mapping[OneTimeKey, bytes], writes: Mapping[OneTimeKey, Write], *, whole: bool = False
) -> Command:
    """The command that runs the script.

    Args:
        names: the names in Redis of the keys of `found`, in their order.
        found: what the keys are expected to hold.
        whole: send the script itself, which Redis then remembers; otherwise only its hash.
    """
    run = ("EVAL", SCRIPT) if whole else ("EVALSHA", _SHA)
    wanted = (part for key in found for part in writes.get(key, _LEAVE))
    return (*run, len(names), *names, *found.values(), *wanted)
