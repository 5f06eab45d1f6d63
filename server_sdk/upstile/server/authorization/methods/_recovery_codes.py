"""Recovery codes on paper: ten, shown once, each good for once (upstile profile §7; NIST SP 800-63B-4 §3.1.2)."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from upstile.protocol import AnswerRequest, MalformedMessage, Offer, VerifyRequest, spoken_code
from upstile.server.audit import EventKind
from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization._spoken_code import new_code
from upstile.server.authorization.methods._context import MethodContext
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

CODES = 10
FEW = 3
"""Codes left at which the owner is told to make new ones."""


class RecoveryCodes:
    """Ten codes to write down, beside other methods. Hashes are kept, encrypted.

    Args:
        reaches_mfa: whether a code counts as something that the person has, so that it can help to reach `mfa`. Without
            it a code serves only where any proof will do: it is paper, and may have been copied.
    """

    _context: MethodContext

    def __init__(self, *, reaches_mfa: bool = False) -> None:
        # NOTE: paper that reaches nothing makes no key known: each of those would have a hundred guesses of its own.
        self.traits = Traits(name="recovery_code", backup=True, trusted=reaches_mfa)
        self._factors = frozenset({Factor.POSSESSION} if reaches_mfa else ())

    def bind(self, context: MethodContext) -> "RecoveryCodes":
        """The method of one deployment."""
        bound = RecoveryCodes(reaches_mfa=bool(self._factors))
        bound._context = context
        return bound

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """A look-up secret: possession, where the deployment lets it count."""
        name = self.traits.name
        return Proof(method=name, factors=self._factors, amr=("otp",), phishing_resistant=False, at=int(now))

    def offer(
        self,
        authenticators: Sequence[AuthenticatorRecord],
        purpose: Purpose,
        *,
        user_verification: bool,
        before: Mapping[str, Any],
    ) -> Offered:
        """Nothing has to be sent: the person has them."""
        return Offered(offers=(Offer(method=self.traits.name),))

    def read(self, answer: AnswerRequest) -> str:
        """The code, however it was written."""
        return spoken_code(written_code(answer.otp))

    async def verify(
        self,
        response: str,
        state: Mapping[str, Any],
        user: User,
        authenticators: Sequence[AuthenticatorRecord],
        now: float,
    ) -> Verified | None:
        """Judge a code against those that are left; a right one is not among them any more."""
        for record in authenticators:
            hashes = self._hashes(user, record)
            own = _hash(record.id, response)
            left = [kept for kept in hashes if not compare_digest(kept, own)]
            if len(left) < len(hashes):
                tells: tuple[EventKind, ...] = ("recovery-code-used",)
                if len(left) == FEW:
                    tells = (*tells, "recovery-codes-low")
                return Verified(
                    authenticator=record,
                    proof=self.potential(user_verification=False, now=now),
                    counter=record.counter + 1,
                    data=self._data(user, record.id, left),
                    tells=tells,
                    codes_left=len(left),
                )
        return None

    async def enroll(self, wanted: Wanted) -> Enrolled:
        """Ten fresh codes."""
        codes = [new_code() for _ in range(CODES)]
        hashes = [_hash(wanted.id, spoken_code(code)) for code in codes]
        return Enrolled(data=self._data(wanted.user, wanted.id, hashes), members={"codes": tuple(codes)})

    def read_first(self, proof: VerifyRequest) -> str:
        """There is nothing to verify: they are in use at once."""
        raise MalformedMessage("recovery codes need no verification")

    async def confirm(self, user: User, record: AuthenticatorRecord, response: str, now: float) -> Confirmed | None:
        """There is nothing to verify."""
        return None

    def _hashes(self, user: User, record: AuthenticatorRecord) -> list[str]:
        hashes: list[str] = json.loads(self._context.secrets.open(record.data["codes"], user, record.id, "codes"))
        return hashes

    def _data(self, user: User, id: str, hashes: Sequence[str]) -> dict[str, Any]:
        sealed = self._context.secrets.close(json.dumps(hashes).encode(), user, id, "codes")
        return {"codes": sealed, "left": len(hashes)}


def _hash(id: str, code: str) -> str:
    """80 random bits need no slow hash (NIST SP 800-63B-4 §3.1.2.2); the set's identifier is the salt."""
    return sha256(f"{id}\x00{code}".encode("utf-8", "surrogatepass")).hexdigest()
