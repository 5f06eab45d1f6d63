"""Puts a deployment without an authorization server together: an API that takes the tokens of other issuers."""

from collections.abc import Callable, Sequence
from typing import Literal

from upstile.protocol import RESOURCE_METADATA_PATH, well_known_url
from upstile.server._errors import ConfigurationError
from upstile.server._route import document_route
from upstile.server.audit import Events
from upstile.server.deployment._deployment import Deployment
from upstile.server.deployment._documents import path_of, resource_metadata
from upstile.server.deployment._settings import BaseUrl
from upstile.server.resource._external import External
from upstile.server.resource._guard import Guard
from upstile.server.resource._refusal import Refusals
from upstile.server.resource._replay import ReplaySet
from upstile.server.resource._revocation_list import NothingRevoked
from upstile.server.resource.tokens._issuers import together
from upstile.server.storage import Names, Storage


def resource_server(
    *,
    base: BaseUrl,
    name: str,
    external: Sequence[External],
    storage: Storage | None,
    replay: Literal["node", "shared"] | None,
    dpop: bool,
    events: Events,
    clock: Callable[[], float],
) -> Deployment:
    """Put a deployment together.

    Args:
        base: the public base URL, the resource identifier.
        name: what the API is called in its metadata.
        external: the verifiers of the issuers.
        storage: where it is kept what serves once; without it nothing can.
        replay: where DPoP proofs are remembered.
        dpop: whether DPoP is offered.
        events: is told what happens.
        clock: the time in epoch seconds.

    Raises:
        ConfigurationError: there is no issuer, or it could not be told whose a token is.
    """
    if not external:
        raise ConfigurationError(
            "verifier= is missing: JWTVerifier(issuer='https://id.example.com') says whose tokens count"
        )
    if any(each.logins is not None for each in external):
        raise ConfigurationError("logins= needs a server that steps people up: StepUp.embedded(...)")
    if storage is None and replay == "shared":
        raise ConfigurationError("replay='shared' needs storage=")
    url, verifier, names = base.url, together(*external), Names(base.url)
    metadata = resource_metadata(url=url, name=name, issuers=verifier.issuers, scopes=(), dpop=dpop)
    guard = Guard(
        verifier=verifier,
        url=url,
        refusals=Refusals(realm=base.host, resource_metadata=well_known_url(url, RESOURCE_METADATA_PATH), dpop=dpop),
        replays=ReplaySet(),
        revocations=NothingRevoked(),
        store=None if storage is None else storage.one_time,
        names=names,
        replay=replay,
    )
    return Deployment(
        url=url,
        verifier=verifier,
        external=tuple(external),
        guard=guard,
        routes=(document_route(path_of(url, RESOURCE_METADATA_PATH), metadata.to_members, needs_storage=False),),
        storage=storage,
        names=names,
        events=events,
        clock=clock,
    )
