"""`Client` and `AsyncClient`: httpx clients for one API that step up by themselves."""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import httpx

from upstile.client._authority import for_developers
from upstile.client._enrolment import AsyncAuthenticators, Authenticators
from upstile.client._errors import CeremonyFailed, OutcomeUnknown, clock_hint
from upstile.client._httpx import ONCE, SIGNED, STEP_UP, StepUpAuth, landed
from upstile.client._httpx_options import OWN, SHARED, AsyncClientOptions, ClientOptions
from upstile.client._session import Asked
from upstile.protocol import ErrorResponse, MalformedMessage, Requirement, TokenResponse

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
NO_AUTH = httpx.Auth()
"""Sends a request as it is."""


class Client(httpx.Client):
    """An httpx client for one API that steps up when it is asked to.

    Everything that `httpx.Client` does works; calls to other origins carry no token.

    Args:
        api: the API's base URL.
        client_id: the app.
        options: those of `StepUpAuth`, and those of `httpx.Client`. The connection to the authorization server takes
            over `verify`, `cert`, `proxy`, `trust_env` and a `transport` that can be used without asyncio.
    """

    def __init__(self, api: str, *, client_id: str, **options: Unpack[ClientOptions]) -> None:
        self.step_up_auth, http = _split(api, client_id, options)
        super().__init__(base_url=api, auth=self.step_up_auth, **http)

    @property
    def authenticators(self) -> Authenticators:
        """The user's authenticators: list, enrol, rename, remove (upstile profile §8)."""
        return Authenticators(self)

    def request(
        self, method: str, url: httpx.URL | str, *, step_up: Requirement | None = None, **request: Any
    ) -> httpx.Response:
        """A call; with `step_up` the person is asked before it is sent, so that any body will do."""
        return super().request(method, url, **_asking_first(step_up, request))

    def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        """As `httpx.Client.send`.

        Raises:
            OutcomeUnknown: the response to a call with a token that serves once was lost.
        """
        if self._on_hop not in self.event_hooks["request"]:  # also where the app has set hooks of its own
            self.event_hooks["request"].append(self._on_hop)
        request.extensions.pop(ONCE, None)
        try:
            return super().send(request, **how)
        except httpx.TransportError as error:
            if request.extensions.get(ONCE) and not isinstance(error, _NEVER_SENT):
                raise OutcomeUnknown("The connection broke after the call was repeated") from error
            raise

    def sign_in(self, url: str, **request: Any) -> None:
        """The app's own sign-in: POST with a proof of our key; the token in the response becomes the base token.

        Raises:
            httpx.HTTPStatusError: the sign-in was refused.
            CeremonyFailed: the response holds no token.
        """
        proven = _proving(self, self.step_up_auth, url, request)
        _signed_in(self.step_up_auth, self.post(url, auth=NO_AUTH, follow_redirects=False, **proven))

    def step_up(
        self,
        *,
        acr: str | Iterable[str] = (),
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
    ) -> None:
        """Ask the person now; the calls that follow use what came out of it. Arguments as for `Requirement`."""
        ticket = self.step_up_auth.session.step_up(_ahead(self.step_up_auth, acr, max_age, scope, reason))
        try:
            ticket.future.result()
        finally:
            ticket.give_back()

    def close(self) -> None:
        """Close all connections."""
        super().close()
        self.step_up_auth.close()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.step_up_auth.close()

    def _on_hop(self, request: httpx.Request) -> None:
        guard_hop(self.step_up_auth, request)


class AsyncClient(httpx.AsyncClient):
    """The same for `async` code (asyncio). Arguments as for `Client`."""

    def __init__(self, api: str, *, client_id: str, **options: Unpack[AsyncClientOptions]) -> None:
        self.step_up_auth, http = _split(api, client_id, options)
        super().__init__(base_url=api, auth=self.step_up_auth, **http)

    @property
    def authenticators(self) -> AsyncAuthenticators:
        """The user's authenticators: list, enrol, rename, remove (upstile profile §8)."""
        return AsyncAuthenticators(self)

    async def request(
        self, method: str, url: httpx.URL | str, *, step_up: Requirement | None = None, **request: Any
    ) -> httpx.Response:
        """A call; with `step_up` the person is asked before it is sent, so that any body will do."""
        return await super().request(method, url, **_asking_first(step_up, request))

    async def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        """As `httpx.AsyncClient.send`, with the error of `Client.send`."""
        if self._on_hop not in self.event_hooks["request"]:
            self.event_hooks["request"].append(self._on_hop)
        request.extensions.pop(ONCE, None)
        try:
            return await super().send(request, **how)
        except httpx.TransportError as error:
            if request.extensions.get(ONCE) and not isinstance(error, _NEVER_SENT):
                raise OutcomeUnknown("The connection broke after the call was repeated") from error
            raise

    async def sign_in(self, url: str, **request: Any) -> None:
        """The app's own sign-in, as `Client.sign_in`."""
        proven = _proving(self, self.step_up_auth, url, request)
        _signed_in(self.step_up_auth, await self.post(url, auth=NO_AUTH, follow_redirects=False, **proven))

    async def step_up(
        self,
        *,
        acr: str | Iterable[str] = (),
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
    ) -> None:
        """Ask the person now, as `Client.step_up`."""
        ticket = self.step_up_auth.session.step_up(_ahead(self.step_up_auth, acr, max_age, scope, reason))
        try:
            await landed(ticket.future)
            ticket.future.result()
        finally:
            ticket.give_back()

    async def aclose(self) -> None:
        """Close all connections."""
        await super().aclose()
        self.step_up_auth.close()

    async def __aexit__(self, *error: Any) -> None:
        await super().__aexit__(*error)
        self.step_up_auth.close()

    async def _on_hop(self, request: httpx.Request) -> None:
        guard_hop(self.step_up_auth, request)


def guard_hop(auth: StepUpAuth, request: httpx.Request) -> None:
    """Look at each request just before it leaves, redirects included.

    httpx takes `Authorization` off when a redirect leads to another origin, but not `DPoP`; and a proof is for one
    URL, so a redirect within the origin needs another one.
    """
    session, signed = auth.session, request.extensions.get(SIGNED)
    if signed is None or signed == id(request):
        return
    request.headers.pop("DPoP", None)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not session.pins.is_api(str(request.url)):
        request.headers.pop("Authorization", None)
    elif scheme == "DPoP":
        request.headers["DPoP"] = session.key.proof(request.method, str(request.url), token)


def _split(api: str, client_id: str, options: Mapping[str, Any]) -> tuple[StepUpAuth, dict[str, Any]]:
    """Our part of the options, as an auth, and httpx's part."""
    own = {name: value for name, value in options.items() if name in OWN}
    http = {name: value for name, value in options.items() if name not in OWN}
    shared = {name: options[name] for name in SHARED if name in options}
    if isinstance(options.get("transport"), httpx.BaseTransport):
        shared["transport"] = options["transport"]
    return StepUpAuth(api, client_id=client_id, transport=shared, **own), http


def _asking_first(step_up: Requirement | None, request: dict[str, Any]) -> dict[str, Any]:
    if step_up is None:
        return request
    return {**request, "extensions": {**(request.get("extensions") or {}), STEP_UP: step_up}}


def _ahead(
    auth: StepUpAuth, acr: str | Iterable[str], max_age: int | None, scope: str | Iterable[str], reason: str | None
) -> Asked:
    session, requirement = auth.session, Requirement(acr=acr, max_age=max_age, scope=scope, reason=reason)
    _, login = session.tokens.current()
    return Asked(requirement=requirement, url=session.pins.api + "/", since=session.monotonic(), login=login)


def _proving(
    client: httpx.Client | httpx.AsyncClient, auth: StepUpAuth, url: str, request: dict[str, Any]
) -> dict[str, Any]:
    """Put a proof for the sign-in into its headers."""
    target = str(client.build_request("POST", url).url)
    if not auth.session.pins.is_api(target):
        raise ValueError("the sign-in must be on the API's own origin")
    headers = httpx.Headers(request.get("headers"))
    headers["DPoP"] = auth.session.key.proof("POST", target)
    return {**request, "headers": headers}


def _signed_in(auth: StepUpAuth, response: httpx.Response) -> None:
    refusal = _refused_proof(auth, response)
    if refusal is not None:
        raise refusal
    if response.is_redirect:  # whoever answers elsewhere must not be handed the password
        raise CeremonyFailed("The sign-in was redirected", next_step="Sign in at the address that the API has now.")
    response.raise_for_status()
    try:
        auth.session.tokens.sign_in(TokenResponse.from_json(response.content))
    except MalformedMessage as error:
        raise CeremonyFailed(f"The sign-in's response is no token response: {error}") from error


def _refused_proof(auth: StepUpAuth, response: httpx.Response) -> CeremonyFailed | None:
    """What the API says of our proof, if that is why it refuses the sign-in."""
    try:
        refusal = ErrorResponse.from_json(response.content) if response.status_code == 400 else None
    except MalformedMessage:
        return None
    if refusal is None or refusal.error != "invalid_dpop_proof":
        return None
    url, now = str(response.request.url), auth.session.clock()
    step = clock_hint(response.headers.get("date"), now) or f"Is {url} the address that the API is configured with?"
    message = refusal.title or f"The sign-in was refused ({refusal.error})"
    return CeremonyFailed(message, error=refusal.error, next_step=step, hint=for_developers(refusal))
