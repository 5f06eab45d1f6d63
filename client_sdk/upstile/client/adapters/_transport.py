"""The core's own requests: to metadata documents and to the authorization server, the way that the app's calls go."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from inspect import signature
from threading import Lock, Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from upstile.client._errors import CeremonyFailed, StepUpCancelled
from upstile.client._exchange import ConnectionLost, Incoming, Outgoing
from upstile.client.adapters._response import aread_bounded, incoming, read_bounded
from upstile.client.adapters._waiting import run_in
from upstile.client.words import said

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

T = TypeVar("T")

_TIMEOUT = 10.0
_NEVER_SHARED = frozenset(
    {"authorization", "dpop", "cookie", "host", "connection", "content-length", "content-type", "transfer-encoding"}
    | {"accept", "accept-encoding", "upgrade", "te", "trailer"}
)
"""Header fields of the app's client that are about its own calls, or that are secrets of its login."""
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


class OwnTransport:
    """Reaches the authorization server through a client of its own, which is made when it is first needed.

    To make one takes as long as to import its library, and most runs of an app need none.

    An exchange as a whole takes no longer than connecting, sending and one reply may take by the time-outs, however
    slowly a server lets its reply drip: the time-outs of the library bound each piece.

    Args:
        http: the HTTP library.
        options: for its client, such as `verify`, `cert`, `proxy`, `trust_env`, `transport`.
        is_api: whether a URL is the API's: such requests carry the headers and cookies of the app's client, others do
            not.

    Attributes:
        loop: the event loop of the app, which a transport that can be awaited only is used in.
    """

    _client: Any
    _is_closed: bool
    _opening: Lock
    _process: int

    def __init__(self, http: ModuleType, options: Mapping[str, Any], is_api: Callable[[str], bool]) -> None:
        self._http, self._is_api = http, is_api
        self._options: dict[str, Any] = {"timeout": _TIMEOUT, **options, "follow_redirects": False}
        mounts: dict[str, Any] = dict(options.get("mounts") or {})
        if "transport" not in options:  # a proxy is never for this machine itself
            self._options["mounts"] = {**dict.fromkeys(_LOOPBACK), **mounts}
        self._owns_its_connections = "transport" not in options and not mounts
        self._longest = _longest(http, self._options["timeout"])
        self._app: ref[Any] | None = None
        self.awaits = any(_is_awaited(http, way) for way in (options.get("transport"), *mounts.values()))
        self.loop: EventLoopToken | None = None
        self._kind = http.AsyncClient if self.awaits else http.Client
        signature(self._kind).bind(**self._options)  # an option that there is not is an error at once
        self._forget()

    def goes_with(self, app: Any) -> None:
        """Send along what the app's client sends along, as it is by then."""
        self._app = ref(app)

    def send(self, request: Outgoing) -> Incoming:
        """Send and read, at most 64 KiB; raises `ConnectionLost`, also when it takes too long."""
        if self._process != os.getpid():  # forked: the connections are the parent's
            self._forget()
        try:
            response, raw = self._sent(request)
        except (self._http.TransportError, self._http.InvalidURL) as error:
            raise ConnectionLost from error
        except TimeoutError as error:
            self._let_go()
            raise ConnectionLost from error
        except RuntimeError as error:
            if self._is_closed:
                raise StepUpCancelled(**said("client-closed")) from error
            raise
        return incoming(response, request.url, raw, request.method)

    def close(self) -> None:
        """Close all connections; a transport that is awaited is the app's to close."""
        if self.awaits or self._process != os.getpid():
            return
        with self._opening:
            self._is_closed = True
            if self._client is not None:
                self._client.close()

    def _forget(self) -> None:
        self._client, self._is_closed = None, False
        self._opening, self._process = Lock(), os.getpid()

    def _opened(self) -> Any:
        with self._opening:
            if self._is_closed:
                raise StepUpCancelled(**said("client-closed"))
            if self._client is None:
                self._client = self._kind(**self._options)
            return self._client

    def _sent(self, request: Outgoing) -> tuple[Any, bytes]:
        headers = {**self._along(request.url), "accept-encoding": "identity", **dict(request.headers)}
        client = self._opened()
        outgoing = client.build_request(request.method, request.url, headers=headers, content=request.body)
        if not self.awaits:
            return _within(self._longest, lambda: self._blocking(client, outgoing))
        if self.loop is None:
            raise CeremonyFailed(**said("loop-only"))
        return run_in(self.loop, self._awaited, client, outgoing)

    def _blocking(self, client: Any, outgoing: Any) -> tuple[Any, bytes]:
        response = client.send(outgoing, stream=True)
        return response, read_bounded(self._http, response, forgiving=False)

    async def _awaited(self, client: Any, outgoing: Any) -> tuple[Any, bytes]:
        from anyio import fail_after

        with fail_after(self._longest):
            response = await client.send(outgoing, stream=True)
            return response, await aread_bounded(self._http, response)

    def _let_go(self) -> None:
        """Drop the connections of which one drips, so that whoever still reads from it stops; not those of the app."""
        if self._owns_its_connections:
            with self._opening:
                dripping, self._client = self._client, None
            if dripping is not None:
                dripping.close()

    def _along(self, url: str) -> dict[str, str]:
        """What the app's client sends to its API with every call, but for what is about its own calls."""
        app = self._app() if self._app is not None else None
        if app is None or not self._is_api(url):
            return {}
        headers = {name: value for name, value in app.headers.items() if name.lower() not in _NEVER_SHARED}
        jar = self._http.Request("GET", url, cookies=app.cookies).headers.get("cookie")
        return headers if jar is None else {**headers, "cookie": jar}


def _is_awaited(http: ModuleType, way: Any) -> bool:
    """Whether a transport can be awaited and nothing else."""
    return isinstance(way, http.AsyncBaseTransport) and not isinstance(way, http.BaseTransport)


def _longest(http: ModuleType, timeout: Any) -> float:
    """Seconds that an exchange may take from its first byte to its last."""
    known = http.Timeout(timeout)
    return sum(_TIMEOUT if part is None else part for part in (known.connect, known.write, known.read))


def _within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns; raises `TimeoutError` when it takes longer, and leaves it to itself."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            outcome = work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(outcome)

    Thread(target=run, name="upstile exchange", daemon=True).start()
    return done.result(seconds)
