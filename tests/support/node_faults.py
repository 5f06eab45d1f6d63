"""Ends or stops a node's own process at a known place: at a call of a method of its stores."""

import functools
import os
import signal
from typing import Any, Literal

from pydantic import BaseModel

from upstile.server.storage import TwoStores
from upstile.server.storage.postgresql import PostgresStore
from upstile.server.storage.redis import RedisStore
from upstile.server.storage.sqlite import SqliteStore

_STORES: dict[str, type[Any]] = {store.__name__: store for store in (PostgresStore, RedisStore, SqliteStore, TwoStores)}


class Fault(BaseModel):
    """Where a process ends.

    Attributes:
        store, method: the method of a class of stores.
        when: before it did anything, or after all that it does.
        call: at which call from now on.
        how: `SIGKILL` ends the process, `SIGSTOP` stops it.
    """

    store: str
    method: str
    when: Literal["before", "after"]
    call: int = 1
    how: Literal["SIGKILL", "SIGSTOP"] = "SIGKILL"


def arm(fault: Fault) -> None:
    """Have it happen to this process."""
    store = _STORES[fault.store]
    original = getattr(store, fault.method)
    left = fault.call

    @functools.wraps(original)
    async def faulty(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        is_it = left == 0
        if is_it and fault.when == "before":
            _strike(fault)
        result = await original(*arguments, **named)
        if is_it and fault.when == "after":
            _strike(fault)
        return result

    setattr(store, fault.method, faulty)


def _strike(fault: Fault) -> None:
    os.kill(os.getpid(), signal.Signals[fault.how])
