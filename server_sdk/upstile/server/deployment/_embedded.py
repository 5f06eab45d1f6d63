"""Puts a deployment with its embedded authorization server together: the one place that knows all parts."""

from collections.abc import Mapping
from dataclasses import dataclass

from upstile.protocol import (
    AUTHENTICATORS_SCOPE,
    RESOURCE_METADATA_PATH,
    SERVER_METADATA_PATH,
    well_known_url,
)
from upstile.server.authorization._acr import SATISFIES, offered_with
from upstile.server.authorization._endpoints import Endpoints
from upstile.server.authorization._possession import ProofOfPossession
from upstile.server.authorization._sign_in import SignIn
from upstile.server.authorization.ceremony._answer import Answers
from upstile.server.authorization.ceremony._next_step import NextSteps
from upstile.server.authorization.ceremony._sending import Sending
from upstile.server.authorization.ceremony._start import Starts
from upstile.server.authorization.ceremony._steps import Steps
from upstile.server.authorization.ceremony._subject import Subjects
from upstile.server.authorization.enrolment._beginnings import Beginnings
from upstile.server.authorization.enrolment._changes import Changes
from upstile.server.authorization.enrolment._enrolment import Enrolment
from upstile.server.authorization.enrolment._enrolment_rights import EnrolmentRights
from upstile.server.authorization.enrolment._first_codes import FirstCodes
from upstile.server.authorization.enrolment._help_desk import HelpDesk
from upstile.server.authorization.enrolment._restoring import Restoring
from upstile.server.authorization.methods import Method, MethodContext, Secrets, configured
from upstile.server.authorization.tokens._codes import Codes
from upstile.server.authorization.tokens._revocation import Revoker
from upstile.server.authorization.tokens._tokens import TokenMint
from upstile.server.authorization.user._closing import Closings
from upstile.server.authorization.user._cooling import CoolingOff
from upstile.server.authorization.user._elsewhere import Elsewhere
from upstile.server.authorization.user._ends import Ends
from upstile.server.authorization.user._restore_cancels import RestoreCancels
from upstile.server.deployment._authority import Authority
from upstile.server.deployment._deployment import Deployment
from upstile.server.deployment._documents import path_of, resource_metadata, server_metadata
from upstile.server.deployment._embedded_settings import Settings
from upstile.server.deployment._logins_elsewhere import logins_elsewhere, only_elsewhere
from upstile.server.deployment._replay import ReplaySet
from upstile.server.keys._signing import SigningKeys
from upstile.server.resource._external_logins import LoginsAt
from upstile.server.resource._guard import Guard
from upstile.server.resource._issuer import Issuer
from upstile.server.resource._refusal import Refusals
from upstile.server.resource.tokens._issuers import together
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._verifier import Verifier
from upstile.server.storage import Names, Revocations

PREFIX = "/stepup"
"""Where the embedded server's endpoints live."""


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What both halves of a deployment use."""

    verifier: SignedTokens
    subjects: Verifier
    elsewhere: Elsewhere
    signing: SigningKeys
    names: Names
    revocations: Revocations
    possession: ProofOfPossession
    methods: tuple[Method, ...]
    guard: Guard
    closings: Closings
    cooling: CoolingOff
    restore_cancels: RestoreCancels


def embedded(settings: Settings) -> Deployment:
    """Put a deployment together."""
    parts = _parts(settings)
    verifier = together(parts.verifier, *settings.external)
    mint = TokenMint(settings.url, parts.signing)
    ends = Ends(storage=settings.storage, names=parts.names, revocations=parts.revocations)
    endpoints = _endpoints(settings, parts, mint, ends)
    documents = {
        path_of(settings.url, RESOURCE_METADATA_PATH): resource_metadata(
            url=settings.url, name=settings.name, issuers=verifier.issuers, scopes=settings.apps.scopes
        ).to_members,
        path_of(settings.url, SERVER_METADATA_PATH): server_metadata(
            settings.url, PREFIX, parts.methods, parts.verifier.issuer.acr_values_supported
        ).to_members,
        f"{PREFIX}/jwks": parts.signing.jwks,
    }
    return Deployment(
        url=settings.url,
        verifier=verifier,
        external=settings.external,
        authority=_authority(settings, parts, mint, ends),
        # The server's own endpoints take its own tokens, and those of sign-ins that count here (upstile profile §8).
        guard=parts.guard if not settings.external else parts.guard.accepting(verifier),
        routes=endpoints.routes(PREFIX, documents),
        storage=settings.storage,
        names=parts.names,
        events=settings.events,
        clock=settings.clock,
    )


def _authority(settings: Settings, parts: _Parts, mint: TokenMint, ends: Ends) -> Authority:
    sign_in = SignIn(
        issuer=settings.url,
        apps=settings.apps,
        mint=mint,
        storage=settings.storage,
        names=parts.names,
        revocations=parts.revocations,
        events=settings.events,
        restore_cancels=parts.restore_cancels,
        cooling=parts.cooling,
        life=settings.login_life,
        elsewhere=only_elsewhere(logins_elsewhere(settings.external, settings.apps)),
    )
    return Authority(
        issuer=parts.verifier.issuer,
        scopes=frozenset({*settings.apps.scopes, AUTHENTICATORS_SCOPE}),
        sign_in=sign_in,
        help_desk=_help_desk(settings, parts, ends),
        possession=parts.possession,
        signing=parts.signing,
        seal=settings.seal,
        storage=settings.storage,
        names=parts.names,
        revocations=parts.revocations,
        events=settings.events,
        clock=settings.clock,
        notices=settings.notices,
    )


def _parts(settings: Settings) -> _Parts:
    url, storage, methods = settings.url, settings.storage, _methods(settings)
    reachable = offered_with([method.potential(user_verification=True, now=0) for method in methods])
    issuer = Issuer(
        identifier=url,
        satisfies=SATISFIES,
        acr_values_supported=reachable,
        marks_single_use=True,
        tells_resets=settings.cooling_off is not None,
    )
    signing = SigningKeys(storage.durable, settings.seal, url, rotate_after=settings.rotate_keys_after)
    verifier = SignedTokens(issuer=issuer, audience=frozenset({url}), keys=signing.verification, look=signing.look)
    names, replays = Names(url), ReplaySet()
    logins = logins_elsewhere(settings.external, settings.apps)
    revocations = Revocations(storage.durable, url, bound=settings.max_revocation_age, elsewhere=logins)
    subjects = _of_subjects(settings, verifier)
    refusals = Refusals(realm=settings.base.host, resource_metadata=well_known_url(url, RESOURCE_METADATA_PATH))
    return _Parts(
        verifier=verifier,
        subjects=subjects,
        elsewhere=_elsewhere(settings, logins, revocations),
        signing=signing,
        names=names,
        revocations=revocations,
        possession=ProofOfPossession(
            url=url,
            names=names,
            replays=replays if settings.replay == "node" else None,
            required=settings.dpop_required,
        ),
        methods=methods,
        closings=Closings(storage=storage, names=names),
        cooling=CoolingOff(settings.cooling_off, storage.durable, settings.events),
        restore_cancels=RestoreCancels(storage=storage, names=names, events=settings.events),
        guard=Guard(
            verifier=subjects,
            url=url,
            refusals=refusals,
            replays=replays,
            revocations=revocations,
            store=storage.one_time,
            names=names,
            replay=settings.replay,
        ),
    )


def _elsewhere(settings: Settings, logins: Mapping[str, LoginsAt], revocations: Revocations) -> Elsewhere:
    return Elsewhere(
        issuer=settings.url,
        logins=logins,
        apps=settings.apps,
        durable=settings.storage.durable,
        revocations=revocations,
        life=settings.login_life,
    )


def _of_subjects(settings: Settings, own: SignedTokens) -> Verifier:
    """The verifier of tokens that may start ceremonies: our own, and those of issuers that sign our users in."""
    there = [each for each in settings.external if each.logins is not None]
    for each in there:
        each.stepped_up_by(own.issuer)
    return together(own, *there)


def _help_desk(settings: Settings, parts: _Parts, ends: Ends) -> HelpDesk:
    return HelpDesk(
        issuer=settings.url,
        storage=settings.storage,
        names=parts.names,
        revocations=parts.revocations,
        ends=ends,
        closings=parts.closings,
        cooling=parts.cooling,
        events=settings.events,
        users=settings.users,
        clock=settings.clock,
    )


def _enrolment(settings: Settings, parts: _Parts, ends: Ends) -> tuple[Enrolment, Beginnings, Restoring]:
    storage, methods, events = settings.storage, parts.methods, settings.events
    rights = EnrolmentRights(guard=parts.guard, methods=methods, store=storage.one_time, names=parts.names)
    changes = Changes(
        guard=parts.guard,
        elsewhere=parts.elsewhere,
        rights=rights,
        durable=storage.durable,
        ends=ends,
        events=events,
    )
    first_codes = FirstCodes(changes=changes, store=storage.one_time, names=parts.names, events=events)
    return (
        Enrolment(
            changes=changes,
            rights=rights,
            methods=methods,
            closings=parts.closings,
            cooling=parts.cooling,
            events=events,
        ),
        Beginnings(changes=changes, rights=rights, methods=methods, first_codes=first_codes, events=events),
        Restoring(changes=changes, rights=rights, methods=methods, first_codes=first_codes, events=events),
    )


def _methods(settings: Settings) -> tuple[Method, ...]:
    """The methods, bound to this deployment."""
    context = MethodContext(
        issuer=settings.url,
        name=settings.name,
        rp_id=settings.rp_id,
        webauthn_origins=settings.webauthn_origins,
        secrets=Secrets(settings.seal),
    )
    return configured(settings.methods, context)


def _answers(settings: Settings, parts: _Parts, steps: Steps, subjects: Subjects) -> Answers:
    storage, events = settings.storage, settings.events
    next_steps = NextSteps(steps=steps, events=events)
    return Answers(
        issuer=settings.url,
        storage=storage,
        names=parts.names,
        steps=steps,
        subjects=subjects,
        sending=Sending(storage=storage, next_steps=next_steps, events=events),
        next_steps=next_steps,
        closings=parts.closings,
        restore_cancels=parts.restore_cancels,
        events=events,
        clock=settings.clock,
        refuse_copies=settings.refuse_copies,
    )


def _endpoints(settings: Settings, parts: _Parts, mint: TokenMint, ends: Ends) -> Endpoints:
    url, storage, events, names = settings.url, settings.storage, settings.events, parts.names
    revocations, verifier = parts.revocations, parts.verifier
    enrolment, beginnings, restoring = _enrolment(settings, parts, ends)
    enrollment_uri = f"{url}{PREFIX}/authenticators"
    subjects = Subjects(
        verifier=parts.subjects,
        elsewhere=parts.elsewhere,
        revocations=revocations,
        seal=settings.seal,
        issuer=url,
    )
    steps = Steps(names=names, methods=parts.methods, enrollment_uri=enrollment_uri)
    return Endpoints(
        clock=settings.clock,
        possession=parts.possession,
        apps=settings.apps,
        starts=Starts(
            resources=frozenset({url}),
            issuer=url,
            apps=settings.apps,
            subjects=subjects,
            steps=steps,
            restore_cancels=parts.restore_cancels,
            storage=storage,
            names=names,
            cooling=parts.cooling,
            events=events,
        ),
        answers=_answers(settings, parts, steps, subjects),
        codes=Codes(issuer=url, store=storage.one_time, names=names, mint=mint, revocations=revocations, events=events),
        revoker=Revoker(verifier=verifier, store=storage.one_time, names=names, revocations=revocations, events=events),
        enrolment=enrolment,
        beginnings=beginnings,
        restoring=restoring,
        refusals=parts.guard.refusals,
        events=events,
    )
