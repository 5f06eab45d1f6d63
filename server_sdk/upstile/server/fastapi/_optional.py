"""A guard that leaves callers with another login, or with none, to the application."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from upstile.server.deployment._deployment import Deployment
from upstile.server.fastapi._guard import Guarded
from upstile.server.fastapi._routes import uses
from upstile.server.fastapi._starlette import head
from upstile.server.resource._authentication import Authentication
from upstile.server.resource._credentials import are_none_of_ours

_BY_HAND = SecurityScopes()


class OptionalGuard(SecurityBase):
    """A guard as a FastAPI dependency that is `None` where a call carries nothing that is ours to judge.

    Args:
        deployment: whose issuers are ours.
        guarded: judges everything else, in full.
    """

    model = Guarded.model
    scheme_name = Guarded.scheme_name

    def __init__(self, deployment: Deployment, guarded: Guarded) -> None:
        self.guarded = guarded
        self._identifiers = frozenset(issuer.identifier for issuer in deployment.verifier.issuers)
        self._takes_opaque = any(each.takes_opaque for each in deployment.external)

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes = _BY_HAND
    ) -> Authentication | None:
        if are_none_of_ours(head(connection), self._identifiers, takes_opaque=self._takes_opaque):
            return None
        if security_scopes is _BY_HAND:
            return await self.guarded(connection)
        return await self.guarded(connection, security_scopes)


def optional_guards(dependant: Any, overrides: Mapping[Any, Any] = MappingProxyType({})) -> list[Guarded]:
    """What the optional guards of a route judge by, each with the scopes that are named where it is used.

    Args:
        dependant: what the route declares.
        overrides: what is called in place of what.
    """
    found = uses(dependant, overrides)
    return [call.guarded.with_scopes(scopes) for call, scopes, _ in found if isinstance(call, OptionalGuard)]


def is_optional(dependant: Any) -> bool:
    """Whether a route may be called without a credential: a guard of it is optional, and nothing beside it insists."""
    schemes = [call for call, _, _ in uses(dependant) if isinstance(call, SecurityBase)]
    return any(isinstance(scheme, OptionalGuard) for scheme in schemes) and not any(map(_insists, schemes))


def _insists(scheme: SecurityBase) -> bool:
    return not isinstance(scheme, OptionalGuard) and bool(getattr(scheme, "auto_error", True))
