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
from anyio import to_thread
from anyio.lowlevel import current_token
from cryptography.hazmat.primitives.asymmetric import ec

from upstile.client._errors import ConfigurationError
from upstile.client._events import OnEvent
from upstile.client.adapters._body import Body
from upstile.client.adapters._response import aread_bounded, incoming, read_bounded
from upstile.client.adapters._transport import OwnTransport
from upstile.client.authority._discovery import Discovery
from upstile.client.flow._flow import Call, Flow, Send, Wait, flow
from upstile.client.flow._kept import KeepElevated, Kept, is_a_name
from upstile.client.flow._logins import Caller, TokenSource
from upstile.client.flow._proof_key import ProofKey
from upstile.client.flow._session import Interaction, Session
from upstile.client.flow._tokens import Tokens
from upstile.client.flow._trust import Pins
from upstile.client.methods import Method, Totp, WebAuthn
from upstile.client.prompts import Prompter, TerminalPrompter
from upstile.client.stores import EntryName, MemoryStore, Store
from upstile.protocol import INSUFFICIENT_USER_AUTHENTICATION, find_error, readable_challenges

STEP_UP = "upstile.step_up"
"""The request extension by which a call asks first."""
SIGNED = "upstile.signed"
"""The request extension that says for which request the headers were made; a redirect makes another one."""
ONCE = "upstile.once"
"""The request extension that says that the token serves this one call, by the name that the core has for it."""

_RETRY_COUNT = "x-stainless-retry-count"
"""The header in which the SDKs that Stainless generates (openai, anthropic) say how often they have retried a call."""
_ACTED_ON = frozenset({INSUFFICIENT_USER_AUTHENTICATION, "use_dpop_nonce", "invalid_dpop_proof", "invalid_token"})


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
        store: where the sign-in is kept; by default in this process, so that it ends with it.
        profile: which of several sign-ins in the store; a name that the app or its user chose.
        keep_elevated: whether what the person confirmed is kept in the store, too: for calls of the same terminal
            session, for 300 seconds at most, and never a token that serves once or is not bound. `"all"` keeps that of
            a security key as well, `False` nothing.
        methods: ways to prove oneself, in order of preference.
        prompter: asks the person; the terminal by default.
        issuer: the authorization server's issuer identifier; the API's origin by default.
        interaction: `never` raises `StepUpRequired` instead of asking.
        human_timeout: seconds that a person has for one ceremony.
        webauthn_origin: what WebAuthn client data names; the issuer's origin by default.
        on_event: is called with each `Event`.
        dpop_key: a P-256 private key that tokens are bound to; that of the store by default.
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
        store: Store | None = None,
        profile: str = "default",
        keep_elevated: KeepElevated = True,
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
        if store is not None and (token is not None or dpop_key is not None):
            raise ConfigurationError("a store keeps the sign-in and its key: leave token= and dpop_key= out")
        if not is_a_name(profile) or keep_elevated not in (True, False, "all"):
            raise ConfigurationError('profile is a printable name, keep_elevated True, False or "all"')
        pins = Pins.of(api, issuer)
        name = EntryName(api=pins.api, issuer=pins.issuer, client_id=client_id, profile=profile)
        kept = Kept(store=store or MemoryStore(), name=name, clock=clock, monotonic=monotonic, keep=keep_elevated)
        self.transport = OwnTransport(self.http, transport or {}, pins.api)
        self.session = Session(
            pins=pins,
            client_id=client_id,
            tokens=Tokens(token, kept, None if dpop_key is None else ProofKey(clock, dpop_key)),
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
        pump = _Pump(self.http, self.session, request, await self.awaited() if mine else None)
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

    async def awaited(self) -> Caller:
        """Who is signed in, in async code: a store may take its time."""
        tokens = self.session.tokens
        if not tokens.ready:
            await to_thread.run_sync(tokens.load)
        return await tokens.awaited()

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
        self, http: ModuleType, session: Session, request: Any, caller: Caller | None, *, blocks: bool = False
    ) -> None:
        self._request = request
        self._url = str(request.url)
        self._body = Body(http, request.stream)
        call = Call(
            method=request.method,
            url=self._url,
            caller=caller,
            unreplayable=self._body.unreplayable,
            step_up=request.extensions.get(STEP_UP),
            blocks=blocks,
            is_retry=request.headers.get(_RETRY_COUNT, "0") != "0",
        )
        self._session, self._key, self._name = session, caller and caller.key, call.name
        self._stepped_up = self._sent_token = False
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
            extensions[SIGNED] = id(self._request), self._key
        extensions[ONCE] = self._name if action.once else None
        self._sent_token = bool(action.headers)
        return self._request

    def acts_on(self, response: Any) -> bool:
        """Whether the call may go on after this response, so that its body must be out of the way."""
        if response.status_code != 401 or not self._session.pins.is_api(str(response.request.url)):
            return False
        challenges = response.headers.get_list("www-authenticate")
        if not challenges:  # lost on the way, or never there: the body tells
            return bool(response.headers.get("content-type", "").startswith("application/problem+json"))
        error = find_error(readable_challenges(challenges))
        return error in _ACTED_ON or (error is None and not self._sent_token)

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
