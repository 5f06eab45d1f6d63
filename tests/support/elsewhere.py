"""An API with its own authorization server, whose users sign in at another issuer."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from typing import Any
from unittest.mock import patch

from support.clocks import Clock, SettableClock
from support.external_api import ExternalApi, served
from support.issuer_server import IssuerServer
from support.wire_driver import URL, WireApp, thumbprint
from upstile.server import App
from upstile.server.authorization.ceremony import _overload
from upstile.server.fastapi import StepUp
from upstile.server.issuers import ExternalLogins, IntrospectionVerifier, JWTVerifier

BY_PASSWORD = ExternalLogins(trusted_amr={"pwd"})


@dataclass
class Elsewhere:
    """The API, its issuer, and who uses them.

    Attributes:
        api: the API.
        issuer: where people sign in.
        clock: everybody's.
    """

    api: ExternalApi
    issuer: IssuerServer
    clock: Clock

    @property
    def server(self) -> StepUp:
        """The API's guards."""
        return self.api.server

    def app(self, *, at: IssuerServer | None = None, **claims: Any) -> WireApp:
        """An app with a key of its own whose person has just signed in by password."""
        app = WireApp(self.api.http, self.clock, client_id="cli")
        app.token = self.token(app, at=at, **claims)
        return app

    def token(self, app: WireApp | None, *, at: IssuerServer | None = None, **claims: Any) -> str:
        """A token of the issuer for an app, bound to its key; without one a bearer token. `None` leaves a claim out."""
        now = int(self.clock())
        usual: dict[str, Any] = {"aud": URL, "iat": now, "exp": now + 3600, "auth_time": now, "acr": "pwd"}
        own: dict[str, Any] = {"amr": ["pwd"], "sid": "a session", "jti": f"{now}"}
        bound = {} if app is None else {"cnf": {"jkt": thumbprint(app.key)}}
        return (at or self.issuer).token(**{**usual, **own, **bound, **claims})

    async def enrolled(self, **claims: Any) -> WireApp:
        """An app whose person has an authenticator app."""
        app = self.app(**claims)
        reply = await app.enroll_totp()
        assert reply.status_code == 200, reply.text
        return app


@asynccontextmanager
async def elsewhere(
    storage: str,
    issuer: IssuerServer,
    logins: ExternalLogins | None = BY_PASSWORD,
    *,
    clock: Clock | None = None,
    verifier: Callable[[], Any] | None = None,
    guards: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Any,
) -> AsyncGenerator[Elsewhere]:
    """Run one; its event loop is the test's, and late, so no start is refused for that.

    Args:
        storage: as for `StepUp.embedded`.
        issuer: where people sign in.
        logins: how that counts.
        clock: the time.
        verifier: makes other verifiers than one of signed tokens.
        guards: further ones, by path.
        options: further ones of `StepUp.embedded`.
    """
    clock = clock or SettableClock()
    made = JWTVerifier(issuer=issuer.url, audience=URL, logins=logins) if verifier is None else verifier()
    server = StepUp.embedded(
        url=URL,
        storage=storage,
        clients=[App("cli", scopes="payments"), App("web")],
        verifier=made,
        clock=clock,
        allow_insecure_loopback=True,
        **options,
    )
    judged: dict[str, Mapping[str, Any]] = {"/once": {"max_age": 0}, "/phr": {"acr": "phr"}, **(guards or {})}
    with patch.object(_overload, "LATE", inf):
        async with served(server, URL, judged) as api:
            yield Elsewhere(api, issuer, clock)


def asks_about_each(issuer: IssuerServer, logins: ExternalLogins = BY_PASSWORD) -> Callable[[], IntrospectionVerifier]:
    """Makes a verifier that asks the issuer about a token whenever it comes."""
    return lambda: IntrospectionVerifier(
        issuer=issuer.url, client_id="api", client_secret="s", audience=URL, remembered_for=0, logins=logins
    )


async def guess(app: WireApp, times: int) -> list[int]:
    """Wrong codes, each in a ceremony of its own."""
    statuses = []
    for _ in range(times):
        started = await app.start()
        reply = started.reply if started.reply.status_code != 403 else await app.answer(started, otp="000000")
        statuses.append(reply.status_code)
    return statuses
