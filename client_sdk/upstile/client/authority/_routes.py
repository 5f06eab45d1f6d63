"""Which way a ceremony goes: asked here, or in the browser; by what the issuer offers and the app allows."""

from dataclasses import replace
from typing import TYPE_CHECKING

from upstile.client._errors import CeremonyFailed, ConfigurationError
from upstile.client.authority._authority import Authority
from upstile.client.authority._ceremony import Ceremony
from upstile.client.authority._discovery import Target
from upstile.client.flow._trust import instance_in, reason_in
from upstile.client.flow.tokens._logins import ElevatedToken, Granted
from upstile.client.methods import Moment
from upstile.client.words import said
from upstile.protocol import DPOP_ALGORITHMS

if TYPE_CHECKING:
    from upstile.client.authority.browser._ceremony import BrowserCeremony
    from upstile.client.authority.browser._settings import Browser
    from upstile.client.authority.browser._trip import Trip
    from upstile.client.flow._asked import Asked
    from upstile.client.flow._flight import Flight
    from upstile.client.flow._session import Session
    from upstile.client.flow.tokens._proof_key import ProofKey


def carry_out(
    session: "Session", asked: "Asked", target: Target, flight: "Flight[ElevatedToken]", moment: Moment
) -> Granted:
    """Hold the ceremony for what is asked. Where the issuer has a ceremony for apps, that one; else the browser's.

    Raises:
        StepUpError: it did not end in a token that does what was asked.
        ConfigurationError: nobody could tell whose confirmation it is.
    """
    settings, server = session.browser, target.server
    if server.authorization_challenge_endpoint is None:
        if settings is None or server.authorization_endpoint is None:
            raise CeremonyFailed(**said("no-ceremony-here"))
        flight.late = "browser-silent"
        ceremony = _in_browser(session, asked, target, settings, moment)
        return ceremony.run(authority_of(session, asked.caller.key, moment, proves=ceremony.trip.jkt is not None))
    return _here(session, asked, target, moment).run(authority_of(session, asked.caller.key, moment))


ENOUGH = 120.0
"""Seconds for which the token of a sign-in has to be good yet when a ceremony begins, for it must be when that ends."""


def lasting(session: "Session", asked: "Asked") -> "Asked":
    """The same with a new token of the sign-in, where that one ends too soon and its issuer gives another.

    Those of an identity provider live for minutes; where a ceremony is held at the provider itself, it needs none.

    Raises:
        SignInExpired: the sign-in is lost.
    """
    caller = asked.caller
    if session.sign_in_at is session.discovery:
        return asked
    from upstile.client.flow.tokens._renewal import ends_within, renewed

    if not ends_within(session, caller, ENOUGH):
        return asked
    return replace(asked, caller=renewed(session, caller))


def authority_of(session: "Session", key: "ProofKey", moment: Moment, *, proves: bool = True) -> Authority:
    """The authorization server, as a ceremony talks to it."""
    clocks = session.clock, session.monotonic
    return Authority(session.transport, key, *clocks, moment.cancel, session.server_time, proves=proves)


def trip_of(session: "Session", settings: "Browser", target: Target, key: "ProofKey", moment: Moment) -> "Trip":
    """A trip of the person to the login page and back."""
    from upstile.client.authority.browser._trip import Trip

    return Trip(
        settings=settings,
        target=target,
        client_id=session.client_id,
        jkt=key.thumbprint if _binds(settings, target) else None,
        moment=moment,
        clock=session.clock,
    )


def _binds(settings: "Browser", target: Target) -> bool:
    """Whether tokens are to be bound to our key: by default where both sides publish that they can."""
    if settings.dpop is not None:
        return settings.dpop
    offered = target.server.dpop_signing_alg_values_supported or ()
    return target.takes_bound and not set(DPOP_ALGORITHMS).isdisjoint(offered)


def _in_browser(
    session: "Session", asked: "Asked", target: Target, settings: "Browser", moment: Moment
) -> "BrowserCeremony":
    from upstile.client.authority.browser._ceremony import BrowserCeremony

    identity = session.tokens.identity(asked.caller)
    if identity is None:
        raise ConfigurationError(
            "a confirmation in the browser must be by the one who is signed in: the token that the app brings has to "
            "say whose it is, BaseToken(..., subject=THE sub OF ITS ID TOKEN); or sign in with client.sign_in()"
        )
    return BrowserCeremony(
        trip=trip_of(session, settings, target, asked.caller.key, moment),
        requirement=asked.requirement,
        reason=_reason(asked),
        api=session.pins.base,
        account=session.tokens.account,
        identity=identity,
    )


def _here(session: "Session", asked: "Asked", target: Target, moment: Moment) -> Ceremony:
    base, key = asked.caller.base, asked.caller.key
    return Ceremony(
        requirement=asked.requirement,
        reason=_reason(asked),
        instance=instance_in(asked.response) if asked.response else None,
        target=target,
        api=session.pins.base,
        client_id=session.client_id,
        jkt=key.thumbprint if target.server.dpop_signing_alg_values_supported else None,
        subject_token="" if base is None else base.access_token,
        methods=session.methods,
        moment=moment,
        clock=session.clock,
        monotonic=session.monotonic,
    )


def _reason(asked: "Asked") -> str | None:
    return asked.requirement.reason or (reason_in(asked.response) if asked.response else None)
