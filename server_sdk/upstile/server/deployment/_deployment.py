"""One running deployment, independent of any web framework: what every adapter stands on."""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from weakref import WeakSet

from upstile.protocol import Requirement
from upstile.server._errors import ConfigurationError, IssuerUnavailable, Rejection
from upstile.server._http import HttpRequest
from upstile.server._route import Route
from upstile.server.audit import Events, SecurityEvent, refused_call
from upstile.server.authorization.tokens._tokens import ceremony_of
from upstile.server.deployment._authority import Authority, open_stores
from upstile.server.deployment._health import Health
from upstile.server.deployment._keeper import Keeper
from upstile.server.inspection._call import DeclaredCall
from upstile.server.resource._authentication import Authentication
from upstile.server.resource._external import External
from upstile.server.resource._guard import Guard
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._verifier import Verifier
from upstile.server.storage import Names, Storage, User

REPEATED = 10_000
"""Elevated tokens that this process remembers to have seen; one that it forgot is told of once more."""

Calls = Callable[[], Iterable[DeclaredCall]]
"""What an application answers, asked anew each time: routes may still be added."""
_open: "WeakSet[Deployment]" = WeakSet()


@dataclass(kw_only=True, eq=False)
class Deployment:
    """A resource server, with an embedded authorization server or without.

    Attributes:
        url: its public base URL.
        verifier: for the tokens of all issuers that are accepted.
        external: the verifiers of those that are not our own.
        authority: the embedded authorization server, if there is one.
        guard: judges calls.
        routes: the endpoints that an adapter mounts.
        storage: the stores, opened by `prepare`, if there are any.
        names: makes the keys of one-time state.
        events: is told what happens.
        clock: the time in epoch seconds.
        health: whether this process is ready.
        applications: what each application that it is installed in answers.
    """

    url: str
    verifier: Verifier
    external: tuple[External, ...] = ()
    authority: Authority | None = None
    guard: Guard
    routes: tuple[Route, ...]
    storage: Storage | None
    names: Names
    events: Events
    clock: Callable[[], float]
    health: Health = field(init=False)
    applications: list[Calls] = field(default_factory=list[Calls], init=False)
    _keepers: tuple[Keeper, ...] = field(init=False)
    _ready: bool = field(default=False, init=False)
    _declared: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]], init=False)
    _repeated: set[str] = field(default_factory=set[str], init=False)

    def __post_init__(self) -> None:
        self.health = Health(self.ping)
        chores = {} if self.authority is None else dict(self.authority.chores())
        chores |= {type(store).__name__: store.tidy for store in (self.storage.stores if self.storage else ())}
        asked = {f"the issuer {each.issuers[0].identifier}": each.tick for each in self.external}
        # NOTE: in a thread of its own: an issuer that hangs must not keep anybody from reading what was revoked.
        self._keepers = (Keeper(chores, self.clock), Keeper(asked, self.clock))
        _open.add(self)

    @property
    def own(self) -> Authority:
        """The embedded authorization server.

        Raises:
            ConfigurationError: there is none.
        """
        if self.authority is None:
            raise ConfigurationError("this API has no authorization server of its own: StepUp.embedded(...) makes one")
        return self.authority

    async def prepare(self) -> None:
        """Open the stores, load the keys, ask the issuers. Runs by itself before the first call.

        Harmless when run again; a forked process opens its own.
        """
        if self._ready:
            return
        if self.authority is not None:
            await self.authority.prepare()
        elif self.storage is not None:
            await open_stores(self.storage, self.names)
        for each in self.external:
            await each.prepare()
        self.check_declared()
        for keeper in self._keepers:
            keeper.start()
        self._ready = True

    async def running(self) -> Authority:
        """The embedded authorization server, open.

        Raises:
            ConfigurationError: there is none.
        """
        authority = self.own
        await self.prepare()
        return authority

    async def ping(self) -> None:
        """Whether all stores can be read, and the tokens of all issuers judged.

        Raises:
            StorageUnavailable, IssuerUnavailable: they cannot.
        """
        await self.prepare()
        for store in self.storage.stores if self.storage else ():
            await store.ping()
        for each in self.external:
            if not each.is_ready:
                raise IssuerUnavailable(f"the tokens of {each.issuers[0].identifier} cannot be judged yet")

    async def aclose(self) -> None:
        """Close the stores; a later call opens them again."""
        self._ready = False
        if self.authority is not None:
            await self.authority.hush()
        for keeper in self._keepers:
            await asyncio.to_thread(keeper.stop)
        for each in self.external:
            await each.aclose()
        if self.authority is not None:
            self.authority.revocations.closed()
        for store in self.storage.stores if self.storage else ():
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
        call.opened_by = request if lasts else None
        return Authentication(self.guard, call.token, call.scheme, asks_once, self.clock, call, call.opened_by)

    async def require(
        self, authentication: Authentication, requirement: Requirement, *, once_in_handler: bool = False
    ) -> None:
        """Judge a verified call; raises `Rejection` with the response to send instead."""
        await self.guard.require(authentication.call, requirement, self.clock(), once_in_handler=once_in_handler)

    def check(self, requirement: Requirement, *, once_in_handler: bool = False) -> Requirement:
        """A requirement that can be met here; looked at again when it is known what the issuers offer.

        Raises:
            ConfigurationError: none of its acr values is offered, no client may have its scope, or what serves one call
                cannot be remembered, so that no call could ever pass; or nobody here tells of resets.
        """
        if requirement.settled and not any(issuer.tells_resets for issuer in self.verifier.issuers):
            raise ConfigurationError("settled=True needs StepUp.embedded(..., cooling_off=SECONDS)")
        if requirement.acr:
            self._declared.add(requirement.acr)
            self._check_acr(requirement.acr)
        if self.authority is not None and not self.external and not self.authority.scopes.issuperset(requirement.scope):
            raise ConfigurationError(f"scope={requirement.scope}: none of the clients may have all of it")
        if self.storage is None and (requirement.for_this_call or once_in_handler):
            raise ConfigurationError("max_age=0 needs storage=: what serves one call has to be remembered as used")
        return requirement

    def check_declared(self) -> None:
        """Look again at what was declared, by what the issuers are known to offer now.

        Raises:
            ConfigurationError: none of the acr values of a requirement is offered.
        """
        for acr in self._declared:
            self._check_acr(acr)

    def _check_acr(self, acr: tuple[str, ...]) -> None:
        if any(issuer.can_satisfy(acr) for issuer in self.verifier.issuers):
            return
        offered = ", ".join(name for issuer in self.verifier.issuers for name in issuer.acr_values_supported or ())
        raise ConfigurationError(f"acr={acr} can never be reached: this server offers {offered}")

    @property
    def is_loopback(self) -> bool:
        """Whether it serves this machine alone, by its configured address: development, and tests."""
        return self.url.startswith("http:")

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
        own = self.authority
        return (
            own is None
            or token.issuer != own.issuer.identifier
            or token.jti in self._repeated
            or ceremony_of(token.jti) is None
        )

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
        if self.authority is not None:
            self.authority.revocations.forked()
        for each in self.external:
            each.forked()
        self.guard.replays.forked()


def _after_fork() -> None:
    for deployment in list(_open):
        deployment.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
