"""The adapter for httpx: pumps the core's flow through `httpx.Auth`, for sync and async clients."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from concurrent.futures import wait
from time import monotonic as _monotonic
from time import time
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from upstile.client._discovery import Discovery
from upstile.client._events import OnEvent
from upstile.client._exchange import ConnectionLost, Incoming, Outgoing, lowered
from upstile.client._flow import Call, Flow, Send, Wait, flow
from upstile.client._httpx_body import Body
from upstile.client._proof_key import ProofKey
from upstile.client._session import Interaction, Session
from upstile.client._tokens import Tokens, TokenSource
from upstile.client._trust import Pins
from upstile.client.methods import Method, Totp, WebAuthn
from upstile.client.prompts import Prompter, TerminalPrompter
from upstile.protocol import INSUFFICIENT_USER_AUTHENTICATION, find_error, readable_challenges

STEP_UP = "upstile.step_up"
"""The request extension by which a call asks first."""
SIGNED = "upstile.signed"
"""The request extension that says for which request the headers were made; a redirect makes another one."""
ONCE = "upstile.once"
"""The request extension that says that the token serves this one call."""

_MAX_BODY = 65_536
_MAX_SECONDS = 5.0
_TIMEOUT = 10.0
_ACTED_ON = frozenset({INSUFFICIENT_USER_AUTHENTICATION, "use_dpop_nonce"})


class StepUpAuth(httpx.Auth):
    """Step-up for an httpx client that exists: `httpx.Client(auth=StepUpAuth(...))`, sync or async.

    An `httpx.Auth` is not told when a request fails or is redirected. So where `Client` raises `OutcomeUnknown`, a
    plain client raises its own `TransportError`; and with `follow_redirects` it sends the used proof on to the next
    URL, where it is worthless.

    Args:
        api: the API's base URL; tokens go to its origin only.
        client_id: the app.
        token: the base token, a `BaseToken`, or a callable that returns one and may refresh it.
        methods: ways to prove oneself, in order of preference.
        prompter: asks the person; the terminal by default.
        issuer: the authorization server's issuer identifier; the API's origin by default.
        interaction: `never` raises `StepUpRequired` instead of asking.
        human_timeout: seconds that a person has for one ceremony.
        webauthn_origin: what WebAuthn client data names; the issuer's origin by default.
        on_event: is called with each `Event`.
        dpop_key: a P-256 private key that tokens are bound to; a fresh one in memory by default.
        clock: the time in epoch seconds.
        transport: how the authorization server is reached: options for an `httpx.Client` of its own.
    """

    def __init__(
        self,
        api: str,
        *,
        client_id: str,
        token: TokenSource = None,
        methods: Sequence[Method] | None = None,
        prompter: Prompter | None = None,
        issuer: str | None = None,
        interaction: Interaction = "auto",
        human_timeout: float = 300.0,
        webauthn_origin: str | None = None,
        on_event: OnEvent | None = None,
        dpop_key: ec.EllipticCurvePrivateKey | None = None,
        clock: Callable[[], float] = time,
        monotonic: Callable[[], float] = _monotonic,
        transport: dict[str, Any] | None = None,
    ) -> None:
        pins = Pins.of(api, issuer)
        self._transport = HttpxTransport(transport or {})
        self.session = Session(
            pins=pins,
            client_id=client_id,
            key=ProofKey(clock, dpop_key),
            tokens=Tokens(token, clock, monotonic),
            discovery=Discovery(pins, self._transport, monotonic),
            transport=self._transport,
            methods=[WebAuthn(), Totp()] if methods is None else methods,
            prompter=prompter or TerminalPrompter(),
            webauthn_origin=webauthn_origin or pins.issuer,
            interaction=interaction,
            human_timeout=human_timeout,
            clock=clock,
            monotonic=monotonic,
            on_event=on_event,
        )

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Drive one call of an `httpx.Client`."""
        pump = _Pump(self.session, request)
        try:
            while pump.action is not None:
                if isinstance(pump.action, Wait):
                    wait([pump.action.ticket.future])
                    pump.waited(pump.action)
                else:
                    response = yield pump.prepared(pump.action)
                    pump.received(response, _read_bounded(response) if _acted_on(response) else b"")
        finally:
            pump.close()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Drive one call of an `httpx.AsyncClient` (asyncio)."""
        pump = _Pump(self.session, request)
        try:
            while pump.action is not None:
                if isinstance(pump.action, Wait):
                    await asyncio.wait([asyncio.wrap_future(pump.action.ticket.future)])
                    pump.waited(pump.action)
                else:
                    response = yield pump.prepared(pump.action)
                    pump.received(response, await _aread_bounded(response) if _acted_on(response) else b"")
        finally:
            pump.close()

    def close(self) -> None:
        """Give back the connections to the authorization server."""
        self._transport.close()


class _Pump:
    """Carries the core's flow over one httpx request."""

    def __init__(self, session: Session, request: httpx.Request) -> None:
        self._request = request
        self._url = str(request.url)
        self._body = Body(request.stream)
        call = Call(
            method=request.method,
            url=self._url,
            unreplayable=self._body.unreplayable,
            step_up=request.extensions.get(STEP_UP),
        )
        self._flow: Flow = flow(session, call)
        self.action: Send | Wait | None = next(self._flow)

    def prepared(self, action: Send) -> httpx.Request:
        """The request, ready to be sent as the flow says."""
        headers = self._request.headers
        if action.repeat or not action.headers:
            for name in ("Authorization", "DPoP"):
                headers.pop(name, None)
        if action.repeat:
            self._body.rewind()
        for name, value in action.headers:
            headers[name] = value
        self._request.extensions[SIGNED] = id(self._request)
        self._request.extensions[ONCE] = action.once
        return self._request

    def received(self, response: httpx.Response, raw: bytes) -> None:
        """Hand a response on; the flow says what comes next."""
        status = response.status_code
        url = self._url if response.request is self._request else str(response.request.url)
        # The core acts on nothing else; `raw`, because httpx would first guess the encoding of all headers.
        acted_on = status == 401 or b"dpop-nonce" in [name.lower() for name, _ in response.headers.raw]
        incoming = _incoming(response, url, raw) if acted_on else Incoming(status=status, url=url)
        self._next(lambda: self._flow.send(incoming))

    def waited(self, action: Wait) -> None:
        """Hand a ceremony's outcome on."""
        future = action.ticket.future
        error = future.exception()
        if error is not None:
            self._next(lambda: self._flow.throw(error))
        else:
            self._next(lambda: self._flow.send(future.result()))

    def close(self) -> None:
        """End the flow, wherever it is: a ticket that it holds is given back."""
        self._flow.close()

    def _next(self, step: Callable[[], Send | Wait]) -> None:
        try:
            self.action = step()
        except StopIteration:
            self.action = None


class HttpxTransport:
    """Reaches the authorization server through an httpx client of its own.

    Args:
        options: for `httpx.Client`, such as `verify`, `cert`, `proxy`, `trust_env`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        chosen: dict[str, Any] = {"timeout": _TIMEOUT, **options, "follow_redirects": False}
        self._client = httpx.Client(**chosen)

    def send(self, request: Outgoing) -> Incoming:
        """Send and read, at most 64 KiB."""
        headers = {"accept-encoding": "identity", **dict(request.headers)}
        try:
            outgoing = self._client.build_request(request.method, request.url, headers=headers, content=request.body)
            response = self._client.send(outgoing, stream=True)
            raw = _read_bounded(response)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ConnectionLost from error
        return _incoming(response, request.url, raw)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _incoming(response: httpx.Response, url: str, raw: bytes) -> Incoming:
    """A response for the core; an encoded body is no body: it could unfold without bound."""
    headers = lowered(response.headers.multi_items())
    body = b"" if "content-encoding" in response.headers else raw
    return Incoming(status=response.status_code, url=url, headers=headers, body=body)


def _acted_on(response: httpx.Response) -> bool:
    """Whether the core will answer this response with another request, so that its body must be out of the way."""
    if response.status_code != 401:
        return False
    return find_error(readable_challenges(response.headers.get_list("www-authenticate"))) in _ACTED_ON


def _read_bounded(response: httpx.Response) -> bytes:
    """The raw body, unless it is too large or too slow; then nothing, and the connection is dropped."""
    if response.is_stream_consumed:
        return response.content
    end, body = _monotonic() + _MAX_SECONDS, bytearray()
    try:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > _MAX_BODY or _monotonic() > end:
                body.clear()
                break
    finally:
        response.close()
    return _put_back(response, bytes(body))


async def _aread_bounded(response: httpx.Response) -> bytes:
    if response.is_stream_consumed:
        return response.content
    end, body = _monotonic() + _MAX_SECONDS, bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_BODY or _monotonic() > end:
                body.clear()
                break
    finally:
        await response.aclose()
    return _put_back(response, bytes(body))


def _put_back(response: httpx.Response, body: bytes) -> bytes:
    """Let the response be read again, by httpx itself or by the app, from what was kept."""
    response.stream = httpx.ByteStream(body)
    response.is_stream_consumed = False
    response.is_closed = False
    return body
