"""One running deployment, independent of any web framework: what every adapter stands on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from upstile.protocol import Requirement, TokenResponse
from upstile.server._errors import ConfigurationError
from upstile.server._http import HttpRequest
from upstile.server.authorization._endpoints import Route
from upstile.server.authorization._possession import ProofOfPossession
from upstile.server.authorization._sign_in import SignIn
from upstile.server.authorization._signing import SigningKeys
from upstile.server.resource._authentication import Authentication
from upstile.server.resource._guard import Guard
from upstile.server.resource._issuer import Issuer
from upstile.server.storage import DurableStore, EphemeralStore


@dataclass(kw_only=True)
class Deployment:
    """A resource server with its embedded authorization server.

    Attributes:
        issuer: whose tokens are accepted.
        scopes: what tokens may carry.
        guard: judges calls.
        routes: the endpoints that an adapter mounts.
        sign_in: the seam to the application's own sign-in.
        possession: checks the DPoP proof of a sign-in.
        signing: the keys, loaded by `prepare`.
        durable, ephemeral: the stores, opened by `prepare`.
        clock: the time in epoch seconds.
    """

    issuer: Issuer
    scopes: frozenset[str]
    guard: Guard
    routes: tuple[Route, ...]
    sign_in: SignIn
    possession: ProofOfPossession
    signing: SigningKeys
    durable: DurableStore
    ephemeral: EphemeralStore
    clock: Callable[[], float]
    _ready: bool = field(default=False, init=False)

    async def prepare(self) -> None:
        """Open the stores and load the keys. Runs by itself before the first call; harmless when run again."""
        if self._ready:
            return
        await self.durable.prepare()
        await self.ephemeral.prepare()
        await self.signing.prepare()
        self._ready = True

    async def aclose(self) -> None:
        """Close the stores; a later call opens them again."""
        self._ready = False
        await self.durable.aclose()
        await self.ephemeral.aclose()

    async def authenticate(self, request: HttpRequest, asks_once: Callable[[], bool]) -> Authentication:
        """Verify the token of one call, once: a DPoP proof is good for one look. Raises `Rejection`.

        Args:
            request: the call.
            asks_once: whether any guard of its route asks for an authentication for this very call.
        """
        if not self._ready:
            await self.prepare()
        call = self.guard.authenticate(request, self.clock())
        call.asks_once = asks_once
        return Authentication(self.guard, call, self.clock)

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
    ) -> TokenResponse:
        """Begin a base login; bound to the key of the request's DPoP proof, if it has one."""
        await self.prepare()
        now = self.clock()
        proven = request is not None and bool(request.lines(b"dpop"))
        jkt = self.possession.key(request, now) if request is not None and proven else None
        return await self.sign_in.start_session(
            subject, amr=amr, now=now, jkt=jkt, client_id=client_id, account=account
        )

    async def enrolment_code(self, subject: str) -> str:
        """A code for a first enrolment."""
        await self.prepare()
        return await self.sign_in.enrolment_code(subject, self.clock())

    async def disable_authenticators(self, subject: str) -> None:
        """Take all that a user has enrolled out of use."""
        await self.prepare()
        await self.sign_in.disable_authenticators(subject, self.clock())
