"""Waiting for a ceremony in an event loop: on asyncio and on trio."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import get_ident
from typing import Any

import anyio
from anyio.lowlevel import current_token


async def landed(future: "Future[Any]") -> None:
    """Wait until a ceremony is over, whatever came of it; giving up does not stop it. On asyncio and on trio."""
    over, here = anyio.Event(), get_ident()
    loop: Any = current_token().native_token
    soon: Callable[[Callable[[], None]], Any] = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

    def wake(_: object) -> None:
        if get_ident() == here:
            over.set()
            return
        with suppress(RuntimeError):  # the loop was closed meanwhile
            soon(over.set)

    future.add_done_callback(wake)
    await over.wait()
