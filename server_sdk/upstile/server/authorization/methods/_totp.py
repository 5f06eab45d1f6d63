"""Time-based one-time codes (RFC 6238 over RFC 4226)."""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha1
from secrets import token_bytes
from struct import pack, unpack
from typing import Any

from upstile.protocol import (
    AnswerRequest,
    MalformedMessage,
    Offer,
    VerifyRequest,
    base64url_decode,
    base64url_encode,
)
from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization.methods._key_uri import key_uri
from upstile.server.authorization.methods._method import Confirmed, Offered, Purpose, Verified
from upstile.server.keys._seal import TOTP_SEED, Seal
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
    """Codes of an authenticator app. A step is accepted once, and only steps later than the last accepted one.

    Args:
        issuer_name: what the app shows beside the account.
        seal: encrypts the seeds.
    """

    name = "totp"
    guessable = True

    def __init__(self, *, issuer_name: str, seal: Seal) -> None:
        self._issuer_name = issuer_name
        self._seal = seal

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """One factor, possession; the app does not verify its user."""
        factors = frozenset({Factor.POSSESSION})
        return Proof(method=self.name, factors=factors, amr=("otp",), phishing_resistant=False, at=int(now))

    def offer(
        self, authenticators: Sequence[AuthenticatorRecord], purpose: Purpose, *, user_verification: bool
    ) -> Offered:
        """Nothing has to be sent: the app computes the code."""
        return Offered(offer=Offer(method=self.name), state={})

    def read(self, answer: AnswerRequest) -> str:
        """The code; a code is never malformed, only wrong."""
        return _code(answer.otp)

    def verify(
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

    def enroll(
        self, user: User, id: str, account: str, existing: Sequence[AuthenticatorRecord]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A fresh seed, as the key URI that authenticator apps scan."""
        seed = token_bytes(_SEED_BYTES)
        uri = key_uri(seed, issuer=self._issuer_name, account=account, digits=DIGITS, period=PERIOD)
        sealed = self._seal.close(seed, label=TOTP_SEED, bound=_place(user, id))
        return {"seed": base64url_encode(sealed)}, {"otpauth_uri": uri}

    def read_first(self, proof: VerifyRequest) -> str:
        """The first code."""
        return _code(proof.otp)

    def confirm(self, user: User, record: AuthenticatorRecord, response: str, now: float) -> Confirmed | None:
        """Judge the first code; its step counts as used."""
        step = self._step(user, record, response, now)
        return None if step is None else Confirmed(data=record.data, counter=step)

    def _step(self, user: User, record: AuthenticatorRecord, code: str, now: float) -> int | None:
        """The time step that a code is of, if that is later than the last accepted one."""
        sealed = base64url_decode(str(record.data["seed"]))
        seed = self._seal.open(sealed, label=TOTP_SEED, bound=_place(user, record.id))
        latest = int(now) // PERIOD
        right = [
            step
            for step in range(latest, latest - STEPS_BACK - 1, -1)
            if hmac.compare_digest(totp_code(seed, step).encode(), code.encode("utf-8", "surrogatepass"))
        ]
        return right[0] if right and right[0] > record.counter else None


def _place(user: User, id: str) -> tuple[str, ...]:
    """Where a seed belongs; it opens nowhere else."""
    return user.issuer, user.subject, id, "seed"


def _code(otp: str | None) -> str:
    if otp is None:
        raise MalformedMessage("otp is missing")
    return otp
