"""The base login at an identity provider's page."""

from typing import TYPE_CHECKING

from upstile.client._errors import ConfigurationError, StepUpRequired
from upstile.client.authority._routes import authority_of, trip_of
from upstile.client.authority.browser._asking import as_entra, is_entra
from upstile.client.authority.browser._ceremony import BROWSER
from upstile.client.authority.browser._request import whose_api
from upstile.client.authority.browser._settings import Browser
from upstile.client.flow._flight import Ticket
from upstile.client.flow.tokens._logins import SignedInAt
from upstile.client.methods import Moment
from upstile.client.prompts import refuse_dead_lock
from upstile.client.words import TABLE
from upstile.protocol import Requirement

if TYPE_CHECKING:
    from upstile.client.flow._session import Session

OFFLINE = "offline_access"
"""The scope that asks for a refresh token (OpenID Connect Core §11)."""


def sign_in(session: "Session", subject: str | None, *, blocks: bool) -> Ticket[None]:
    """Send the person to the provider's page, and keep the sign-in that they come back with.

    Args:
        session: the client's; its issuer is the configured one, never another.
        subject: who signs in, as the app calls them; by default as the provider does.
        blocks: whether the caller's thread waits.

    Raises:
        ConfigurationError: there is no such page, or the app forbids the browser.
        StepUpRequired: nobody may be asked.
    """
    settings = session.browser
    if settings is None or not session.sign_in_at.pins.is_external:
        raise ConfigurationError(
            "sign_in() without an address signs in at an identity provider: give the client its issuer= or sign_in_at=,"
            " and a browser="
        )
    if session.interaction == "never":
        raise StepUpRequired(Requirement(), [BROWSER], hint=TABLE["sign-in-needs-you"].hint)
    if blocks:
        refuse_dead_lock(session.prompter)
    return session.ask(lambda moment: _sign_in(session, settings, subject, moment), late="browser-silent")


def _sign_in(session: "Session", settings: Browser, subject: str | None, moment: Moment) -> None:
    key = session.tokens.key_for(subject)
    described = not settings.names_resource
    place = session.sign_in_at
    target = place.look_for(place.pins.base + "/") if described else place.undescribed()
    trip = trip_of(session, settings, target, key, moment)
    authority = authority_of(session, key, moment, proves=trip.jkt is not None)
    granted, person = trip.go(authority, _asked(settings, place.pins.issuer))
    resource = whose_api(target, settings).get("resource")
    at = SignedInAt(identity=person.identity, resource=resource)
    session.tokens.sign_in(granted.response, key, subject or person.name, at)


def _asked(settings: Browser, issuer: str) -> dict[str, str]:
    """What a sign-in asks. A refresh token wants a consent (OpenID Connect Core §11); Entra asks for it by itself."""
    asked = {"scope": " ".join(settings.scope)}
    if is_entra(issuer):
        return {**asked, **as_entra(None)}
    return {**asked, "prompt": "consent"} if OFFLINE in settings.scope else asked
