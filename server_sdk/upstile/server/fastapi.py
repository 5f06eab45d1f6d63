"""Step-up authentication for FastAPI: the adapter over the framework-neutral deployment.

```python
server = StepUp.embedded(url="https://api.example.com", storage="sqlite:///stepup.db", clients=[App("cli")])
server.install(app)

@app.post("/transfers")
async def transfer(auth: Annotated[Authentication, Depends(server.require(acr="mfa", max_age=300))]): ...
```
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import time
from typing import Any, Literal

try:
    from fastapi import FastAPI, Request, Response
    from fastapi.openapi.models import HTTPBearer
    from fastapi.security.base import SecurityBase
    from starlette.applications import Starlette
except ModuleNotFoundError as error:
    raise ImportError("upstile.server.fastapi needs FastAPI: pip install 'upstile[fastapi]'") from error

from upstile.protocol import Requirement, TokenResponse
from upstile.server import (
    App,
    Authentication,
    AuthorizationError,
    ConfigurationError,
    Notify,
    Rejection,
    StorageUnavailable,
)
from upstile.server._deployment import Deployment
from upstile.server._embedded import PREFIX, Settings, embedded
from upstile.server._events import Events
from upstile.server._settings import check_choice, check_origin, check_webauthn_origins, find_seal, sqlite_path
from upstile.server._starlette import EmbeddedRoutes, head, response
from upstile.server._termination import on_termination
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._response import error_response
from upstile.server.resource._authentication import declared
from upstile.server.storage import SqlDurableStore, SqliteEphemeralStore

__all__ = ["App", "Authentication", "StepUp"]

_NOBODY: tuple[object, Authentication | None] = (None, None)


class StepUp:
    """Step-up authentication for a FastAPI application; made by `StepUp.embedded(...)`."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    @classmethod
    def embedded(
        cls,
        *,
        url: str,
        storage: str,
        clients: Iterable[App],
        name: str | None = None,
        secret_keys: Sequence[str | bytes] | None = None,
        rp_id: str | None = None,
        webauthn_origins: Iterable[str] = (),
        dpop: Literal["required", "optional"] = "required",
        notify: Notify | None = None,
        clock: Callable[[], float] = time,
        allow_insecure_loopback: bool = False,
    ) -> "StepUp":
        """A resource server with its own authorization server.

        Args:
            url: the public base URL of this API, an origin such as `https://api.example.com`. It is issuer and
                resource identifier, and what DPoP proofs are compared with.
            storage: `sqlite:///path/to/file.db`.
            clients: the apps that may run ceremonies.
            name: what people are shown, e.g. in an authenticator app; the host by default.
            secret_keys: Fernet keys that encrypt secrets at rest, the newest first; by default the blank-separated
                keys in the environment variable `UPSTILE_SECRET_KEYS`.
            rp_id: the WebAuthn relying party identifier; the host by default.
            webauthn_origins: origins besides `url` that may run WebAuthn ceremonies.
            dpop: `optional` lets clients run ceremonies without proving a key; their tokens are bearer tokens then.
            notify: is called with each `SecurityEvent`.
            clock: the time in epoch seconds.
            allow_insecure_loopback: accept `http://localhost:PORT`, and keep a generated key in a file beside the
                data when no `secret_keys` are set. For development.

        Raises:
            ConfigurationError: something above is missing, unsafe or contradictory.
        """
        origin = check_origin(url, allow_insecure_loopback=allow_insecure_loopback)
        path = sqlite_path(storage)
        party = rp_id or origin.host
        origins = (origin.url, *webauthn_origins)
        check_webauthn_origins(party, origins)
        settings = Settings(
            origin=origin,
            clients=Apps(clients),
            seal=find_seal(secret_keys, path, development=origin.url.startswith("http:")),
            durable=SqlDurableStore(f"sqlite:///{path}"),
            ephemeral=SqliteEphemeralStore(str(path)),
            name=name or origin.host,
            rp_id=party,
            webauthn_origins=origins,
            dpop_required=check_choice("dpop", dpop, ("required", "optional")) == "required",
            clock=clock,
            events=Events(notify),
        )
        return cls(embedded(settings))

    def install(self, app: FastAPI) -> None:
        """Add the metadata, the authorization server's endpoints, health and the error responses to an application.

        The paths are one entry, the first of the router. `/stepup/health/live` says that the process answers,
        `/stepup/health/ready` whether it should be sent requests: its stores can be read, and nobody told it to end. It
        hears SIGTERM where the application's lifespan runs in the main thread of a server that listens to SIGTERM, as
        uvicorn does.

        Raises:
            ConfigurationError: it ran already.
        """
        if Rejection in app.exception_handlers:
            raise ConfigurationError("install(app) ran already: an application has one StepUp that is installed")
        deployment = self._deployment
        routes = (*deployment.routes, *deployment.health.routes(PREFIX))
        app.router.routes.insert(0, EmbeddedRoutes(routes, deployment.prepare))
        self._answer_refusals_of(app)
        app.router.lifespan_context = self._around(app.router.lifespan_context)

    def requirement(
        self,
        *,
        acr: str | Iterable[str] | None = None,
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
        once_in_handler: bool = False,
    ) -> Callable[[Request], Awaitable[Authentication]]:
        """A requirement to declare once and use on many routes: `Depends(RECENT_MFA)`.

        Args:
            acr: one authentication context class, or several of which one is required.
            max_age: seconds since the user authenticated; `0` asks for an authentication for this very call.
            scope: the scopes that the token must carry.
            reason: what the person is told.
            once_in_handler: the handler may call `auth.require(max_age=0)`. A token that serves one call passes this
                guard and is used up by the call, whatever the handler does then.

        Raises:
            ConfigurationError: the requirement could never be met here.
        """
        requirement = declared(acr=acr, max_age=max_age, scope=scope, reason=reason)
        return _Guarded(self._deployment, self._deployment.check(requirement), once_in_handler=once_in_handler)

    require = requirement
    """The same in place: `Depends(server.require(acr="mfa", max_age=300))`. Without arguments any token will do."""

    async def start_session(
        self,
        subject: str,
        *,
        amr: Sequence[str],
        request: Request | None = None,
        client_id: str | None = None,
        account: str | None = None,
    ) -> TokenResponse:
        """Begin a base login after the application's own sign-in; return the result to the app as it is.

        Args:
            subject: the user, by a name that never changes.
            amr: what the sign-in checked (RFC 8176), e.g. `["pwd"]`; it may count towards `mfa`.
            request: the sign-in request; if it carries a DPoP proof, the token is bound to that key.
            client_id: the app; may be left out where one is registered.
            account: what the user calls the account, e.g. the e-mail address; prompts show it masked.

        Raises:
            AuthorizationError: the DPoP proof is not acceptable, or the client is unknown.
        """
        neutral = None if request is None else head(request)
        return await self._deployment.start_session(
            subject, amr=amr, request=neutral, client_id=client_id, account=account
        )

    async def enrolment_code(self, subject: str) -> str:
        """A code with which a user enrols a first authenticator, to be handed over on a channel that is safe.

        It is good once, for ten minutes.
        """
        return await self._deployment.enrolment_code(subject)

    async def disable_authenticators(self, subject: str) -> None:
        """Take all that a user has enrolled out of use, for the help desk of a person who lost their only device.

        All that came of it ends as well: sign-ins, tokens, keys that were known. What is enrolled next needs an
        `enrolment_code`, so make sure who is asking before you hand one over.
        """
        await self._deployment.disable_authenticators(subject)

    async def _on_storage_unavailable(self, request: Request, error: Exception) -> Response:
        return response(self._deployment.guard.refusals.unavailable(error).response)

    def _answer_refusals_of(self, app: Any) -> None:
        """Say in an application how a refusal is answered, and in those that are mounted below it."""
        if Rejection not in app.exception_handlers:
            app.add_exception_handler(Rejection, _on_rejection)
            app.add_exception_handler(AuthorizationError, _on_authorization_error)
            app.add_exception_handler(StorageUnavailable, self._on_storage_unavailable)
        for route in app.routes:
            below = getattr(route, "app", None)
            if isinstance(below, Starlette):
                self._answer_refusals_of(below)

    def _around(self, inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncGenerator[Any]:
            self._answer_refusals_of(app)  # again: what was mounted after `install` is known now
            health = self._deployment.health
            health.begin()
            await self._deployment.prepare()
            try:
                with on_termination(health.drain):
                    async with inner(app) as state:
                        yield state
            finally:
                await self._deployment.aclose()

        return lifespan


class _Guarded(SecurityBase):
    """A requirement as a FastAPI dependency; OpenAPI shows its routes as needing an access token."""

    model = HTTPBearer(bearerFormat="at+jwt")
    scheme_name = "StepUp"

    def __init__(self, deployment: Deployment, requirement: Requirement, *, once_in_handler: bool) -> None:
        self._deployment = deployment
        self.requirement = requirement
        self._once_in_handler = once_in_handler
        # Several guards of one route look at a call's token and proof once; another deployment looks for itself.
        self._verified = f"upstile.authentication {id(deployment)}"

    async def __call__(self, request: Request) -> Authentication:
        route = request.scope.get("route")
        before: tuple[object, Authentication | None] = request.scope.get(self._verified, _NOBODY)
        known, authentication = before
        try:
            if authentication is None or known is not route:
                asks_once = partial(_asks_once, self._deployment, route)
                authentication = await self._deployment.authenticate(head(request), asks_once)
                request.scope[self._verified] = route, authentication
            await self._deployment.require(authentication, self.requirement, once_in_handler=self._once_in_handler)
        except Rejection as rejection:
            if Rejection not in request.app.exception_handlers:
                raise ConfigurationError("call server.install(app) on the application of this route") from rejection
            raise
        return authentication

    def asks_once(self, deployment: Deployment) -> bool:
        """Whether a call of this deployment may need an authentication for this very call here."""
        return self._deployment is deployment and (self.requirement.for_this_call or self._once_in_handler)


def _asks_once(deployment: Deployment, route: object) -> bool:
    """Whether any guard of a route asks for an authentication for this very call, now or in its handler."""
    return any(guard.asks_once(deployment) for guard in _guards(getattr(route, "dependant", None)))


def _guards(dependant: Any) -> Iterator[_Guarded]:
    for dependency in getattr(dependant, "dependencies", ()):
        if isinstance(dependency.call, _Guarded):
            yield dependency.call
        yield from _guards(dependency)


async def _on_rejection(request: Request, error: Exception) -> Response:
    return response(error.response) if isinstance(error, Rejection) else Response(status_code=500)


async def _on_authorization_error(request: Request, error: Exception) -> Response:
    return response(error_response(error)) if isinstance(error, AuthorizationError) else Response(status_code=500)
