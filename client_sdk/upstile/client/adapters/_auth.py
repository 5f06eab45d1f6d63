"""Pumps the core's flow through the `Auth` of an HTTP library, for sync and async clients.

The library is a parameter: httpx and httpx2 have the same names, and a class of ours meets one of theirs in
`upstile.client._httpx` and `upstile.client.httpx2`.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import wait
from time import monotonic as _monotonic
from time import time
from types import ModuleType
from typing import Any, ClassVar, get_args

from cryptography.hazmat.primitives.asymmetric import ec

from upstile.client._errors import ConfigurationError
from upstile.client._events import OnEvent
from upstile.client._exchange import origin_of
from upstile.client.adapters._body import OnUnreplayable, checked_limit
from upstile.client.adapters._pump import REFUSED, SIGNED, STEP_UP, Pump, bearing
from upstile.client.adapters._response import aread_bounded, read_bounded
from upstile.client.adapters._spool import SPOOL_LIMIT
from upstile.client.adapters._transport import OwnTransport
from upstile.client.adapters._waiting import in_thread, landed, this_loop
from upstile.client.adapters.verbs._ahead import Elevated, Names, for_block
from upstile.client.authority._discovery import Discovery
from upstile.client.authority.browser._settings import BY_DEFAULT, Browser
from upstile.client.flow._call import Wait
from upstile.client.flow._elevation import innermost
from upstile.client.flow._session import Interaction, Session
from upstile.client.flow._trust import Pins, checked_origin
from upstile.client.flow.tokens._kept import KeepElevated, Kept, is_a_name
from upstile.client.flow.tokens._logins import Caller, TokenSource
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.flow.tokens._tokens import Tokens
from upstile.client.methods import Method, Otp, Password, RecoveryCode, Totp, WebAuthn
from upstile.client.prompts import Prompter, TerminalPrompter
from upstile.client.stores import EntryName, MemoryStore, Store
from upstile.protocol import Requirement


class StepUpFlow:
    """Step-up for a client of the library that exists: `httpx.Client(auth=StepUpAuth(...))`, sync or async.

    An `Auth` is not told when a request fails or is redirected. So where `Client` raises `OutcomeUnknown`, a
    plain client raises its own `TransportError`; and with `follow_redirects` it sends the used proof on to the next
    URL, where it is worthless, and from `http` to `https` of this machine the token.

    Args:
        api: the API's base URL; tokens go to its origin only, and where it has a path, only below that.
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
        browser: how people confirm at the login page of an `issuer` that has no ceremony for apps; `None` forbids it.
        prompter: asks the person; the terminal by default.
        issuer: the authorization server's issuer identifier; the API's base URL by default.
        sign_in_at: the issuer at which people sign in, where that is another one than `issuer`: a company's identity
            provider signs them in, and the API's own server has them confirm.
        interaction: `auto` asks unless something that the person has confirmed still serves; `never` raises
            `StepUpRequired` instead of asking; `required` asks for every call that needs a confirmation and shares it
            with no other call, kept or waiting, except in a block of `elevated()` (as `prompt=login` does, OpenID
            Connect Core §3.1.2.1). What is asked of the server is the same: a call that it must serve once is
            one with `max_age=0`.
        on_unreplayable: what becomes of a body that can be read once, such as a generator or a pipe. `error` raises
            `UnreplayableBody` where the call would have to be repeated. `spool` keeps it while it is sent, for the call
            to be repeated with: beyond 64 KiB in a temporary file without a name, which no end of the call leaves
            behind. A longer body than `spool_limit` goes out all the same, and is that error if a challenge comes.
        spool_limit: bytes that `spool` keeps of one body: 64 MiB by default.
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
        browser: Browser | None = BY_DEFAULT,
        prompter: Prompter | None = None,
        issuer: str | None = None,
        sign_in_at: str | None = None,
        interaction: Interaction = "auto",
        on_unreplayable: OnUnreplayable = "error",
        spool_limit: int = SPOOL_LIMIT,
        human_timeout: float = 300.0,
        webauthn_origin: str | None = None,
        on_event: OnEvent | None = None,
        dpop_key: ec.EllipticCurvePrivateKey | None = None,
        clock: Callable[[], float] = time,
        monotonic: Callable[[], float] = _monotonic,
        transport: dict[str, Any] | None = None,
    ) -> None:
        if interaction not in get_args(Interaction) or not human_timeout > 0:
            raise ConfigurationError("interaction is auto, never or required, human_timeout a number of seconds")
        self.spool_limit = checked_limit(on_unreplayable, spool_limit)
        chosen = _all_methods() if methods is None else list(methods)
        if any(isinstance(method, type) or not hasattr(method, "answer") for method in chosen):
            raise ConfigurationError("methods takes methods: [Totp(), WebAuthn()]")
        if store is not None and (token is not None or dpop_key is not None):
            raise ConfigurationError("a store keeps the sign-in and its key: leave token= and dpop_key= out")
        if not is_a_name(profile) or keep_elevated not in (True, False, "all"):
            raise ConfigurationError('profile is a printable name, keep_elevated True, False or "all"')
        pins, there = Pins.of(api, issuer), Pins.of(api, sign_in_at or issuer)
        name = EntryName(api=pins.base, issuer=there.issuer, client_id=client_id, profile=profile)
        kept = Kept(store=store or MemoryStore(), name=name, clock=clock, monotonic=monotonic, keep=keep_elevated)
        url = self.http.URL(pins.api)
        self._api = (url.raw_scheme, url.raw_host, url.port, b"") if pins.base == pins.api else None
        self.transport = OwnTransport(self.http, transport or {}, pins.is_api)
        discovery = Discovery(pins, self.transport, monotonic)
        self.session = Session(
            pins=pins,
            client_id=client_id,
            tokens=Tokens(token, kept, None if dpop_key is None else ProofKey(clock, dpop_key)),
            discovery=discovery,
            sign_in_at=discovery if there == pins else Discovery(there, self.transport, monotonic),
            transport=self.transport,
            methods=chosen,
            browser=browser,
            prompter=prompter or TerminalPrompter(),
            webauthn_origin=origin_of(pins.issuer) if webauthn_origin is None else checked_origin(webauthn_origin),
            interaction=interaction,
            human_timeout=human_timeout,
            clock=clock,
            monotonic=monotonic,
            on_event=on_event,
        )

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Drive one call of a `Client`; the flow begins when a 401 asks for it, as nearly never."""
        caller = self.session.tokens.current() if self._is_mine(request.url) else None
        response, began = None, None
        if caller is not None and self._is_plain(request, caller):
            began = self.session.monotonic()
            response = yield bearing(request, caller)
            if response.status_code not in REFUSED:
                return
        pump = Pump(self, request, caller, blocks=True, began=began)
        try:
            while pump.action is not None:
                if isinstance(pump.action, Wait):
                    wait([pump.action.ticket.future])
                    pump.waited(pump.action)
                else:
                    if response is None:
                        response = yield pump.prepared(pump.action)
                    pump.received(response, read_bounded(self.http, response) if pump.acts_on(response) else b"")
                    response = None
        finally:
            pump.close()
            pump.body.close()

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Drive one call of an `AsyncClient`."""
        self.is_in_loop()
        caller = await self.awaited() if self._is_mine(request.url) else None
        response, began = None, None
        if caller is not None and self._is_plain(request, caller):
            began = self.session.monotonic()
            response = yield bearing(request, caller)
            if response.status_code not in REFUSED:
                return
        pump = Pump(self, request, caller, began=began)
        try:
            while pump.action is not None:
                if isinstance(pump.action, Wait):
                    await landed(pump.action.ticket.future)
                    pump.waited(pump.action)
                else:
                    if response is None:
                        response = yield pump.prepared(pump.action)
                    pump.received(response, await aread_bounded(self.http, response) if pump.acts_on(response) else b"")
                    response = None
        finally:
            pump.close()
            await pump.body.aclose()

    def _is_mine(self, url: Any) -> bool:
        """Whether a URL is the API's: by the parts that the library connects to; if they do not say it, by its text."""
        return (url.raw_scheme, url.raw_host, url.port, url.userinfo) == self._api or self.session.pins.is_api(str(url))

    def _is_plain(self, request: Any, caller: Caller) -> bool:
        """Whether a call needs no more than the base token as its bearer, and can be repeated without preparation."""
        session = self.session
        return (
            caller.base is not None
            and caller.base.token_type == "Bearer"  # noqa: S105 - a name
            and type(request.stream) is self.http.ByteStream
            and request.extensions.keys().isdisjoint((STEP_UP, SIGNED))
            and innermost(session) is None
            and (not session.learned or session.learned.asked(request.method, str(request.url)) is None)
        )

    async def awaited(self) -> Caller:
        """Who is signed in, in async code: a store may take its time."""
        tokens = self.session.tokens
        if not tokens.ready:
            await in_thread(tokens.load)
        return await tokens.awaited()

    def elevated(
        self,
        *,
        acr: Names = (),
        max_age: int | None = None,
        scope: Names = (),
        reason: str | None = None,
        url: str | None = None,
    ) -> Elevated:
        """As `Client.elevated`: `with` for a sync client, `async with` for an async one."""
        wanted = Requirement(acr=acr, max_age=max_age, scope=scope, reason=reason)
        return Elevated(self, for_block(self.session, wanted, url))

    def is_in_loop(self) -> None:
        """Note the event loop of the caller: a transport that can be awaited only is used in it."""
        if self.transport.awaits:
            self.transport.loop = this_loop()

    def close(self) -> None:
        """Give back the connections to the authorization server."""
        self.session.close()
        self.transport.close()


def _all_methods() -> list[Method]:
    """What is not used up goes before what is."""
    return [WebAuthn(), Totp(), Otp(), Password(), RecoveryCode()]
