"""What an operator's load balancer asks: does this process answer, and should it be sent requests?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic as _monotonic

from upstile.server._http import HttpRequest, HttpResponse, json_response
from upstile.server._route import Route
from upstile.server.authorization._response import unavailable

_log = logging.getLogger("upstile.server")

GOOD_FOR = 1.0
"""Seconds for which one look at the stores answers whoever asks."""
LOOK_TAKES = 2.0
"""Seconds that the stores have to answer."""


class Health:
    """Whether this process is alive, and whether it is ready. Nobody is told why not; the log says it, once a change.

    Args:
        ping: asks each store whether it can be read; raises if not.
        monotonic: a clock in seconds that is never set.
    """

    def __init__(self, ping: Callable[[], Awaitable[None]], monotonic: Callable[[], float] = _monotonic) -> None:
        self._ping = ping
        self._monotonic = monotonic
        self._draining = False
        self._reachable: bool | None = None
        self._looked_at = 0.0
        self._look: asyncio.Task[bool] | None = None

    def begin(self) -> None:
        """The application starts, maybe not for the first time."""
        self._draining = False

    def drain(self) -> None:
        """The process was told to end: not ready from now on. Safe in a signal handler."""
        self._draining = True

    async def is_ready(self) -> bool:
        """Whether requests should come here. The stores are asked once a second and once at a time, whoever asks us."""
        if self._draining:
            return False
        now, loop = self._monotonic(), asyncio.get_running_loop()
        look = self._look
        if look is None or look.get_loop() is not loop or (look.done() and now - self._looked_at >= GOOD_FOR):
            self._looked_at = now
            look = self._look = loop.create_task(self._looked())
        # One caller that goes away must not cancel the look for the others.
        return await asyncio.shield(look) and not self._draining

    def routes(self, prefix: str) -> tuple[Route, ...]:
        """`/health/live` and `/health/ready` below the prefix; both answer while storage is away."""
        endpoints = {f"{prefix}/health/live": _live, f"{prefix}/health/ready": self._ready}
        return tuple(
            Route(path=path, endpoints={"GET": endpoint}, unavailable=unavailable, needs_storage=False)
            for path, endpoint in endpoints.items()
        )

    async def _ready(self, request: HttpRequest, _: Mapping[str, str]) -> HttpResponse:
        return json_response(200, {"status": "ready"}) if await self.is_ready() else _NOT_READY

    async def _looked(self) -> bool:
        why: Exception | None = None
        try:
            async with asyncio.timeout(LOOK_TAKES):
                await self._ping()
        except Exception as error:  # whatever it is, no request would be served
            why = error
        reachable, before = why is None, self._reachable
        self._reachable = reachable
        if why is not None and before is not False:
            _log.error("not ready: storage cannot be read", exc_info=why)
        elif why is None and before is False:
            _log.warning("ready again: storage can be read")
        return reachable


_NOT_READY = json_response(503, {"status": "not ready"})


async def _live(request: HttpRequest, _: Mapping[str, str]) -> HttpResponse:
    return json_response(200, {"status": "alive"})
