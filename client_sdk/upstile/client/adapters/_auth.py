"""Pumps the core's flow through the `Auth` of an HTTP library, for sync and async clients.

The library is a parameter: httpx and httpx2 have the same names, and a class of ours meets one of theirs in
`upstile.client._httpx` and `upstile.client.httpx2`.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import get_ident
from time import monotonic as _monotonic
from time import time
from types import ModuleType
from typing import Any, ClassVar, get_args

import anyio
from anyio.lowlevel import current_token
from cryptography.hazmat.primitives.asymmetric import ec

from upstile.client._errors import ConfigurationError
from upstile.client._events import OnEvent
from upstile.client.adapters._body import Body
from upstile.client.adapters._response import aread_bounded, incoming, read_bounded
from upstile.client.adapters._transport import OwnTransport
from upstile.client.authority._discovery import Discovery
from upstile.client.flow._flow import Call, Flow, Send, Wait, flow
from upstile.client.flow._proof_key import ProofKey
from upstile.client.flow._session import Interaction, Session
from upstile.client.flow._tokens import SignedIn, Tokens, TokenSource
from upstile.client.flow._trust import Pins
from upstile.client.methods import Method, Totp, WebAuthn
from upstile.client.prompts import Prompter, TerminalPrompter
from upstile.protocol import INSUFFICIENT_USER_AUTHENTICATION, find_error, readable_challenges

STEP_UP = "upstile.step_up"
"""The request extension by which a call asks first."""
SIGNED = "upstile.signed"
"""The request extension that says for which request the headers were made; a redirect makes another one."""
ONCE = "upstile.once"
"""The request extension that says that the token serves this one call."""

_ACTED_ON = frozenset({INSUFFICIENT_USER_AUTHENTICATION, "use_dpop_nonce", "invalid_dpop_proof"})


class StepUpFlow:
    """Step-up for a client of the library that exists: `httpx.Client(auth=StepUpAuth(...))`, sync or async.

    An `Auth` is not told when a request fails or is redirected. So where `Client` raises `OutcomeUnknown`, a
    plain client raises its own `TransportError`; and with `follow_redirects` it sends the used proof on to the next
    URL, where it is worthless, and from `http` to `https` of this machine the token.

    Args:
        api: the API's base URL; tokens go to its origin only.
        client_id: the app.
        token: the base token, a `BaseToken`, or a callable that returns one and may refresh it; it is called for each
            call, in the caller's thread, and may be an `async def` in async code. A `BaseToken` that names its
            `subject` keeps what that user has confirmed when it is refreshed.
        methods: ways to prove oneself, in order of preference.
        prompter: asks the person; the terminal by default.
        issuer: the authorization server's issuer identifier; the API's origin by default.
        interaction: `never` raises `StepUpRequired` instead of asking.
        human_timeout: seconds that a person has for one ceremony.
        webauthn_origin: what WebAuthn client data names; the issuer's origin by default.
        on_event: is called with each `Event`.
        dpop_key: a P-256 private key that tokens are bound to; a fresh one in memory by default.
        clock: the time in epoch seconds.
        transport: how the authorization server is reached: options for a `Client` of its own.
    """

    http: ClassVar[ModuleType]

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
        if interaction not in get_args(Interaction) or not human_timeout > 0:
            raise ConfigurationError("interaction is auto or never, human_timeout a number of seconds")
        chosen: list[Method] = [WebAuthn(), Totp()] if methods is None else list(methods)
        if any(isinstance(method, type) or not hasattr(method, "answer") for method in chosen):
            raise ConfigurationError("methods takes methods: [Totp(), WebAuthn()]")
        pins = Pins.of(api, issuer)
        self.transport = OwnTransport(self.http, transport or {}, pins.api)
        self.session = Session(
            pins=pins,
            client_id=client_id,
            key=ProofKey(clock, dpop_key),
            tokens=Tokens(token, monotonic),
            discovery=Discovery(pins, self.transport, monotonic),
            transport=self.transport,
            methods=chosen,
            prompter=prompter or TerminalPrompter(),
            webauthn_origin=webauthn_origin or pins.issuer,
            interaction=interaction,
            human_timeout=human_timeout,
            clock=clock,
            monotonic=monotonic,
            on_event=on_event,
        )

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Drive one call of a `Client`."""
        mine = self.session.pins.is_api(str(request.url))
        signed_in = self.session.tokens.current() if mine else None
        pump = _Pump(self.http, self.session, request, signed_in, blocks=True)
        try:
            while pump.action is not None:
                if isinstance(pump.action, Wait):
                    wait([pump.action.ticket.future])
                    pump.waited(pump.action)
                else:
                    response = yield pump.prepared(pump.action)
                    pump.received(response, read_bounded(self.http, response) if pump.acts_on(response) else b"")
        finally:
            pump.close()

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Drive one call of an `AsyncClient`."""
        self.is_in_loop()
        mine = self.session.pins.is_api(str(request.url))
        pump = _Pump(self.http, self.session, request, await self.session.tokens.awaited() if mine else None)
        try:
            while pump.action is not None:
                if isinstance(pump.action, Wait):
                    await landed(pump.action.ticket.future)
                    pump.waited(pump.action)
                else:
                    response = yield pump.prepared(pump.action)
                    pump.received(response, await aread_bounded(self.http, response) if pump.acts_on(response) else b"")
        finally:
            pump.close()

    def is_in_loop(self) -> None:
        """Note the event loop of the caller: a transport that can be awaited only is used in it."""
        if self.transport.awaits:
            self.transport.loop = current_token()

    def close(self) -> None:
        """Give back the connections to the authorization server."""
        self.session.close()
        self.transport.close()


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


class _Pump:
    """Carries the core's flow over one request of the library."""

    def __init__(
        self, http: ModuleType, session: Session, request: Any, signed_in: SignedIn | None, *, blocks: bool = False
    ) -> None:
        self._request = request
        self._url = str(request.url)
        self._body = Body(http, request.stream)
        call = Call(
            method=request.method,
            url=self._url,
            signed_in=signed_in,
            unreplayable=self._body.unreplayable,
            step_up=request.extensions.get(STEP_UP),
            blocks=blocks,
        )
        self._session = session
        self._stepped_up = self._elevated = False
        self._flow: Flow = flow(session, call)
        self.action: Send | Wait | None = next(self._flow)

    def prepared(self, action: Send) -> Any:
        """The request, ready to be sent as the flow says."""
        headers, extensions = self._request.headers, self._request.extensions
        if extensions.pop(SIGNED, None) is not None:  # these are ours, not the app's
            for name in ("Authorization", "DPoP"):
                headers.pop(name, None)
        if action.repeat:
            self._body.rewind()
        for name, value in action.headers:
            headers[name] = value
        if action.headers:
            extensions[SIGNED] = id(self._request)
        extensions[ONCE] = action.once
        self._elevated = action.elevated
        return self._request

    def acts_on(self, response: Any) -> bool:
        """Whether the call may go on after this response, so that its body must be out of the way."""
        if response.status_code != 401 or not self._session.pins.is_api(str(response.request.url)):
            return False
        challenges = response.headers.get_list("www-authenticate")
        if not challenges:  # lost on the way, or never there: the body tells
            return bool(response.headers.get("content-type", "").startswith("application/problem+json"))
        error = find_error(readable_challenges(challenges))
        return error in _ACTED_ON or (error == "invalid_token" and self._elevated)

    def received(self, response: Any, raw: bytes) -> None:
        """Hand a response on; the flow says what comes next."""
        # `raw`, because httpx would first guess the encoding of all headers.
        acted_on = response.status_code == 401 or b"dpop-nonce" in [name.lower() for name, _ in response.headers.raw]
        if not acted_on and not self._stepped_up:  # nothing in it for the core, as in nearly all responses
            self.action = None
            return
        answered = response.request
        url = self._url if answered is self._request else str(answered.url)
        found = incoming(response, url, raw, answered.method)
        self._next(lambda: self._flow.send(found))

    def waited(self, action: Wait) -> None:
        """Hand a ceremony's outcome on."""
        self._stepped_up = True
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
