"""An authenticator app (RFC 6238) in a test's hands."""

from base64 import b32decode
from collections.abc import Callable
from typing import cast
from urllib.parse import parse_qs, urlsplit

from upstile.server.authorization.methods._totp import PERIOD, totp_code
from upstile.server.testing._clock import Clock


class Authenticator:
    """An authenticator app: it scans the key URI of an enrolment and shows codes.

    Args:
        clock: the server's clock. A code is good once, so the app moves a `Clock` on to the next code.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seed: bytes | None = None
        self._shown = -1

    def scan(self, key_uri: str) -> None:
        """Take the secret of a key URI, `otpauth://totp/…?secret=…`.

        Raises:
            ValueError: it holds none.
        """
        secret = parse_qs(urlsplit(key_uri).query).get("secret", [""])[0]
        if not secret:
            raise ValueError("the key URI has no secret: scan the one that the enrolment shows")
        self._seed = b32decode(secret + "=" * (-len(secret) % 8))

    def code(self) -> str:
        """A code that was not shown before.

        Raises:
            RuntimeError: nothing was scanned; or this code was shown, and the clock cannot be moved on to the next.
        """
        if self._seed is None:
            raise RuntimeError("the authenticator app is empty: scan(key_uri) the URI that the enrolment shows")
        step = int(self._clock()) // PERIOD
        if step <= self._shown:
            if not hasattr(self._clock, "move"):
                raise RuntimeError(
                    "a code is good once, and this one was shown: build the server with a clock that can be moved,"
                    " StepUp.embedded(clock=Clock(), …) of upstile.server.testing"
                )
            cast(Clock, self._clock).move((self._shown + 1) * PERIOD - self._clock())
            step = int(self._clock()) // PERIOD
        self._shown = step
        return totp_code(self._seed, step)
