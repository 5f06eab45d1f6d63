"""One running deployment, independent of any web framework: what every adapter stands on."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from secrets import token_bytes
from weakref import WeakSet

from upstile.protocol import Requirement, TokenResponse
from upstile.server._errors import AuthorizationError, ConfigurationError, Rejection
from upstile.server._health import Health
from upstile.server._http import HttpRequest
from upstile.server._keeper import Keeper
from upstile.server._notices import Notices
from upstile.server._route import Route
from upstile.server.audit import Events, SecurityEvent, refused_call
from upstile.server.authorization._possession import Possession, ProofOfPossession
from upstile.server.authorization._sign_in import SignIn
from upstile.server.authorization.enrolment._help_desk import HelpDesk
from upstile.server.authorization.tokens._tokens import ceremony_of
from upstile.server.keys._seal import Seal
from upstile.server.keys._signing import SigningKeys
from upstile.server.resource._access_token import AccessToken
from upstile.server.resource._authentication import Authentication
from upstile.server.resource._guard import Guard
from upstile.server.resource._issuer import Issuer
from upstile.server.storage import Names, Revocations, Storage, User

REPEATED = 10_000
"""Elevated tokens that this process remembers to have seen; one that it forgot is told of once more."""

_open: "WeakSet[Deployment]" = WeakSet()


@dataclass(kw_only=True, eq=False)
class Deployment:
    """A resource server with its embedded authorization server.

    Attributes:
        issuer: whose tokens are accepted.
        scopes: what tokens may carry.
        guard: judges calls.
        routes: the endpoints that an adapter mounts.
        sign_in: the seam to the application's own sign-in.
        help_desk: what is done for users, on the word of the application.
        possession: checks the DPoP proof of a sign-in.
        signing: the keys, loaded by `prepare`.
        seal: encrypts secrets at rest.
        storage: the stores, opened by `prepare`.
        names: makes the keys of one-time state.
        revocations: what ended before its time.
        events: is told what happens.
        clock: the time in epoch seconds.
        notices: sends people mails about it; `None`: nobody does.
        health: whether this process is ready.
    """

    issuer: Issuer
    scopes: frozenset[str]
    guard: Guard
    routes: tuple[Route, ...]
    sign_in: SignIn
    help_desk: HelpDesk
    possession: ProofOfPossession
    signing: SigningKeys
    seal: Seal
    storage: Storage
    names: Names
    revocations: Revocations
    events: Events
    clock: Callable[[], float]
    notices: Notices | None = None
    health: Health = field(init=False)
    _keeper: Keeper = field(init=False)
    _ready: bool = field(default=False, init=False)
    _repeated: set[str] = field(default_factory=set[str], init=False)

    def __post_init__(self) -> None:
        self.health = Health(self.ping)
        self._keeper = Keeper(
            storage=self.storage, revocations=self.revocations, signing=self.signing, clock=self.clock
        )
        _open.add(self)

    async def prepare(self) -> None:
        """Open the stores and load the keys. Runs by itself before the first call; harmless when run again.

        A forked process opens its own.
        """
        if self._ready:
            return
        await self.open()
        await self.signing.prepare(self.clock())
        if self.notices is not None:
            await self.notices.start(self.storage.durable, self.clock)
        self._keeper.start()
        self._ready = True

    async def open(self) -> None:
        """Open the stores and read what has ended: as much as the help desk needs."""
        for store in self.storage.stores:
            await store.prepare()
        self.names.load(await self.storage.durable.secret("names", token_bytes(32)))
        await asyncio.to_thread(self.revocations.look, self.clock())

    async def desk(self) -> HelpDesk:
        """The help desk of a running deployment."""
        await self.prepare()
        return self.help_desk

    async def ping(self) -> None:
        """Whether all stores can be read.

        Raises:
            StorageUnavailable: one of them cannot.
        """
        await self.prepare()
        for store in self.storage.stores:
            await store.ping()

    async def aclose(self) -> None:
        """Close the stores; a later call opens them again."""
        self._ready = False
        if self.notices is not None:
            await self.notices.stop()
        await asyncio.to_thread(self._keeper.stop)
        for store in self.storage.stores:
            await store.aclose()

    async def authenticate(
        self, request: HttpRequest, asks_once: Callable[[], bool], *, lasts: bool = False
    ) -> Authentication:
        """Verify the token of one call, once: a DPoP proof is good for one look. Raises `Rejection`.

        Args:
            request: the call.
            asks_once: whether any guard of its route asks for an authentication for this very call.
            lasts: whether it is a connection that stays, such as a websocket.
        """
        if not self._ready:
            await self.prepare()
        call = await self.guard.authenticate_or_look(request, self.clock())
        call.asks_once = asks_once
        return Authentication(self.guard, call.token, call.scheme, asks_once, self.clock, call, lasts)

    async def require(
        self, authentication: Authentication, requirement: Requirement, *, once_in_handler: bool = False
    ) -> None:
        """Judge a verified call; raises `Rejection` with the response to send instead."""
        await self.guard.require(authentication.call, requirement, self.clock(), once_in_handler=once_in_handler)

    def check(self, requirement: Requirement) -> Requirement:
        """A requirement that can be met here.

        Raises:
            ConfigurationError: none of its acr values is offered, or no client may have its scope, so that no call
                could ever pass.
        """
        if requirement.acr and not self.issuer.can_satisfy(requirement.acr):
            offered = ", ".join(self.issuer.acr_values_supported or ())
            raise ConfigurationError(f"acr={requirement.acr} can never be reached: this server offers {offered}")
        if not self.scopes.issuperset(requirement.scope):
            raise ConfigurationError(f"scope={requirement.scope}: none of the clients may have all of it")
        return requirement

    async def start_session(
        self,
        subject: str,
        *,
        amr: Sequence[str],
        request: HttpRequest | None,
        client_id: str | None,
        account: str | None,
        auth_time: float | None = None,
    ) -> TokenResponse:
        """Begin a base login; bound to the key of the request's DPoP proof, if it has one.

        NOTE: no cache may keep the response that hands the token out. An adapter sees to it: over ASGI with
        `_no_store`, elsewhere by setting `Cache-Control: no-store` on what the application answers.
        """
        await self.prepare()
        now = self.clock()
        with self.events.request(request) if request is not None else nullcontext():
            try:
                proven = request is not None and bool(request.lines(b"dpop"))
                possession = self.possession.of(request, now) if request is not None and proven else Possession()
                return await self.sign_in.start_session(
                    subject,
                    amr=amr,
                    now=now,
                    possession=possession,
                    client_id=client_id,
                    account_name=account,
                    auth_time=auth_time,
                )
            except AuthorizationError as error:
                code, detail = error.code, error.description
                self.events.note(SecurityEvent(kind="sign-in-refused", user=None, at=now, reason=code, detail=detail))
                raise

    def refused(self, rejection: Rejection, request: HttpRequest, route: str | None) -> None:
        """Tell of a call that was answered with a refusal.

        Args:
            rejection: the refusal.
            request: the call.
            route: the template of its route, such as `POST /transfers/{id}`.
        """
        address = self.events.address(request)
        self.events.note(refused_call(rejection, self.clock(), route=route, address=address))

    def is_repeat(self, token: AccessToken) -> bool:
        """Whether a call that is let in is the first one here with the token of a ceremony: to be told of, once."""
        if self.is_told(token):
            return False
        if len(self._repeated) >= REPEATED:
            self._repeated.clear()
        self._repeated.add(token.jti)
        return True

    def is_told(self, token: AccessToken) -> bool:
        """Whether nothing has to be told of a call let in with this token: it is no ceremony's, or not new here."""
        return token.jti in self._repeated or token.issuer != self.issuer.identifier or ceremony_of(token.jti) is None

    def repeated(self, token: AccessToken, request: HttpRequest, route: str | None) -> None:
        """Tell of such a call."""
        ceremony = ceremony_of(token.jti) or ("", None)
        event = SecurityEvent(
            kind="call-repeated",
            user=User(token.issuer, token.subject),
            at=self.clock(),
            client_id=token.client_id,
            ceremony=ceremony[0],
            instance=ceremony[1],
            route=route,
            address=self.events.address(request),
        )
        self.events.note(event)

    def forked(self) -> None:
        """Know, in a forked process, that nothing is open here."""
        self._ready = False
        self.revocations.forked()
        self.guard.replays.forked()


def _after_fork() -> None:
    for deployment in list(_open):
        deployment.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
