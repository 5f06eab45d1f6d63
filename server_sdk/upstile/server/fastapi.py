"""Step-up authentication for FastAPI: the adapter over the framework-neutral deployment.

```python
server = StepUp.embedded(url="https://api.example.com", storage="sqlite:///stepup.db", clients=[App("cli")])
server.install(app)

@app.post("/transfers")
async def transfer(auth: Annotated[Authentication, Depends(server.require(acr="mfa", max_age=300))]): ...
```
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from time import time
from typing import Any, Literal

try:
    from fastapi import FastAPI, Request
except ModuleNotFoundError as error:
    raise ImportError("upstile.server.fastapi needs FastAPI: pip install 'upstile[fastapi]'") from error

from upstile.protocol import TokenResponse
from upstile.server import App, Authentication, ConfigurationError, Notify, Rejection
from upstile.server._embedded import PREFIX, embedded
from upstile.server._embedded_settings import Settings
from upstile.server._fastapi_application import keep_from_caches, look_at
from upstile.server._fastapi_guard import Guarded
from upstile.server._no_store import NoStore, token_goes_out
from upstile.server._notices import Notices
from upstile.server._settings import (
    AUDIT_KEPT_FOR,
    check_choice,
    check_login_life,
    check_name,
    check_origin,
    check_positive,
    check_webauthn_origins,
)
from upstile.server._starlette import EmbeddedRoutes, head
from upstile.server._step_up import StepUpVerbs
from upstile.server._termination import on_termination
from upstile.server.audit import Addresses, Events
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._lives import LOGIN_LIFE
from upstile.server.authorization.enrolment._help_desk import Users
from upstile.server.authorization.methods import Method, Totp, WebAuthn
from upstile.server.keys._configured import find_seal
from upstile.server.keys._rotation import ROTATED_AFTER
from upstile.server.resource._authentication import declared
from upstile.server.resource._external import ExternalOptions, opened
from upstile.server.storage._open import key_file, stores
from upstile.server.storage._revocations import BOUND
from upstile.server.storage._url import read_one_time, read_storage

__all__ = ["App", "Authentication", "StepUp"]


class StepUp(StepUpVerbs):
    """Step-up authentication for a FastAPI application."""

    @classmethod
    def embedded(
        cls,
        *,
        url: str,
        storage: str,
        clients: Iterable[App],
        methods: Iterable[Method] | None = None,
        name: str | None = None,
        secret_keys: Sequence[str | bytes] | None = None,
        rotate_keys_after: float | None = ROTATED_AFTER,
        rp_id: str | None = None,
        webauthn_origins: Iterable[str] = (),
        sign_count: Literal["refuse", "report"] = "refuse",
        dpop: Literal["required", "optional"] = "required",
        one_time: str | None = None,
        replay: Literal["node", "shared"] | None = None,
        max_revocation_age: float = BOUND,
        login_life: float = LOGIN_LIFE,
        users: Users | None = None,
        shared_storage: bool = False,
        allow_group_files: bool = False,
        notify: Notify | None = None,
        notices: Notices | None = None,
        trusted_proxies: Iterable[str] = (),
        audit_kept_for: float | None = AUDIT_KEPT_FOR,
        verifier: ExternalOptions | Sequence[ExternalOptions] = (),
        clock: Callable[[], float] = time,
        allow_insecure_loopback: bool = False,
    ) -> "StepUp":
        """A resource server with its own authorization server.

        Args:
            url: the public base URL of this API, an origin such as `https://api.example.com`. It is issuer and
                resource identifier, and what DPoP proofs are compared with.
            storage: `sqlite:///path/to/file.db` for one machine, `postgresql://user@host/database` for several.
            clients: the apps that may run ceremonies.
            methods: the ways to confirm, of `upstile.server.methods`; by default `[WebAuthn(), Totp()]`. The strongest
                are offered first, and of equally strong ones those that stand first here.
            name: what people are shown, e.g. in an authenticator app; the host by default.
            secret_keys: keys that encrypt secrets at rest, each 32 random bytes as base64url text, the newest first; by
                default the blank-separated keys in the environment variable `UPSTILE_SECRET_KEYS`.
            rotate_keys_after: seconds, at least a day, after which a new signing key is made; `None` leaves it to
                `upstile-server keys rotate`.
            rp_id: the WebAuthn relying party identifier; the host by default.
            webauthn_origins: origins besides `url` that may run WebAuthn ceremonies.
            sign_count: what follows when a security key counts lower than before, so that there may be a copy of it
                (WebAuthn §7.2): `refuse` its answer, or only `report` it. It is an event in either case.
            dpop: `optional` lets clients run ceremonies without proving a key; their tokens are bearer tokens then.
            one_time: `redis://host:6379` keeps one-time state there; by default it lies in `storage`.
            replay: where a DPoP proof is remembered: by each `node`, or `shared` by the deployment. By default GET,
                HEAD, OPTIONS and TRACE are the node's, every other method is shared.
            max_revocation_age: seconds for which the last known list of revocations holds while storage cannot be
                read; after that guarded calls are refused with 503.
            login_life: seconds that a base login lasts, at most twelve hours.
            users: says whether there is a user of a name; with it the help desk cannot act for nobody.
            shared_storage: several deployments share this storage, and this one may be new there. They never meet.
                Without it, a storage that knows only another `url` is refused.
            allow_group_files: accept an SQLite file that its group may read and write.
            notify: is called with each `SecurityEvent` that concerns a person; a reply waits for it for a second at
                most. A plain function is called in a thread.
            notices: sends people mails about what happens with their account.
            trusted_proxies: the networks of your proxies, such as `10.0.0.0/8`: only from them `X-Forwarded-For` or
                `Forwarded` is believed, for the addresses in the audit. Addresses are kept as /24 and /48.
            audit_kept_for: seconds after which a row of the audit table is deleted; `None` leaves that to you.
            verifier: for issuers whose tokens the API takes besides those of its own server, as in `StepUp(...)`.
            clock: the time in epoch seconds.
            allow_insecure_loopback: accept `http://localhost:PORT`, and keep a generated key in a file beside the
                data when no `secret_keys` are set. For development.

        Raises:
            ConfigurationError: something above is missing, unsafe or contradictory.
        """
        origin = check_origin(url, allow_insecure_loopback=allow_insecure_loopback)
        where = read_storage(storage)
        seal = find_seal(secret_keys, key_file(where) if origin.url.startswith("http:") else None)
        party = rp_id or origin.host
        origins = (origin.url, *webauthn_origins)
        check_webauthn_origins(party, origins)
        if audit_kept_for is not None:
            check_positive("audit_kept_for", audit_kept_for)
        kept = stores(
            where,
            None if one_time is None else read_one_time(one_time),
            origin.url,
            seal,
            clock=clock,
            shared=shared_storage,
            allow_group_files=allow_group_files,
            audit_kept_for=audit_kept_for,
        )
        settings = Settings(
            origin=origin,
            apps=Apps(clients),
            seal=seal,
            storage=kept,
            methods=(WebAuthn(), Totp()) if methods is None else tuple(methods),
            name=check_name(name or origin.host),
            rp_id=party,
            webauthn_origins=origins,
            refuse_copies=check_choice("sign_count", sign_count, ("refuse", "report")) == "refuse",
            dpop_required=check_choice("dpop", dpop, ("required", "optional")) == "required",
            replay=None if replay is None else check_choice("replay", replay, ("node", "shared")),
            rotate_keys_after=rotate_keys_after,
            max_revocation_age=check_positive("max_revocation_age", max_revocation_age),
            login_life=check_login_life(login_life),
            users=users,
            clock=clock,
            events=Events(kept, notify, Addresses(trusted_proxies), () if notices is None else notices.kinds),
            notices=notices,
            external=opened(verifier, origin.url, allow_insecure_loopback=allow_insecure_loopback),
        )
        return cls._of(embedded(settings))

    def install(self, app: FastAPI) -> None:
        """Add the metadata, the authorization server's endpoints, health and the error responses to an application.

        The paths are one entry, the first of the router. `/stepup/health/live` says that the process answers,
        `/stepup/health/ready` whether it should be sent requests: its stores can be read, and nobody told it to end. It
        hears SIGTERM where the application's lifespan runs in the main thread of a server that listens to SIGTERM, as
        uvicorn does.

        Guards in mounted applications are answered too, and OpenAPI names every scope that a guard asks for. The routes
        are checked here and, those that were added later, when the application starts.

        Raises:
            ConfigurationError: it ran already, the application has started, or a guard asks for a scope that no client
                may have.
        """
        if Rejection in app.exception_handlers:
            raise ConfigurationError("install(app) ran already: an application has one StepUp that is installed")
        if app.middleware_stack is not None:
            raise ConfigurationError("call install(app) before the application starts")
        deployment = self._deployment
        routes = (*deployment.routes, *deployment.health.routes(PREFIX))
        entry = EmbeddedRoutes(routes, deployment.prepare)
        app.router.routes.insert(0, entry)
        look_at(app, entry, self._deployment)
        app.add_middleware(NoStore)
        app.router.lifespan_context = self._around(app.router.lifespan_context, entry)

    def requirement(
        self,
        *,
        acr: str | Iterable[str] | None = None,
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
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
            once_in_handler: the handler may call `auth.require(max_age=0)`. A token that serves one call passes this
                guard and is used up by the call, whatever the handler does then.

        Raises:
            ConfigurationError: the requirement could never be met here.
        """
        requirement = declared(acr=acr, max_age=max_age, scope=scope, reason=reason)
        return Guarded(
            self._deployment,
            self._deployment.check(requirement, once_in_handler=once_in_handler),
            once_in_handler=once_in_handler,
        )

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

    def _around(self, inner: Callable[[Any], Any], entry: EmbeddedRoutes) -> Callable[[Any], Any]:
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
