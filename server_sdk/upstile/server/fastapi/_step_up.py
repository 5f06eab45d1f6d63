"""`StepUp` for FastAPI: installed in an application, its requirements as dependencies, its sign-ins."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from upstile.protocol import TokenResponse
from upstile.server import ConfigurationError, Rejection
from upstile.server._step_up import StepUpVerbs
from upstile.server.deployment._embedded import PREFIX
from upstile.server.deployment._termination import on_termination
from upstile.server.fastapi._application import keep_from_caches, look_at
from upstile.server.fastapi._calls import declared_calls
from upstile.server.fastapi._door import authentication_of
from upstile.server.fastapi._guard import Guarded
from upstile.server.fastapi._no_store import NoStore, token_goes_out
from upstile.server.fastapi._optional import OptionalGuard
from upstile.server.fastapi._protect import Protected
from upstile.server.fastapi._route_class import GuardedRoute
from upstile.server.fastapi._starlette import EmbeddedRoutes, head
from upstile.server.resource._authentication import Authentication, declared


class StepUp(StepUpVerbs):
    """Step-up authentication for a FastAPI application."""

    def install(self, app: FastAPI, *, endpoints: bool = True) -> None:
        """Add the metadata, the authorization server's endpoints, health and the error responses to an application.

        The paths are one entry, the first of the router. `/stepup/health/live` says that the process answers,
        `/stepup/health/ready` whether it should be sent requests: its stores can be read, and nobody told it to end. It
        hears SIGTERM where the application's lifespan runs in the main thread of a server that listens to SIGTERM, as
        uvicorn does.

        Guards in mounted applications are answered too, and OpenAPI names every scope that a guard asks for. The routes
        are checked here and, those that were added later, when the application starts.

        Args:
            app: the application.
            endpoints: `False` for one that is mounted in another, or served beside it: its errors are answered, its
                routes checked and documented, and the paths of the server are the other one's.

        Raises:
            ConfigurationError: it ran already, the application has started, or a guard asks for a scope that no client
                may have.
        """
        if Rejection in app.exception_handlers and endpoints:
            raise ConfigurationError("install(app) ran already: an application has one StepUp that is installed")
        if app.middleware_stack is not None:
            raise ConfigurationError("call install(app) before the application starts")
        deployment, entry = self._deployment, None
        deployment.applications.append(partial(declared_calls, app))
        if endpoints:
            routes = (*deployment.routes, *deployment.health.routes(PREFIX))
            entry = EmbeddedRoutes(routes, deployment.prepare, urlsplit(deployment.url).path)
            app.router.routes.insert(0, entry)
        look_at(app, entry, deployment)
        app.add_middleware(NoStore)
        app.router.lifespan_context = self._around(app.router.lifespan_context, entry)

    def requirement(
        self,
        *,
        acr: str | Iterable[str] | None = None,
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
        settled: bool = False,
        once_in_handler: bool = False,
    ) -> Guarded:
        """A requirement to declare once and use on many routes: `Depends(RECENT_MFA)`.

        `Security(RECENT_MFA, scopes=["payments"])` asks for these scopes as well, wherever FastAPI lets you write it.
        On a websocket the handshake is judged, once.

        Args:
            acr: one authentication context class, or several of which one is required.
            max_age: seconds since the user authenticated; `0` asks for an authentication for this very call, whose
                token serves once. FastAPI runs the guard before it looks at parameters and body, so a call that it
                then refuses with 422 has used the token up, and the person is asked again for the next one.
            scope: the scopes that the token must carry.
            reason: what the person is told.
            settled: refuse the call for `cooling_off=` seconds after the user's authenticators were reset, with 403 and
                a sentence that says until when. For what a thief who got through a reset wants first, such as paying
                out. It needs `acr`.
            once_in_handler: the handler may call `auth.require(max_age=0)`. A token that serves one call passes this
                guard and is used up by the call, whatever the handler does then.

        Raises:
            ConfigurationError: the requirement could never be met here.
        """
        requirement = declared(acr=acr, max_age=max_age, scope=scope, reason=reason, settled=settled)
        return Guarded(
            self._deployment,
            self._deployment.check(requirement, once_in_handler=once_in_handler),
            once_in_handler=once_in_handler,
        )

    def protect(self, app: ASGIApp, requirement: Guarded, *, exempt: Iterable[str] = ()) -> Protected:
        """A guard around a whole application, below which every call has to meet one requirement.

        ```python
        app.add_middleware(server.protect, requirement=SIGNED_IN, exempt=["POST /login", "GET /health"])
        app.mount("/files", server.protect(StaticFiles(directory="files"), SIGNED_IN))
        ```

        A call is judged before its route is looked for and before its body is read, so `max_age=0` uses up the token of
        a call that is then refused. Handlers read `server.authentication(request)`, guards below it go on with what it
        found. What `install` put into the application judges for itself.

        Args:
            app: any ASGI application.
            requirement: what `server.requirement(...)` returned.
            exempt: the calls that need no token, each a method and the exact path as it comes over the wire, such as
                `"GET /health"`. `"WEBSOCKET /prices"` names a websocket. Everything else is guarded: `HEAD` where `GET`
                is exempt, another spelling of the path, and every path where the web server does not tell the raw one.

        Raises:
            ConfigurationError: an exemption is something else, or the requirement is another deployment's.
        """
        if requirement.deployment is not self._deployment:
            raise ConfigurationError("protect takes a requirement of the same StepUp: server.requirement(...)")
        return Protected(app, requirement, exempt)

    def authentication(self, connection: HTTPConnection) -> Authentication:
        """The authentication behind a call that a guard let in, for handlers that are not given it.

        Args:
            connection: the request or websocket.

        Raises:
            ConfigurationError: no guard of this `StepUp` judged the call.
        """
        found = authentication_of(self._deployment, connection.scope)
        if found is None:
            raise ConfigurationError("no guard judged this call: declare one at its route, or call server.protect")
        return found

    @property
    def route_class(self) -> type[GuardedRoute]:
        """The class of routes whose guards judge before the body is read: `APIRouter(route_class=server.route_class)`.

        A guard is declared as ever. The routes of an application get the class by `app.router.route_class =
        server.route_class`, before they are added. What serves once is used up last: a call that is answered with 422
        costs no confirmation.
        """
        return GuardedRoute

    require = requirement
    """The same in place: `Depends(server.require(acr="mfa", max_age=300))`. Without arguments any token will do."""

    def optional(
        self,
        *,
        acr: str | Iterable[str] | None = None,
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
        settled: bool = False,
        once_in_handler: bool = False,
    ) -> OptionalGuard:
        """A guard for a route whose callers may have another login: `Authentication | None`.

        It is `None` where a call carries no credential, or a bearer token that is another's: no JWT, or one that names
        another issuer than those of this API, which is read and not trusted. Whatever may be ours is judged as by
        `requirement`, and refused as there: what has expired, is forged or too weak, every call with DPoP, a header
        that cannot be read, and any scheme besides `Bearer`. `None` says that nobody has proved anything yet: check the
        application's own login then, and where it is a cookie, its protection against CSRF.

        Where an `IntrospectionVerifier` is configured, a text that is no JWT, or that names no issuer, may be its
        issuer's: it is asked, and refuses what is not its own.

        Args:
            acr: as for `requirement`; asked of who comes with a token of ours, and of nobody else.
            max_age: the same, in seconds.
            scope: the same.
            reason: the same.
            settled: the same.
            once_in_handler: the same.

        Raises:
            ConfigurationError: the requirement could never be met here.
        """
        guarded = self.requirement(
            acr=acr, max_age=max_age, scope=scope, reason=reason, settled=settled, once_in_handler=once_in_handler
        )
        return OptionalGuard(self._deployment, guarded)

    async def start_session(
        self,
        subject: str,
        *,
        amr: Sequence[str],
        request: Request | None = None,
        client_id: str | None = None,
        account: str | None = None,
        auth_time: float | None = None,
    ) -> TokenResponse:
        """Begin a base login after the application's own sign-in; return the result to the app as it is.

        The response gets `Cache-Control: no-store` (RFC 6749 §5.1) in the application that `install` was called with,
        its middleware included, and in those mounted below it. In another one, and where a server runs the application
        without its lifespan and middleware was added after `install`, set it yourself.

        Args:
            subject: the user, by a name that never changes.
            amr: what the sign-in checked (RFC 8176), e.g. `["pwd"]`; it may count towards `mfa`.
            request: the sign-in request; if it carries a DPoP proof, the token is bound to that key.
            client_id: the app; may be left out where one is registered.
            account: what the user calls the account, e.g. the e-mail address; prompts show it masked.
            auth_time: when the user signed in (epoch seconds), where this only renews a sign-in: what was proved then
                grows old from then on.

        Raises:
            ConfigurationError: an argument makes no sense, such as an `auth_time` in the future.
            AuthorizationError: the DPoP proof is not acceptable, or the client is unknown.
        """
        neutral = None if request is None else head(request)
        token_goes_out()
        return await (await self._deployment.running()).start_session(
            subject, amr=amr, request=neutral, client_id=client_id, account=account, auth_time=auth_time
        )

    def _around(self, inner: Callable[[Any], Any], entry: EmbeddedRoutes | None) -> Callable[[Any], Any]:
        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncGenerator[Any]:
            look_at(app, entry, self._deployment)
            keep_from_caches(app)
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
