"""SIGTERM, heard before the web server acts on it.

A server such as uvicorn stops accepting connections, waits for the answers in flight, and only then tells the
application (ASGI's lifespan shutdown). By then a load balancer has sent requests into the void. So the application
listens for itself, and hands on to who listened before.
"""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType


@contextmanager
def on_termination(tell: Callable[[], None]) -> Generator[None]:
    """Call `tell` at SIGTERM, then the handler that was there; inside, until the block ends.

    NOTE: nothing is heard where Python cannot: outside of the main thread, and where the web server has no handler of
    its own yet. uvicorn, alone or with `--workers`, and hypercorn have theirs before the application starts.

    Args:
        tell: takes no time and raises nothing.
    """
    before = signal.getsignal(signal.SIGTERM)
    if current_thread() is not main_thread() or not callable(before):
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        tell()
        before(number, frame)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is handle:  # otherwise somebody came after us, and hands on to us
            signal.signal(signal.SIGTERM, before)
