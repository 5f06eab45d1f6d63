"""A person with an authenticator app whose clock a test moves."""

from urllib.parse import parse_qs, urlsplit

from support.bank_server import MovableClock
from support.totp import code_at, seed_in
from upstile.client import StepUpCancelled
from upstile.client.testing import ScriptedPrompter


class PersonWithAPhone(ScriptedPrompter):
    """Scans what is to be enrolled, and types a fresh code whenever one is asked for.

    Attributes:
        declines: whether they cancel instead.
    """

    def __init__(self, clock: MovableClock) -> None:
        super().__init__(self._fresh)
        self._clock = clock
        self._seed = b""
        self.declines = False

    def show_key_uri(self, uri: str) -> None:
        """Scan it."""
        self._seed = seed_in(parse_qs(urlsplit(uri).query)["secret"][0])

    def _fresh(self) -> str:
        if self.declines:
            raise StepUpCancelled("The person cancelled")
        self._clock.ahead += 30
        return code_at(self._seed, int(self._clock()) // 30)
