"""The keys of an issuer as they are now: read at start, again from time to time, and when a token names an unknown one.

Whoever needs a look waits for the same one, for less than a second. The look itself runs in a thread of its own: so it
ends, whatever becomes of the event loop that asked for it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic
from typing import Any

from upstile.protocol import UpstileError
from upstile.server._errors import IssuerUnavailable
from upstile.server.resource.tokens._keys import VerificationKeys

REFRESHED_AFTER = 300.0
"""Seconds after which the keys are read again; so long the tokens of a withdrawn key go on."""
RETRIED_AFTER = 5.0
"""Seconds after which a look that failed is made again."""
WINDOW = 10.0
"""Seconds in which keys are looked for `LOOKS` times at most, whatever tokens name."""
LOOKS = 2
PATIENCE = 0.8
"""Seconds that a call waits for a look."""
FORGOTTEN_AFTER = 20.0
"""Seconds after which a look that has not ended never will: its process was forked, or frozen."""
_LONGEST_KID = 256
_MISSING = 1000
_NO_KEYS = VerificationKeys([], may_be_empty=True)

_log = logging.getLogger("upstile.server")

JWKS = Sequence[Mapping[str, Any]]


class IssuerKeys:
    """Keeps the keys of one issuer.

    Args:
        identifier: the issuer, for the log.
        read: reads its JWK Set; raises `UpstileError`.
        elapsed: seconds that only go forward.
    """

    def __init__(
        self, identifier: str, read: Callable[[], Awaitable[JWKS]], elapsed: Callable[[], float] = monotonic
    ) -> None:
        self._identifier = identifier
        self._read = read
        self._elapsed = elapsed
        self._keys = _NO_KEYS
        self._jwks: JWKS | None = None
        self._lock = Lock()
        self._flight: Future[None] | None = None
        self._began: deque[float] = deque(maxlen=LOOKS)
        self._missing: dict[str, float] = {}
        self._due = 0.0
        self._failing = False

    def current(self) -> VerificationKeys:
        """The keys as of the last look that succeeded; another object only where they are others."""
        return self._keys

    @property
    def are_known(self) -> bool:
        """Whether they were ever read."""
        return self._jwks is not None

    async def first(self) -> None:
        """Read them for the first time.

        Raises:
            UpstileError: they cannot be had.
        """
        if not self.are_known:
            await asyncio.shield(asyncio.wrap_future(self._look()))

    async def look(self, kid: str, now: float) -> bool:
        """Look for a key that a token names; whether it is known from now on.

        Raises:
            IssuerUnavailable: nobody can tell now whether the issuer has such a key.
        """
        if len(kid) > _LONGEST_KID or self._was_missing(kid):
            return False
        if not self._keys.has(kid):
            await self._wait_for_look()
        if self._keys.has(kid):
            return True
        if len(self._missing) >= _MISSING:
            self._missing.clear()
        self._missing[kid] = self._elapsed() + WINDOW
        return False

    def forked(self) -> None:
        """Be usable in a forked process, whoever held the lock in its parent; a look under way is not ours."""
        self._lock = Lock()
        self._flight = None

    def tick(self) -> None:
        """Look again if it is time. For a thread: it waits."""
        if self._elapsed() < self._due:
            return
        with suppress(UpstileError, TimeoutError):  # the log has it
            self._look().result(FORGOTTEN_AFTER)

    async def _wait_for_look(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(asyncio.wrap_future(self._look()))
        except TimeoutError:
            raise IssuerUnavailable(f"the keys of {self._identifier} are still being read") from None
        except IssuerUnavailable:
            raise
        except UpstileError as error:
            raise IssuerUnavailable(str(error)) from error

    def _was_missing(self, kid: str) -> bool:
        return self._missing.get(kid, 0.0) > self._elapsed()

    def _look(self) -> "Future[None]":
        """The look under way, or a new one.

        Raises:
            IssuerUnavailable: there were enough of them lately.
        """
        with self._lock:
            now, flight = self._elapsed(), self._flight
            if flight is not None and not flight.done() and now - self._began[-1] < FORGOTTEN_AFTER:
                return flight
            if len(self._began) == LOOKS and now - self._began[0] < WINDOW:
                raise IssuerUnavailable(f"the keys of {self._identifier} were looked for just now")
            self._began.append(now)
            flight = self._flight = Future()
        Thread(target=self._run, args=(flight,), name="upstile issuer keys", daemon=True).start()
        return flight

    def _run(self, flight: "Future[None]") -> None:
        try:
            self._take(asyncio.run(_as_coroutine(self._read)))
        except Exception as error:
            self._due = self._elapsed() + RETRIED_AFTER
            self._tell(error)
            known = error if isinstance(error, UpstileError) else IssuerUnavailable(f"{type(error).__name__}: {error}")
            flight.set_exception(known)
        else:
            self._due = self._elapsed() + REFRESHED_AFTER
            self._tell(None)
            flight.set_result(None)

    def _take(self, jwks: JWKS) -> None:
        if jwks == self._jwks:
            return
        # NOTE: a set without a key for us is an error at the start. Later the issuer says that its keys are no more.
        self._keys = VerificationKeys(jwks, may_be_empty=self.are_known)
        self._jwks = jwks
        if self._keys.is_empty:
            _log.error("the issuer %s publishes no key that can be used: its tokens are refused", self._identifier)

    def _tell(self, error: Exception | None) -> None:
        """Once a change."""
        if error is not None and not self._failing:
            unexpected = None if isinstance(error, UpstileError) else error
            _log.error("the keys of the issuer %s cannot be read: %s", self._identifier, error, exc_info=unexpected)
        elif error is None and self._failing:
            _log.warning("the keys of the issuer %s can be read again", self._identifier)
        self._failing = error is not None


async def _as_coroutine(read: Callable[[], Awaitable[JWKS]]) -> JWKS:
    return await read()
