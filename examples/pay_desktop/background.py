"""Work that takes its time, such as calls of an API, away from the thread of Tk."""

import tkinter as tk
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_LOOK = 40
"""Milliseconds between two looks at what is done: other threads must not call Tk."""


class Background:
    """A thread for the app's calls; what comes of them is handed over in the thread of Tk.

    Args:
        widget: the app's window.
    """

    def __init__(self, widget: tk.Misc) -> None:
        self._widget = widget
        self._timer: str | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="calls")

    def run(self, work: Callable[[], T], done: Callable[["Future[T]"], None]) -> None:
        """Do `work` elsewhere, then call `done` here."""
        future = self._pool.submit(work)

        def look() -> None:
            if future.done():
                done(future)
            else:
                self._timer = self._widget.after(_LOOK, look)

        look()

    def close(self) -> None:
        """Begin nothing new, and hand nothing over any more."""
        if self._timer is not None:
            self._widget.after_cancel(self._timer)
        self._pool.shutdown(wait=False, cancel_futures=True)
