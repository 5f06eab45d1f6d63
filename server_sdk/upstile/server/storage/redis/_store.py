"""`RedisStore`: one-time state in Redis.

A phase is decided here and written by one script, if the keys still hold what was decided upon:

 1. guess what the keys hold: what was seen last, else nothing;
 2. decide, and send what was guessed and what is to be written;
 3. where the guess was wrong the script writes nothing and answers with what the keys hold: decide again upon that.

So a phase costs one round trip where the guess is right (new keys, or nobody was here since), otherwise two.
"""

import asyncio
import os
import random
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, TypeVar

from redis.exceptions import NoScriptError, ResponseError

from upstile.server._errors import ConfigurationError, StorageUnavailable
from upstile.server.storage._records import OneTimeKey, Record
from upstile.server.storage._stores import Decide, Kept, Rows, no_rows
from upstile.server.storage.redis._address import parse_address
from upstile.server.storage.redis._links import Link, Links
from upstile.server.storage.redis._refusals import RedisRefused, refusal
from upstile.server.storage.redis._script import Command, Write, changes, compare_and_set
from upstile.server.storage.redis._start import check_policy, policy_of
from upstile.server.storage.redis._values import ABSENT, live

T = TypeVar("T")

_TRIES = 50
_LONGEST_PAUSE = 0.02
_PROBE = OneTimeKey("probe")
_CONFIRM = "confirm"


class RedisStore:
    """A `OneTimeStore` in Redis 6.2 or later, for a deployment of several nodes.

    What Redis loses is accepted again: with `replicas=0` a primary that is lost within moments of a write takes that
    write with it, and one that restarts without `appendonly yes` forgets all of them. `replicas=1` gives no answer
    until a replica has what the answer rests on. All keys of a deployment lie in one slot, so in a Redis Cluster the
    URL names the node that holds it.

    NOTE: Valkey speaks the same protocol, but was not tested.

    Args:
        url: `redis://`, or `rediss://` with TLS; `wait_replicas` and `wait_ms` may stand in it as options.
        issuer: our issuer identifier; deployments of different issuers may share one Redis.
        replicas: how many replicas must confirm a write (`WAIT`) before it counts.
        wait_ms: for how long they may take (milliseconds).
        timeout: seconds for connecting, for each answer, for a free connection, and for one's turn at a record.
        connections: how many at most, for each event loop.

    Attributes:
        round_trips: how many there were so far, for tests and benchmarks.

    Raises:
        ConfigurationError: the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        issuer: str,
        *,
        replicas: int = 0,
        wait_ms: int = 100,
        timeout: float = 2.0,
        connections: int = 32,
    ) -> None:
        self._address = parse_address(url)
        self._replicas = replicas if self._address.replicas is None else self._address.replicas
        self._wait_ms = wait_ms if self._address.wait_ms is None else self._address.wait_ms
        if self._replicas < 0 or self._wait_ms < 1:
            raise ConfigurationError("replicas is 0 or more, and wait_ms 1 or more: WAIT takes 0 ms as forever")
        # All keys carry one tag in braces, so that a Redis Cluster keeps them together and takes the script.
        self._tag = f"{{upstile:{sha256(issuer.encode()).hexdigest()[:16]}}}"
        self._timeout = timeout
        self._links = Links(self._address, timeout + self._wait_ms / 1000 * bool(self._replicas), connections)
        self._prepared_by: int | None = None
        self._warned = False
        self.round_trips = 0

    async def prepare(self) -> None:
        """Check that Redis keeps what it is given, and that it takes the script.

        Raises:
            ConfigurationError: it evicts, refuses the user, or is the wrong node.
        """
        if self._prepared_by == os.getpid():
            return
        link = await self._links.here()
        try:
            config, memory = await self._send(link, [("CONFIG", "GET", "maxmemory-policy"), ("INFO", "memory")])
            self._warned |= check_policy(policy_of(config, memory), self._address, warn=not self._warned)
            probe = Record(value=secrets.token_bytes(8), expires_at=1.0)
            await self._update([_PROBE], lambda _: ({_PROBE: probe}, None), 0.0)
        except RedisRefused as refused:
            raise refused.at_start() from None
        self._prepared_by = os.getpid()

    async def get_many(self, keys: Sequence[OneTimeKey], now: float) -> dict[OneTimeKey, Record]:
        """The live records of these keys: one round trip."""
        link = await self._opened()
        wanted = list(dict.fromkeys(keys))
        return _live(await self._read(link, wanted), now) if wanted else {}

    async def update_many(
        self, keys: Sequence[OneTimeKey], decide: Decide[T], now: float, rows: Rows[T] = no_rows
    ) -> T:
        """Read, decide, write: one round trip or two, more only where another process was faster.

        The audit table is elsewhere, so there are no rows to write.

        Raises:
            StorageUnavailable: also where the answer of Redis was lost, or too few replicas confirmed in time. What
                was written may be there then, and it stays.
        """
        await self._opened()
        wanted = list(dict.fromkeys(keys))
        return await self._update(wanted, decide, now) if wanted else decide({})[1]

    async def ping(self) -> None:
        """Read one key."""
        await self._read(await self._opened(), [_PROBE])

    async def time(self) -> float | None:
        """The time by the clock of Redis."""
        (told,) = await self._send(await self._opened(), [("TIME",)])
        seconds, microseconds = map(int, told)
        return seconds + microseconds / 1e6

    def tidy(self, now: float) -> None:
        """Nothing: Redis sweeps by itself."""

    async def aclose(self) -> None:
        """Close all connections."""
        self._prepared_by = None
        await self._links.aclose()

    async def _opened(self) -> Link:
        if self._prepared_by is None:
            raise StorageUnavailable("the Redis store is closed, or was not prepared")
        return await self._links.here()

    async def _update(self, keys: list[OneTimeKey], decide: Decide[T], now: float) -> T:
        link = await self._links.here()
        async with link.turns.of(keys):
            raw, guessed = link.last_seen(keys), True
            for tried in range(_TRIES):
                if tried > 1:
                    await asyncio.sleep(_pause(tried))
                try:
                    kept, result = decide(_live(raw, now))
                except Exception:
                    if not guessed:
                        raise
                    raw, guessed = await self._read(link, keys), False
                    continue
                writes = _writes(kept, raw, now)
                if not (writes or guessed or self._replicas):
                    return result
                found = await self._compare_and_set(link, raw, writes)
                if found is None:
                    link.note({key: value for key, (value, _) in writes.items()})
                    return result
                raw, guessed = found, False
                link.note(raw)
        raise StorageUnavailable(f"a record was changed by others {_TRIES} times in a row: try again")

    async def _read(self, link: Link, keys: list[OneTimeKey]) -> dict[OneTimeKey, bytes]:
        (values,) = await self._send(link, [("MGET", *self._names(keys))])
        self._check(values)
        raw = _raw(keys, values)
        link.note(raw)
        return raw

    async def _compare_and_set(
        self, link: Link, raw: dict[OneTimeKey, bytes], writes: dict[OneTimeKey, Write]
    ) -> dict[OneTimeKey, bytes] | None:
        """`None` when all keys held what was expected and the writes are done, otherwise what they hold."""
        names = self._names(raw)
        answers = await self._send(link, self._confirmed(compare_and_set(names, raw, writes), writes))
        if isinstance(answers[0], NoScriptError):
            # A restarted or promoted Redis does not know the script, and has not run it.
            whole = compare_and_set(names, raw, writes, whole=True)
            answers = await self._send(link, self._confirmed(whole, writes))
        for answer in answers:
            self._check(answer)
        if answers[0] != 1:
            return _raw(list(raw), answers[0])
        if self._replicas and answers[-1] < self._replicas:
            raise StorageUnavailable(
                f"{answers[-1]} of {self._replicas} replicas of the Redis at {self._address.shown} confirmed a write "
                f"within {self._wait_ms} ms; it stays, but nothing may rest on it yet"
            )
        return None

    def _confirmed(self, command: Command, writes: dict[OneTimeKey, Write]) -> list[Command]:
        """The command, and with it, on the same connection, the wait for replicas.

        WAIT waits for what its own connection wrote; on another one it answers at once. A decision that writes nothing
        rests on what others wrote, which may not be confirmed yet, so a write of no meaning goes before its WAIT.
        """
        if not self._replicas:
            return [command]
        mark: list[Command] = [] if writes else [("SET", self._name(_CONFIRM), b"", "PX", 60_000)]
        return [command, *mark, ("WAIT", self._replicas, self._wait_ms)]

    async def _send(self, link: Link, commands: list[Command]) -> list[Any]:
        self.round_trips += 1
        return await link.send(commands)

    def _check(self, answer: object) -> None:
        if isinstance(answer, ResponseError):
            raise refusal(answer, self._address.shown, self._timeout) from None

    def _name(self, key: str) -> str:
        return f"{self._tag}:{key}"

    def _names(self, keys: Sequence[OneTimeKey] | dict[OneTimeKey, bytes]) -> list[str]:
        return [self._name(key) for key in keys]


def _raw(keys: list[OneTimeKey], values: list[bytes | None]) -> dict[OneTimeKey, bytes]:
    return {key: value or ABSENT for key, value in zip(keys, values, strict=True)}


def _live(raw: dict[OneTimeKey, bytes], now: float) -> dict[OneTimeKey, Record]:
    return {key: record for key, value in raw.items() if (record := live(value, now)) is not None}


def _writes(kept: Kept, raw: dict[OneTimeKey, bytes], now: float) -> dict[OneTimeKey, Write]:
    if not kept.keys() <= raw.keys():
        raise RuntimeError("a decision may write only keys that update_many was called with")
    return changes(kept, raw, now)


def _pause(tried: int) -> float:
    return random.uniform(0, min(0.001 * 2**tried, _LONGEST_PAUSE))  # noqa: S311 - two nodes must not stay in step
