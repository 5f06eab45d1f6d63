"""A ceremony in the browser: the person confirms at the provider's page, and comes back as the one who signed in."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hmac import compare_digest

from upstile.client._errors import CeremonyFailed
from upstile.client._text import harmless
from upstile.client.authority._authority import Authority
from upstile.client.authority._grant import check_granted
from upstile.client.authority.browser._answer import Unmet
from upstile.client.authority.browser._asking import acrs_to_try, freshness, strength
from upstile.client.authority.browser._id_token import IdToken
from upstile.client.authority.browser._trip import Trip
from upstile.client.flow.tokens._logins import Granted
from upstile.client.prompts import Occasion, Way
from upstile.client.words import said, spoken
from upstile.protocol import Requirement

_log = logging.getLogger("upstile.client")
BROWSER = "browser"
"""What this way to confirm is called, where methods are named."""


@dataclass(frozen=True, kw_only=True)
class BrowserCeremony:
    """What one ceremony is for and with.

    Attributes:
        trip: how the person gets there and back.
        requirement: what the API asks.
        reason: the API's words.
        api: the API's origin, for prompts.
        account: what to call the person, in prompts and on the provider's page.
        identity: who they are at the provider: nobody else's confirmation counts.
    """

    trip: Trip
    requirement: Requirement
    reason: str | None
    api: str
    account: str | None = None
    identity: str = field(repr=False)

    def run(self, authority: Authority) -> Granted:
        """Carry it out.

        Raises:
            StepUpError: it did not end in a token that does what was asked.
        """
        accepted = False
        prompter, cancel = self.trip.moment.prompter, self.trip.moment.cancel
        try:
            prompter.begin(self._occasion(), Way(id=BROWSER, method=BROWSER, words=spoken(BROWSER)), (), cancel)
            granted = self._strongest(authority)
            check_granted(granted, self.requirement)
            accepted = True
        finally:
            try:
                prompter.finished(accepted)
            except Exception:
                _log.debug("the prompter could not say how it ended", exc_info=True)
        return granted

    def _occasion(self) -> Occasion:
        return Occasion(
            server=self.api,
            app=self.trip.client_id,
            account=harmless(self.account),
            reason=harmless(self.reason),
            requirement=self.requirement,
        )

    def _strongest(self, authority: Authority) -> Granted:
        """Ask for one acr after another, the next only where the provider says that the person cannot do the last."""
        server = self.trip.target.server
        *others, last = acrs_to_try(self.requirement.acr, server.acr_values_supported)
        for acr in others:
            try:
                return self._confirmed(authority, acr)
            except Unmet:
                _log.info("the provider says that the person cannot reach %s", acr)
        return self._confirmed(authority, last)

    def _confirmed(self, authority: Authority, acr: str | None) -> Granted:
        granted, person = self.trip.go(authority, self._asked(acr))
        self._check_person(person)
        # NOTE: a refresh token that came along is dropped, and not revoked: RFC 7009 §2.1 has the server end the access
        # tokens of the same grant with it, and Keycloak ends the sign-in, whose session it shares.
        return replace(granted, response=granted.response.model_copy(update={"refresh_token": None, "id_token": None}))

    def _asked(self, acr: str | None) -> Mapping[str, str]:
        asked = {**strength(acr, self.trip.target.server), **freshness(self.requirement)}
        scope = dict.fromkeys([*self.trip.settings.scope, *self.requirement.scope])
        scope.pop("offline_access", None)  # a step-up leaves nothing behind that outlives it
        if scope:
            asked["scope"] = " ".join(scope)
        if self.account is not None:
            asked["login_hint"] = self.account
        return asked

    def _check_person(self, person: IdToken) -> None:
        """A hint is a hint: whoever is signed in in the browser comes back (upstile profile §6)."""
        if not compare_digest(person.identity.encode(), self.identity.encode()):
            raise CeremonyFailed(**said("another-person"))
