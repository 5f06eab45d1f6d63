"""Puts a deployment with its embedded authorization server together: the one place that knows all parts."""

from collections.abc import Callable
from dataclasses import dataclass

from upstile.protocol import (
    AUTHENTICATORS_SCOPE,
    DPOP_ALGORITHMS,
    PROFILE_VERSION,
    RESOURCE_METADATA_PATH,
    SERVER_METADATA_PATH,
    ResourceMetadata,
    ServerMetadata,
    well_known_url,
)
from upstile.server._deployment import Deployment
from upstile.server._events import Events
from upstile.server._replay import ReplaySet
from upstile.server._sealing import Seal
from upstile.server._settings import Origin
from upstile.server.authorization._acr import OFFERED, SATISFIES
from upstile.server.authorization._answer import Answers
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._budgets import Budgets
from upstile.server.authorization._codes import Codes
from upstile.server.authorization._endpoints import Endpoints
from upstile.server.authorization._enrolment import Enrolment
from upstile.server.authorization._enrolment_rights import EnrolmentRights
from upstile.server.authorization._logins import Logins
from upstile.server.authorization._possession import ProofOfPossession
from upstile.server.authorization._revocation import Revoker
from upstile.server.authorization._sessions import Sessions
from upstile.server.authorization._sign_in import SignIn
from upstile.server.authorization._signing import SigningKeys
from upstile.server.authorization._start import Starts
from upstile.server.authorization._steps import Steps
from upstile.server.authorization._subject import Subjects
from upstile.server.authorization._tokens import TokenMint
from upstile.server.authorization.methods import Method, Totp, WebAuthn
from upstile.server.resource._guard import Guard
from upstile.server.resource._issuer import Issuer
from upstile.server.resource._jwt import JWTVerifier
from upstile.server.resource._refusal import Refusals
from upstile.server.storage import DurableStore, EphemeralStore, Revocations

PREFIX = "/stepup"
"""Where the embedded server's endpoints live."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an embedded deployment is made of, checked by `_settings`.

    Attributes:
        origin: the public base URL; issuer and resource identifier at once.
        clients: the registered apps.
        seal: encrypts secrets at rest.
        durable, ephemeral: the stores.
        name: what people are shown.
        rp_id, webauthn_origins: the WebAuthn relying party, and the origins that its client data may name.
        dpop_required: whether ceremonies without DPoP are refused.
        clock: the time in epoch seconds.
        events: is told what happens.
    """

    origin: Origin
    clients: Apps
    seal: Seal
    durable: DurableStore
    ephemeral: EphemeralStore
    name: str
    rp_id: str
    webauthn_origins: tuple[str, ...]
    dpop_required: bool
    clock: Callable[[], float]
    events: Events

    @property
    def url(self) -> str:
        """Issuer, resource identifier and base of all endpoints."""
        return self.origin.url


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What both halves of a deployment use."""

    verifier: JWTVerifier
    signing: SigningKeys
    revocations: Revocations
    replays: ReplaySet
    possession: ProofOfPossession
    methods: tuple[Method, ...]
    guard: Guard


def embedded(settings: Settings) -> Deployment:
    """Put a deployment together."""
    shared = _shared(settings)
    logins = Logins(settings.ephemeral)
    mint = TokenMint(settings.url, shared.signing)
    sign_in = SignIn(
        issuer=settings.url,
        clients=settings.clients,
        logins=logins,
        mint=mint,
        store=settings.ephemeral,
        durable=settings.durable,
        revocations=shared.revocations,
        events=settings.events,
    )
    endpoints = _endpoints(settings, shared, logins, mint)
    documents = {
        RESOURCE_METADATA_PATH: lambda: _resource_metadata(settings).to_members(),
        SERVER_METADATA_PATH: lambda: _server_metadata(settings, shared.methods).to_members(),
        f"{PREFIX}/jwks": shared.signing.jwks,
    }
    return Deployment(
        issuer=shared.verifier.issuer,
        scopes=frozenset({*settings.clients.scopes, AUTHENTICATORS_SCOPE}),
        guard=shared.guard,
        routes=endpoints.routes(PREFIX, documents),
        sign_in=sign_in,
        possession=shared.possession,
        signing=shared.signing,
        durable=settings.durable,
        ephemeral=settings.ephemeral,
        clock=settings.clock,
    )


def _shared(settings: Settings) -> _Shared:
    url = settings.url
    issuer = Issuer(identifier=url, satisfies=SATISFIES, acr_values_supported=OFFERED, marks_single_use=True)
    signing = SigningKeys(settings.durable, settings.seal)
    verifier = JWTVerifier(issuer=issuer, audience=frozenset({url}), keys=signing.verification)
    revocations, replays = Revocations(settings.ephemeral), ReplaySet()
    refusals = Refusals(realm=settings.origin.host, resource_metadata=well_known_url(url, RESOURCE_METADATA_PATH))
    return _Shared(
        verifier=verifier,
        signing=signing,
        revocations=revocations,
        replays=replays,
        possession=ProofOfPossession(url=url, replays=replays, required=settings.dpop_required),
        methods=_methods(settings),
        guard=Guard(
            verifier=verifier,
            url=url,
            refusals=refusals,
            replays=replays,
            revocations=revocations,
            store=settings.ephemeral,
        ),
    )


def _methods(settings: Settings) -> tuple[Method, ...]:
    """All methods, the strongest first: to add one, add it here."""
    return (
        WebAuthn(
            issuer=settings.url,
            rp_id=settings.rp_id,
            rp_name=settings.name,
            origins=settings.webauthn_origins,
        ),
        Totp(issuer_name=settings.name, seal=settings.seal, store=settings.ephemeral),
    )


def _endpoints(settings: Settings, shared: _Shared, logins: Logins, mint: TokenMint) -> Endpoints:
    url, durable, ephemeral, events = settings.url, settings.durable, settings.ephemeral, settings.events
    sessions, budgets = Sessions(ephemeral), Budgets(ephemeral)
    codes = Codes(issuer=url, store=ephemeral, mint=mint, revocations=shared.revocations, events=events)
    subjects = Subjects(
        verifier=shared.verifier, logins=logins, revocations=shared.revocations, budgets=budgets, issuer=url
    )
    steps = Steps(
        issuer=url,
        methods=shared.methods,
        store=durable,
        sessions=sessions,
        budgets=budgets,
        enrollment_uri=f"{url}{PREFIX}/authenticators",
    )
    starts = Starts(
        resources=frozenset({url}),
        issuer=url,
        clients=settings.clients,
        subjects=subjects,
        steps=steps,
        budgets=budgets,
        events=events,
    )
    answers = Answers(
        issuer=url,
        sessions=sessions,
        steps=steps,
        subjects=subjects,
        budgets=budgets,
        codes=codes,
        store=durable,
        events=events,
    )
    rights = EnrolmentRights(guard=shared.guard, methods=shared.methods, logins=logins, store=ephemeral)
    enrolment = Enrolment(
        guard=shared.guard,
        rights=rights,
        methods=shared.methods,
        durable=durable,
        ephemeral=ephemeral,
        events=events,
    )
    return Endpoints(
        clock=settings.clock,
        possession=shared.possession,
        clients=settings.clients,
        starts=starts,
        answers=answers,
        codes=codes,
        revoker=Revoker(verifier=shared.verifier, logins=logins, revocations=shared.revocations, events=events),
        enrolment=enrolment,
        refusals=shared.guard.refusals,
    )


def _resource_metadata(settings: Settings) -> ResourceMetadata:
    return ResourceMetadata(
        resource=settings.url,
        resource_name=settings.name,
        authorization_servers=(settings.url,),
        scopes_supported=settings.clients.scopes or None,
        bearer_methods_supported=("header",),
        dpop_signing_alg_values_supported=DPOP_ALGORITHMS,
    )


def _server_metadata(settings: Settings, methods: tuple[Method, ...]) -> ServerMetadata:
    url = settings.url
    return ServerMetadata(
        issuer=url,
        authorization_challenge_endpoint=f"{url}{PREFIX}/challenge",
        token_endpoint=f"{url}{PREFIX}/token",
        jwks_uri=f"{url}{PREFIX}/jwks",
        revocation_endpoint=f"{url}{PREFIX}/revoke",
        authenticators_endpoint=f"{url}{PREFIX}/authenticators",
        response_types_supported=("code",),
        grant_types_supported=("authorization_code",),
        token_endpoint_auth_methods_supported=("none",),
        revocation_endpoint_auth_methods_supported=("none",),
        code_challenge_methods_supported=("S256",),
        acr_values_supported=OFFERED,
        dpop_signing_alg_values_supported=DPOP_ALGORITHMS,
        authn_methods_supported=tuple(method.name for method in methods),
        upstile_profile_versions_supported=(PROFILE_VERSION,),
    )
