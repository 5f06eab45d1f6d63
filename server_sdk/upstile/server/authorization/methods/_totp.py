"""Time-based one-time codes (RFC 6238 over RFC 4226)."""

import hmac
from base64 import b32encode
from collections.abc import Mapping, Sequence
from hashlib import sha1
from secrets import token_bytes
from struct import pack, unpack
from typing import Any
from urllib.parse import quote, urlencode

from upstile.protocol import AnswerRequest, MalformedMessage, Offer, VerifyRequest
from upstile.server._sealing import Seal
from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization.methods._method import Offered, Purpose, Verified
from upstile.server.storage import AuthenticatorRecord, EphemeralStore, Record, User

PERIOD = 30
"""Seconds of one step."""
DIGITS = 6
STEPS_BACK = 1
"""Steps in the past that are still accepted; none in the future is."""
_SEED_BYTES = 20
_KEPT = (STEPS_BACK + 2) * PERIOD


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
        store: where accepted steps are remembered, for as long as they could be repeated.
    """

    name = "totp"
    guessable = True

    def __init__(self, *, issuer_name: str, seal: Seal, store: EphemeralStore) -> None:
        self._issuer_name = issuer_name
        self._seal = seal
        self._store = store

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
        """The code; blanks do not matter, and a code is never malformed, only wrong."""
        return _digits(answer.otp)

    async def verify(
        self,
        response: str,
        state: Mapping[str, Any],
        authenticators: Sequence[AuthenticatorRecord],
        now: float,
    ) -> Verified | None:
        """Judge a code against the user's apps."""
        for record in authenticators:
            if await self._accept(record, response, now):
                proof = self.potential(user_verification=False, now=now)
                return Verified(authenticator=record, proof=proof, data=record.data)
        return None

    def enroll(
        self, user: User, account: str, existing: Sequence[AuthenticatorRecord]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A fresh seed, as the key URI that authenticator apps scan."""
        seed = token_bytes(_SEED_BYTES)
        secret = b32encode(seed).decode("ascii").rstrip("=")
        label = quote(f"{self._issuer_name}:{account}", safe=":@")
        parameters = {"secret": secret, "issuer": self._issuer_name, "digits": DIGITS, "period": PERIOD}
        uri = f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}&algorithm=SHA1"
        return {"seed": self._seal.close(seed).decode("ascii")}, {"otpauth_uri": uri}

    def read_first(self, proof: VerifyRequest) -> str:
        """The first code."""
        return _digits(proof.otp)

    async def confirm(self, record: AuthenticatorRecord, response: str, now: float) -> dict[str, Any] | None:
        """Judge the first code; its step counts as used."""
        return dict(record.data) if await self._accept(record, response, now) else None

    async def _accept(self, record: AuthenticatorRecord, code: str, now: float) -> bool:
        seed = self._seal.open(str(record.data["seed"]).encode("ascii"))
        latest = int(now) // PERIOD
        right = [
            step
            for step in range(latest, latest - STEPS_BACK - 1, -1)
            if hmac.compare_digest(totp_code(seed, step).encode(), code.encode())
        ]
        return bool(right) and await self._store.update(_key(record), lambda found: _advance(found, right[0]), now)


def _advance(found: Record | None, step: int) -> tuple[Record | None, bool]:
    if found is not None and int(found.value) >= step:
        return found, False
    return Record(value=b"%d" % step, expires_at=step * PERIOD + _KEPT), True


def _digits(otp: str | None) -> str:
    if otp is None:
        raise MalformedMessage("otp is missing")
    return otp.replace(" ", "").replace("-", "")


def _key(record: AuthenticatorRecord) -> str:
    return f"totp-step:{record.id}"
