"""What is checked when the store is opened: whether Redis may throw away what it was given to keep."""

import logging
from typing import cast

from upstile.server._errors import ConfigurationError
from upstile.server.storage.redis._address import Address

_log = logging.getLogger("upstile.server")


def policy_of(config: object, memory: object) -> str | None:
    """The eviction policy, from the answers to `CONFIG GET` and `INFO memory`; `None` where neither says it."""
    if isinstance(config, list) and len(pair := cast(list[bytes], config)) == 2:
        return pair[1].decode()
    told = cast(dict[str, object], memory).get("maxmemory_policy") if isinstance(memory, dict) else None
    return None if told is None else str(told)


def check_policy(policy: str | None, address: Address, *, warn: bool) -> bool:
    """Refuse a Redis that evicts; warn where it cannot be told. Whether it warned.

    Raises:
        ConfigurationError: with the command that changes it.
    """
    if policy is None and warn:
        _log.warning(
            "the Redis at %s does not say its maxmemory-policy (CONFIG and INFO are forbidden): make sure that it is "
            "noeviction, because a record that is evicted lets a used code in again",
            address.shown,
        )
    if policy not in (None, "noeviction"):
        raise ConfigurationError(
            f"the Redis at {address.shown} evicts records when its memory is full (maxmemory-policy {policy}), and a "
            f"record that is evicted lets a used code in again: run `{address.command} CONFIG SET maxmemory-policy "
            "noeviction`, and say the same in its redis.conf"
        )
    return policy is None
