"""What an issuer said about tokens, for a short while, and that it did not answer."""

import logging

from upstile.server._errors import IssuerUnavailable
from upstile.server.resource.tokens._access_token import AccessToken

MOST = 10_000
AWAY_FOR = 1.0
"""Seconds for which nobody asks again after there was no answer: so calls do not pile up."""
TOLD_AGAIN_AFTER = 60.0
"""Seconds after which the log has another token about which the issuer says something odd."""

_log = logging.getLogger("upstile.server")
_Said = tuple[AccessToken | str, float]
"""A token, or why it is none; and when that was said."""


class Remembered:
    """Answers by the SHA-256 of the token, in two generations that are dropped whole.

    Args:
        good_for: seconds for which a token is remembered, and never longer than it lives.
        refused_for: seconds for which a refusal is.
    """

    def __init__(self, good_for: float, refused_for: float) -> None:
        self._good_for = good_for
        self._refused_for = min(refused_for, good_for)
        self._young: dict[bytes, _Said] = {}
        self._old: dict[bytes, _Said] = {}
        self._away_since: float | None = None
        self._failing = False
        self._odd_told_at = -TOLD_AGAIN_AFTER
        self.heard = 0
        """How many answers there were."""

    def get(self, key: bytes, now: float) -> AccessToken | str | None:
        """What was said; `None` where that is too long ago, or, as for a clock that was set back, is yet to come."""
        found = self._young.get(key) or self._old.get(key)
        if found is None:
            return None
        said, at = found
        if isinstance(said, str):
            return said if at <= now <= at + self._refused_for else None
        return said if at <= now <= at + self._good_for and now < said.expires_at else None

    def put(self, key: bytes, said: AccessToken | str, now: float) -> None:
        """Remember an answer."""
        self.heard += 1
        self._away_since = None
        if self._failing:
            self._failing = False
            _log.warning("the issuer answers again")
        self._keep(key, said, now)

    def hand_over(self, key: bytes, said: AccessToken | str, now: float) -> None:
        """Let one who waited for an answer find it, were it too old to be remembered, or of a clock set back since."""
        if self.get(key, now) is None:
            ended = not isinstance(said, str) and now >= said.expires_at
            self._keep(key, "expired" if ended else said, now)

    def away(self, now: float) -> bool:
        """Whether there was no answer a moment ago."""
        return self._away_since is not None and 0 <= now - self._away_since < AWAY_FOR

    def note_away(self, issuer: str, error: IssuerUnavailable, now: float, heard: int) -> None:
        """Note that there was no answer; the log has it once.

        Args:
            issuer: whose.
            error: what there was instead.
            now: epoch seconds.
            heard: how many answers there had been when the question was asked: if others had theirs since, the issuer
                is there.
        """
        if self.heard != heard:
            self.note_odd(issuer, error, now)
            return
        if not self.away(now):
            self._away_since = now
        if not self._failing:
            self._failing = True
            _log.error("the issuer %s cannot be asked about tokens: %s", issuer, error)

    def note_odd(self, issuer: str, error: IssuerUnavailable, now: float) -> None:
        """Note that there was none about one token; the log has one a minute."""
        if abs(now - self._odd_told_at) >= TOLD_AGAIN_AFTER:
            self._odd_told_at = now
            _log.error("the issuer %s cannot be asked about a token: %s", issuer, error)

    def _keep(self, key: bytes, said: AccessToken | str, now: float) -> None:
        if len(self._young) >= MOST // 2:
            self._old, self._young = self._young, {}
        self._young[key] = said, now
