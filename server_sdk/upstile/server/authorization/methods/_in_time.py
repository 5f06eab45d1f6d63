"""A method asks elsewhere: the application's hooks, services of others. That may break, and may take for ever."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from upstile.server._errors import ConfigurationError, StorageUnavailable
from upstile.server._hook import kind_and_place

T = TypeVar("T")
WITHIN = 5.0
"""Seconds that a request waits for a method: less than a claim holds."""
_log = logging.getLogger("upstile.server")


class MethodFailed(Exception):
    """A method broke, or took too long."""


async def in_time(waiting: Awaitable[T], method: str, doing: str, *, verdicts: tuple[type[Exception], ...] = ()) -> T:
    """What a method says, if it says it in time.

    Args:
        waiting: what it was asked.
        method: its name.
        doing: what for, for the log.
        verdicts: what the method may raise to say something.

    Raises:
        MethodFailed: it breaks or hangs.
        StorageUnavailable, ConfigurationError: as the method raises them; `verdicts` too.
    """
    passes: tuple[type[Exception], ...] = (*verdicts, StorageUnavailable, ConfigurationError)
    try:
        async with asyncio.timeout(WITHIN):
            return await waiting
    except passes:  # what the method says, and what everything stands on
        raise
    except Exception as error:
        # NOTE: not what the error says: that may quote the password, as some HTTP libraries quote URLs.
        _log.error("the method %s failed to %s: %s", method, doing, kind_and_place(error))
        raise MethodFailed from error
