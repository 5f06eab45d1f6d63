"""Calls what the application gave us: a coroutine function on the event loop, a plain one in a thread of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from threading import Thread
from traceback import walk_tb
from typing import Any, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


class Hook(Generic[P, T]):
    """A function of the application's. Called, it neither blocks the event loop nor takes others' threads.

    Args:
        function: the application's.
        name: what its threads are called.
    """

    def __init__(self, function: Callable[P, Awaitable[T] | T], name: str) -> None:
        self._function = function
        self._name = name
        self._on_loop = iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns, or raises."""
        called = partial(self._function, *args, **kwargs)
        returned: Any = called() if self._on_loop else await _in_thread(called, self._name)
        if isawaitable(returned):  # a plain function may return what a coroutine function does
            returned = await returned
        return cast(T, returned)


async def _in_thread(function: Callable[[], Any], name: str) -> Any:
    """What a function returns. Its thread is no other work's, and keeps no process from ending."""
    loop = asyncio.get_running_loop()
    returned: asyncio.Future[Any] = loop.create_future()

    def settle(error: Exception | None, value: Any) -> None:
        if not returned.done():
            returned.set_result(value) if error is None else returned.set_exception(error)

    def run() -> None:
        error, value = None, None
        try:
            value = function()
        except Exception as raised:
            error = raised
        with suppress(RuntimeError):  # nobody waits any more: the event loop is closed
            loop.call_soon_threadsafe(settle, error, value)

    Thread(target=run, name=name, daemon=True).start()
    return await returned


def kind_and_place(error: Exception) -> str:
    """What kind of error it is, and the last line of code that it went through; nothing of what it says."""
    place = "nowhere"
    for frame in walk_tb(error.__traceback__):
        place = f"{frame[0].f_code.co_filename}, line {frame[1]}"
    return f"{type(error).__name__} in {place}"
