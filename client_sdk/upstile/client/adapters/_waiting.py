"""Waiting in async code, on asyncio and on trio: through anyio, which is imported when somebody first waits."""

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

T = TypeVar("T")


async def landed(future: "Future[Any]") -> None:
    """Wait until a ceremony is over, whatever came of it; giving up does not stop it."""
    import anyio

    over, here = anyio.Event(), get_ident()
    loop: Any = this_loop().native_token
    soon: Callable[[Callable[[], None]], Any] = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

    def wake(_: object) -> None:
        if get_ident() == here:
            over.set()
            return
        with suppress(RuntimeError):  # the loop was closed meanwhile
            soon(over.set)

    future.add_done_callback(wake)
    await over.wait()


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Do what blocks in a thread of its own."""
    from anyio import to_thread

    return await to_thread.run_sync(work, *arguments)


def this_loop() -> "EventLoopToken":
    """The event loop of the caller."""
    from anyio.lowlevel import current_token

    return current_token()


def run_in(loop: "EventLoopToken", work: Callable[..., Coroutine[Any, Any, T]], *arguments: object) -> T:
    """Have an event loop do something, from another thread, and wait for it."""
    from anyio import from_thread

    return from_thread.run(work, *arguments, token=loop)
