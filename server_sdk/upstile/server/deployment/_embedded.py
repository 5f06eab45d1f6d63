"""Puts a deployment with its embedded authorization server together: the one place that knows all parts."""

from upstile.protocol import (
    AUTHENTICATORS_SCOPE,
    RESOURCE_METADATA_PATH,
    SERVER_METADATA_PATH,
)
from upstile.server.authorization._endpoints import Endpoints
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
from upstile.server.authorization.tokens._codes import Codes
from upstile.server.authorization.tokens._revocation import Revoker
from upstile.server.authorization.tokens._tokens import TokenMint
from upstile.server.authorization.user._ends import Ends
from upstile.server.deployment._authority import Authority
from upstile.server.deployment._deployment import Deployment
from upstile.server.deployment._documents import path_of, resource_metadata, server_metadata
from upstile.server.deployment._embedded_parts import Parts, parts_of
from upstile.server.deployment._embedded_settings import Settings
from upstile.server.deployment._logins_elsewhere import logins_elsewhere, only_elsewhere
from upstile.server.resource.tokens._issuers import together

PREFIX = "/stepup"
"""Where the embedded server's endpoints live."""


def embedded(settings: Settings) -> Deployment:
    """Put a deployment together."""
    parts = parts_of(settings)
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


def _authority(settings: Settings, parts: Parts, mint: TokenMint, ends: Ends) -> Authority:
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


def _help_desk(settings: Settings, parts: Parts, ends: Ends) -> HelpDesk:
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


def _enrolment(settings: Settings, parts: Parts, ends: Ends) -> tuple[Enrolment, Beginnings, Restoring]:
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


def _answers(settings: Settings, parts: Parts, steps: Steps, subjects: Subjects) -> Answers:
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


def _endpoints(settings: Settings, parts: Parts, mint: TokenMint, ends: Ends) -> Endpoints:
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
