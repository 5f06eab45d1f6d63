"""The parts of an embedded deployment that several others are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from upstile.protocol import (
    RESOURCE_METADATA_PATH,
    well_known_url,
)
from upstile.server.authorization._acr import SATISFIES, offered_with
from upstile.server.authorization._possession import ProofOfPossession
from upstile.server.authorization.methods import Method, MethodContext, Secrets, configured
from upstile.server.authorization.user._closing import Closings
from upstile.server.authorization.user._cooling import CoolingOff
from upstile.server.authorization.user._elsewhere import Elsewhere
from upstile.server.authorization.user._restore_cancels import RestoreCancels
from upstile.server.deployment._embedded_settings import Settings
from upstile.server.deployment._logins_elsewhere import logins_elsewhere
from upstile.server.keys._signing import SigningKeys
from upstile.server.resource._external_logins import LoginsAt
from upstile.server.resource._guard import Guard
from upstile.server.resource._issuer import Issuer
from upstile.server.resource._refusal import Refusals
from upstile.server.resource._replay import ReplaySet
from upstile.server.resource.tokens._issuers import together
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._verifier import Verifier
from upstile.server.storage import Names, Revocations


@dataclass(frozen=True, kw_only=True)
class Parts:
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


def parts_of(settings: Settings) -> Parts:
    """Make them."""
    url, storage, methods = settings.url, settings.storage, _methods(settings)
    reachable = offered_with([method.potential(user_verification=True, now=0) for method in methods])
    issuer = _issuer(settings, reachable)
    signing = SigningKeys(storage.durable, settings.seal, url, rotate_after=settings.rotate_keys_after)
    verifier = SignedTokens(issuer=issuer, audience=frozenset({url}), keys=signing.verification, look=signing.look)
    names, replays = Names(url), ReplaySet()
    logins = logins_elsewhere(settings.external, settings.apps)
    revocations = Revocations(storage.durable, url, bound=settings.max_revocation_age, elsewhere=logins)
    subjects = _of_subjects(settings, verifier)
    refusals = Refusals(realm=settings.base.host, resource_metadata=well_known_url(url, RESOURCE_METADATA_PATH))
    return Parts(
        verifier=verifier,
        subjects=subjects,
        elsewhere=_elsewhere(settings, logins, revocations),
        signing=signing,
        names=names,
        revocations=revocations,
        possession=_possession(settings, names, replays),
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


def _possession(settings: Settings, names: Names, replays: ReplaySet) -> ProofOfPossession:
    noted = replays if settings.replay == "node" else None
    return ProofOfPossession(url=settings.url, names=names, replays=noted, required=settings.dpop_required)


def _issuer(settings: Settings, reachable: tuple[str, ...]) -> Issuer:
    return Issuer(
        identifier=settings.url,
        satisfies=SATISFIES,
        acr_values_supported=reachable,
        marks_single_use=True,
        tells_resets=settings.cooling_off is not None,
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
