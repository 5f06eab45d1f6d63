"""What makes a client of the HTTP library one for one API that steps up by itself."""

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar, Unpack, cast

from upstile.client._errors import OutcomeUnknown
from upstile.client.adapters._auth import ONCE, SIGNED, STEP_UP, StepUpFlow, landed
from upstile.client.adapters._authenticators import AsyncAuthenticators, Authenticators
from upstile.client.adapters._options import OWN, SHARED, ClientOptions
from upstile.client.adapters._signing_in import AsyncSignIn, HasSignIn, SignIn
from upstile.client.flow._logins import Caller
from upstile.client.flow._session import Asked
from upstile.protocol import Requirement

AuthT = TypeVar("AuthT", bound=StepUpFlow)
RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class _Common(HasSignIn, Generic[AuthT]):
    """What both have: the library, its `Auth` with our flow, and what that knows.

    Args:
        api: the API's base URL.
        client_id: the app.
        options: those of `StepUpAuth`, and those of the library's client. The connection to the authorization server
            goes the same way: it takes over `verify`, `cert`, proxies, `transport`, `mounts` and `timeout`, and at the
            API's own origin also headers and cookies, but never `Authorization`.
    """

    http: ClassVar[ModuleType]
    auth_class: ClassVar[type[StepUpFlow]]

    def __init__(self, api: str, *, client_id: str, **options: Unpack[ClientOptions]) -> None:
        own: dict[str, Any] = {name: value for name, value in options.items() if name in OWN}
        theirs = {name: value for name, value in options.items() if name not in OWN}
        shared = {name: value for name, value in theirs.items() if name in SHARED and value is not None}
        self.step_up_auth = cast(AuthT, self.auth_class(api, client_id=client_id, transport=shared, **own))
        library: Any = super()
        library.__init__(base_url=api, auth=self.step_up_auth, **theirs)
        self.step_up_auth.transport.goes_with(self)

    def _lost(self, request: Any, error: Exception) -> OutcomeUnknown | None:
        """What it means that a call got no response: if its token serves once, it may have been carried out."""
        http = self.http
        never_sent = isinstance(error, http.ConnectError | http.ConnectTimeout | http.PoolTimeout)
        name = request.extensions.get(ONCE)
        if never_sent or name is None:
            return None
        unknown = OutcomeUnknown("The connection broke after the call was repeated")
        self.step_up_auth.session.refusals.keep(name, unknown)
        return unknown


class SyncVerbs(_Common[AuthT], SignIn, Generic[AuthT, RequestT, ResponseT]):
    """The verbs of `Client`, before those of the library's own."""

    @property
    def authenticators(self) -> Authenticators:
        """The user's authenticators: list, enrol, rename, remove (upstile profile §8)."""
        return Authenticators(self)

    def request(self, method: str, url: Any, *, step_up: Requirement | None = None, **request: Any) -> ResponseT:
        """A call; with `step_up` the person is asked before it is sent, so that any body will do."""
        library: Any = super()
        return cast(ResponseT, library.request(method, url, **_asking_first(step_up, request)))

    @contextmanager
    def stream(
        self, method: str, url: Any, *, step_up: Requirement | None = None, **request: Any
    ) -> Generator[ResponseT]:
        """A call whose response is read bit by bit, as the library's `Client.stream`; `step_up` as for `request`."""
        library: Any = super()
        with library.stream(method, url, **_asking_first(step_up, request)) as response:
            yield response

    def send(self, request: RequestT, **how: Any) -> ResponseT:
        """As the library's `Client.send`.

        Raises:
            OutcomeUnknown: the response to a call with a token that serves once was lost.
        """
        hooked(self, self._on_hop, request)
        library: Any = super()
        try:
            return cast(ResponseT, library.send(request, **how))
        except self.http.TransportError as error:
            unknown = self._lost(request, error)
            if unknown is None:
                raise
            raise unknown from error

    def step_up(
        self,
        *,
        acr: str | Iterable[str] = (),
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
    ) -> None:
        """Ask the person now; the calls that follow use what came out of it. Arguments as for `Requirement`."""
        auth = self.step_up_auth
        asked = _ahead(auth, auth.session.tokens.current(), acr, max_age, scope, reason)
        ticket = auth.session.step_up(replace(asked, blocks=True))
        try:
            ticket.future.result()
        finally:
            ticket.give_back()

    def close(self) -> None:
        """Close all connections."""
        library: Any = super()
        library.close()
        self.step_up_auth.close()

    def __exit__(self, *error: Any) -> None:
        library: Any = super()
        library.__exit__(*error)
        self.step_up_auth.close()

    def _on_hop(self, request: RequestT) -> None:
        guard_hop(self.step_up_auth, request)


class AsyncVerbs(_Common[AuthT], AsyncSignIn, Generic[AuthT, RequestT, ResponseT]):
    """The same for `async` code."""

    @property
    def authenticators(self) -> AsyncAuthenticators:
        """The user's authenticators: list, enrol, rename, remove (upstile profile §8)."""
        return AsyncAuthenticators(self)

    async def request(self, method: str, url: Any, *, step_up: Requirement | None = None, **request: Any) -> ResponseT:
        """A call; with `step_up` the person is asked before it is sent, so that any body will do."""
        library: Any = super()
        return cast(ResponseT, await library.request(method, url, **_asking_first(step_up, request)))

    @asynccontextmanager
    async def stream(
        self, method: str, url: Any, *, step_up: Requirement | None = None, **request: Any
    ) -> AsyncGenerator[ResponseT]:
        """A call whose response is read bit by bit, as `Client.stream`."""
        library: Any = super()
        async with library.stream(method, url, **_asking_first(step_up, request)) as response:
            yield response

    async def send(self, request: RequestT, **how: Any) -> ResponseT:
        """As the library's `AsyncClient.send`, with the error of `Client.send`."""
        hooked(self, self._on_hop, request)
        library: Any = super()
        try:
            return cast(ResponseT, await library.send(request, **how))
        except self.http.TransportError as error:
            unknown = self._lost(request, error)
            if unknown is None:
                raise
            raise unknown from error

    async def step_up(
        self,
        *,
        acr: str | Iterable[str] = (),
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
    ) -> None:
        """Ask the person now, as `Client.step_up`."""
        auth = self.step_up_auth
        auth.is_in_loop()
        asked = _ahead(auth, await auth.awaited(), acr, max_age, scope, reason)
        ticket = auth.session.step_up(asked)
        try:
            await landed(ticket.future)
            ticket.future.result()
        finally:
            ticket.give_back()

    async def aclose(self) -> None:
        """Close all connections."""
        library: Any = super()
        await library.aclose()
        self.step_up_auth.close()

    async def __aexit__(self, *error: Any) -> None:
        library: Any = super()
        await library.__aexit__(*error)
        self.step_up_auth.close()

    async def _on_hop(self, request: RequestT) -> None:
        guard_hop(self.step_up_auth, request)


def hooked(client: Any, on_hop: Callable[[Any], Any], request: Any) -> None:
    """Have each hop of a request looked at, also where the app has set hooks of its own."""
    if on_hop not in client.event_hooks["request"]:
        client.event_hooks["request"].append(on_hop)
    request.extensions.pop(ONCE, None)


def guard_hop(auth: StepUpFlow, request: Any) -> None:
    """Look at each request just before it leaves, redirects included.

    The library takes `Authorization` off when a redirect leads to another origin, but not `DPoP`; and a proof is for
    one URL, so a redirect within the origin needs another one.
    """
    session, signed = auth.session, request.extensions.get(SIGNED)
    if signed is None or signed[0] == id(request):
        return
    request.headers.pop("DPoP", None)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not session.pins.is_api(str(request.url)):
        request.headers.pop("Authorization", None)
    elif scheme == "DPoP":
        request.headers["DPoP"] = signed[1].proof(request.method, str(request.url), token)


def _asking_first(step_up: Requirement | None, request: dict[str, Any]) -> dict[str, Any]:
    if step_up is None:
        return request
    return {**request, "extensions": {**(request.get("extensions") or {}), STEP_UP: step_up}}


def _ahead(
    auth: StepUpFlow,
    caller: Caller,
    acr: str | Iterable[str],
    max_age: int | None,
    scope: str | Iterable[str],
    reason: str | None,
) -> Asked:
    session, requirement = auth.session, Requirement(acr=acr, max_age=max_age, scope=scope, reason=reason)
    url = session.pins.api + "/"
    return Asked(requirement=requirement, url=url, since=session.monotonic(), caller=caller)
