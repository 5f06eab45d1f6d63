"""What makes a client of the HTTP library one for one API that steps up by itself."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, Unpack, cast

from upstile.client._errors import OutcomeUnknown
from upstile.client.adapters._auth import StepUpFlow
from upstile.client.adapters._hops import guard_hop, hooked
from upstile.client.adapters._options import OWN, SHARED, ClientOptions
from upstile.client.adapters._pump import ONCE, STEP_UP
from upstile.client.adapters.verbs._ahead import (
    Names,
    aelevated,
    astep_up,
    elevated,
    for_block,
    for_later_calls,
    step_up,
)
from upstile.client.adapters.verbs._signing_in import AsyncSignIn, HasSignIn, SignIn
from upstile.client.words import said
from upstile.protocol import Requirement

if TYPE_CHECKING:
    from upstile.client.adapters.verbs._authenticators import AsyncAuthenticators, Authenticators

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

    def _url(self, url: str | None) -> str | None:
        library: Any = self
        return None if url is None else str(library.build_request("GET", url).url)

    def _lost(self, request: Any, error: Exception) -> OutcomeUnknown | None:
        """What it means that a call got no response: if its token serves once, it may have been carried out."""
        http = self.http
        never_sent = isinstance(error, http.ConnectError | http.ConnectTimeout | http.PoolTimeout)
        name = request.extensions.get(ONCE)
        if never_sent or name is None:
            return None
        unknown = OutcomeUnknown(**said("reply-lost"))
        self.step_up_auth.session.refusals.keep(name, unknown)
        return unknown


class SyncVerbs(_Common[AuthT], SignIn, Generic[AuthT, RequestT, ResponseT]):
    """The verbs of `Client`, before those of the library's own."""

    @property
    def authenticators(self) -> "Authenticators":
        """The user's authenticators: list, enrol, rename, remove (upstile profile §8)."""
        from upstile.client.adapters.verbs._authenticators import Authenticators

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
        acr: Names = (),
        max_age: int | None = None,
        scope: Names = (),
        reason: str | None = None,
        url: str | None = None,
    ) -> None:
        """Ask the person now; the calls that follow use what came out of it.

        Args:
            acr: as for `Requirement`.
            max_age: the same, in seconds.
            scope: the same.
            reason: the same.
            url: one of those calls, where the API has several resources; by default the API's address as the app
                named it, such as `https://api.example.com/v1`.

        Raises:
            StepUpError: the person was not asked, or did not confirm.
            ConfigurationError: with `interaction="required"` no later call would use it.
        """
        wanted = Requirement(acr=acr, max_age=max_age, scope=scope, reason=reason)
        begin = for_later_calls(self.step_up_auth.session, wanted, self._url(url))
        step_up(self.step_up_auth, begin(self.step_up_auth.session.tokens.current()))

    def elevated(
        self,
        *,
        acr: Names = (),
        max_age: int | None = None,
        scope: Names = (),
        reason: str | None = None,
        url: str | None = None,
    ) -> AbstractContextManager[None]:
        """Many calls and one confirmation: `with client.elevated(acr="mfa", max_age=300): ...`

        The person is asked at the entry, unless a confirmation is at hand that serves. The calls inside go with its
        token at once, also those whose body can be sent once only. It holds for the calls of this client that this
        thread or task makes, and the tasks that it begins; other threads take part where they run in a copy of the
        context (`contextvars.copy_context().run`, `asyncio.to_thread`). Calls for another resource are as ever.

        - When `max_age` runs out inside, the next call asks again before it is sent.
        - Of blocks in blocks the innermost holds. A call's own `step_up=` goes before it.
        - It belongs to whoever is signed in at the entry: once it is somebody else, its calls end in
          `StepUpCancelled` before they are sent.
        - A call that the API confirms for itself alone (`max_age=0`) asks as ever.

        Args:
            acr: as for `Requirement`.
            max_age: the same, in seconds, and not 0.
            scope: the same.
            reason: the same.
            url: as for `step_up`.

        Raises:
            StepUpError: at the entry: the person was not asked, or did not confirm.
            ConfigurationError: `max_age=0` is for one call.
        """
        wanted = Requirement(acr=acr, max_age=max_age, scope=scope, reason=reason)
        return elevated(self.step_up_auth, for_block(self.step_up_auth.session, wanted, self._url(url)))

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
    def authenticators(self) -> "AsyncAuthenticators":
        """The user's authenticators: list, enrol, rename, remove (upstile profile §8)."""
        from upstile.client.adapters.verbs._authenticators import AsyncAuthenticators

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
        acr: Names = (),
        max_age: int | None = None,
        scope: Names = (),
        reason: str | None = None,
        url: str | None = None,
    ) -> None:
        """Ask the person now, as `Client.step_up`."""
        auth = self.step_up_auth
        auth.is_in_loop()
        wanted = Requirement(acr=acr, max_age=max_age, scope=scope, reason=reason)
        begin = for_later_calls(auth.session, wanted, self._url(url))
        await astep_up(auth, begin(await auth.awaited()))

    def elevated(
        self,
        *,
        acr: Names = (),
        max_age: int | None = None,
        scope: Names = (),
        reason: str | None = None,
        url: str | None = None,
    ) -> AbstractAsyncContextManager[None]:
        """Many calls and one confirmation, as `Client.elevated`: `async with client.elevated(acr="mfa"): ...`"""
        wanted = Requirement(acr=acr, max_age=max_age, scope=scope, reason=reason)
        return aelevated(self.step_up_auth, for_block(self.step_up_auth.session, wanted, self._url(url)))

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


def _asking_first(step_up: Requirement | None, request: dict[str, Any]) -> dict[str, Any]:
    if step_up is None:
        return request
    return {**request, "extensions": {**(request.get("extensions") or {}), STEP_UP: step_up}}
