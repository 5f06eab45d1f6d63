"""Time-based one-time codes (RFC 6238 over RFC 4226)."""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha1
from secrets import token_bytes
from struct import pack, unpack
from typing import Any

from upstile.protocol import AnswerRequest, Offer, VerifyRequest
from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization.methods._context import MethodContext
from upstile.server.authorization.methods._key_uri import key_uri
from upstile.server.authorization.methods._method import (
    Confirmed,
    Enrolled,
    Offered,
    Purpose,
    Traits,
    Verified,
    Wanted,
)
from upstile.server.authorization.methods._typed import written_code
from upstile.server.storage import AuthenticatorRecord, User

PERIOD = 30
"""Seconds of one step."""
DIGITS = 6
STEPS_BACK = 1
"""Steps in the past that are still accepted; none in the future is."""
_SEED_BYTES = 20


def totp_code(seed: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a time step (RFC 6238 §4.2, RFC 4226 §5.3).

    Args:
        seed: the shared secret.
        step: Unix time divided by the period.
        digits: how many digits the code has.
    """
    mac = hmac.digest(seed, pack(">Q", step), sha1)
    offset = mac[-1] & 0x0F
    number = unpack(">I", mac[offset : offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


class Totp:
    """Codes of an authenticator app. A step is accepted once, and only steps later than the last accepted one."""

    traits = Traits(name="totp")
    _context: MethodContext

    def bind(self, context: MethodContext) -> "Totp":
        """The method of one deployment."""
        bound = Totp()
        bound._context = context
        return bound

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """One factor, possession; the app does not verify its user."""
        factors = frozenset({Factor.POSSESSION})
        return Proof(method=self.traits.name, factors=factors, amr=("otp",), phishing_resistant=False, at=int(now))

    def offer(
        self,
        authenticators: Sequence[AuthenticatorRecord],
        purpose: Purpose,
        *,
        user_verification: bool,
        before: Mapping[str, Any],
    ) -> Offered:
        """Nothing has to be sent: the app computes the code."""
        return Offered(offers=(Offer(method=self.traits.name),))

    def read(self, answer: AnswerRequest) -> str:
        """The code; a code is never malformed, only wrong."""
        return written_code(answer.otp)

    async def verify(
        self,
        response: str,
        state: Mapping[str, Any],
        user: User,
        authenticators: Sequence[AuthenticatorRecord],
        now: float,
    ) -> Verified | None:
        """Judge a code against the user's apps."""
        for record in authenticators:
            step = self._step(user, record, response, now)
            if step is not None:
                proof = self.potential(user_verification=False, now=now)
                return Verified(authenticator=record, proof=proof, counter=step)
        return None

    async def enroll(self, wanted: Wanted) -> Enrolled:
        """A fresh seed, as the key URI that authenticator apps scan."""
        seed = token_bytes(_SEED_BYTES)
        uri = key_uri(seed, issuer=self._context.name, account=wanted.account, digits=DIGITS, period=PERIOD)
        sealed = self._context.secrets.close(seed, wanted.user, wanted.id, "seed")
        return Enrolled(data={"seed": sealed}, members={"otpauth_uri": uri})

    def read_first(self, proof: VerifyRequest) -> str:
        """The first code."""
        return written_code(proof.otp)

    async def confirm(self, user: User, record: AuthenticatorRecord, response: str, now: float) -> Confirmed | None:
        """Judge the first code; its step counts as used."""
        step = self._step(user, record, response, now)
        return None if step is None else Confirmed(data=record.data, counter=step)

    def _step(self, user: User, record: AuthenticatorRecord, code: str, now: float) -> int | None:
        """The time step that a code is of, if that is later than the last accepted one."""
        seed = self._context.secrets.open(record.data["seed"], user, record.id, "seed")
        latest = int(now) // PERIOD
        right = [
            step
            for step in range(latest, latest - STEPS_BACK - 1, -1)
            if hmac.compare_digest(totp_code(seed, step).encode(), code.encode("utf-8", "surrogatepass"))
        ]
        return right[0] if right and right[0] > record.counter else None
