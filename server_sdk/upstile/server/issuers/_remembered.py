"""What an issuer said about tokens, for a short while, and that it did not answer."""

import logging

from upstile.server._errors import IssuerUnavailable
from upstile.server.resource.tokens._access_token import AccessToken

MOST = 10_000
AWAY_FOR = 1.0
"""Seconds for which nobody asks again after there was no answer: so calls do not pile up."""

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
        self._away_since = None
        if self._failing:
            self._failing = False
            _log.warning("the issuer answers again")
        if len(self._young) >= MOST // 2:
            self._old, self._young = self._young, {}
        self._young[key] = said, now

    def away(self, now: float) -> bool:
        """Whether there was no answer a moment ago."""
        return self._away_since is not None and 0 <= now - self._away_since < AWAY_FOR

    def note_away(self, issuer: str, error: IssuerUnavailable, now: float) -> None:
        """Note that there was no answer; the log has it once."""
        if not self.away(now):
            self._away_since = now
        if not self._failing:
            self._failing = True
            _log.error("the issuer %s cannot be asked about tokens: %s", issuer, error)
