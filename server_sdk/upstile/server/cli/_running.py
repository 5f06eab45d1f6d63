"""Runs a command's work over an open store, and ends with one sentence where it fails."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import typer

from upstile.protocol import UpstileError
from upstile.server.authorization.enrolment._help_desk import HelpDesk
from upstile.server.cli._load import CannotLoad, load
from upstile.server.cli._operated import Operated

T = TypeVar("T")

PROBLEM = 1
"""The exit code where the work failed, or found something that must be done."""
CANNOT_BEGIN = 2
"""The exit code where options or the application are wrong."""


@contextmanager
def deployment(context: typer.Context) -> Generator[Operated]:
    """The deployment that the options name; an error in the block ends the command with a sentence."""
    with sentences():
        yield load(context.find_root().params.get("app"))


@contextmanager
def sentences() -> Generator[None]:
    """An error in the block ends the command with a sentence."""
    try:
        yield
    except CannotLoad as error:
        raise _ended(str(error), CANNOT_BEGIN) from None
    except UpstileError as error:
        raise _ended(str(error), PROBLEM) from None
    except KeyboardInterrupt:
        raise _ended("stopped; what was done stays done, and running it again does the rest", PROBLEM) from None


def opened(operated: Operated, work: Callable[[Operated], Awaitable[T]]) -> T:
    """Do some work with the durable store open, on a schema that fits: only `db upgrade` makes or changes one."""

    async def whole() -> T:
        store = operated.storage.durable
        await asyncio.to_thread(store.check_schema)
        await store.prepare()
        try:
            return await work(operated)
        finally:
            await store.aclose()

    return asyncio.run(whole())


def at_the_desk(operated: Operated, work: Callable[[HelpDesk], Awaitable[T]]) -> T:
    """Do some work for users with all stores open, on a schema that fits."""

    async def whole() -> T:
        await asyncio.to_thread(operated.storage.durable.check_schema)
        await operated.open()
        try:
            return await work(operated.help_desk)
        finally:
            await operated.aclose()

    return asyncio.run(whole())


def _ended(message: str, code: int) -> typer.Exit:
    sys.stderr.write(f"upstile-server: {message}\n")
    return typer.Exit(code)
