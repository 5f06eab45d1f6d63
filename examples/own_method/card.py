"""A challenge card as some banks handed out: the server shows four letters, the owner types what the card says to them.

The service that knows all cards is asked whether an answer is right; this server keeps the card's number alone.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from upstile.server.methods import (
    AnswerRequest,
    AuthenticatorRecord,
    Confirmed,
    Enrolled,
    Factor,
    MalformedMessage,
    MethodContext,
    Offer,
    Offered,
    Proof,
    Purpose,
    Traits,
    User,
    Verified,
    VerifyRequest,
    Wanted,
)

Asks = Callable[[str, str, str], Awaitable[bool]]
"""Whether the card of a number says this to a challenge: number, challenge, answer."""
_LETTERS = "ABCDEFGHKLMNPRSTUVWXYZ"


class ChallengeCard:
    """Proves possession of a card.

    Args:
        asks: asks the service that knows all cards.
    """

    traits = Traits(name="card")

    def __init__(self, asks: Asks) -> None:
        self._asks = asks

    def bind(self, context: MethodContext) -> "ChallengeCard":
        """It needs nothing of the deployment."""
        return self

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """One factor: something that the person has."""
        factors = frozenset({Factor.POSSESSION})
        return Proof(method="card", factors=factors, amr=("otp",), phishing_resistant=False, at=int(now))

    def offer(
        self,
        authenticators: Sequence[AuthenticatorRecord],
        purpose: Purpose,
        *,
        user_verification: bool,
        before: Mapping[str, Any],
    ) -> Offered:
        """A challenge of its own for each step, so that no answer serves twice."""
        challenge = "".join(secrets.choice(_LETTERS) for _ in range(4))
        return Offered(offers=(Offer(method="card", nonce=challenge),), state={"challenge": challenge})

    def read(self, answer: AnswerRequest) -> str:
        """What the person typed."""
        return _typed(answer.otp)

    async def verify(
        self,
        response: str,
        state: Mapping[str, Any],
        user: User,
        authenticators: Sequence[AuthenticatorRecord],
        now: float,
    ) -> Verified | None:
        """Ask about each of the user's cards."""
        for record in authenticators:
            if await self._asks(str(record.data["number"]), str(state["challenge"]), response):
                return Verified(authenticator=record, proof=self.potential(user_verification=False, now=now))
        return None

    async def enroll(self, wanted: Wanted) -> Enrolled:
        """The destination is the number on the card; the person is shown the first challenge."""
        number = wanted.destination or ""
        if not (number.isascii() and number.isdigit() and len(number) == 8):
            raise MalformedMessage("destination: the eight digits on the card")
        return Enrolled(data={"number": number}, members={"options": {"challenge": number[:4]}})

    def read_first(self, proof: VerifyRequest) -> str:
        """What the person typed."""
        return _typed(proof.otp)

    async def confirm(self, user: User, record: AuthenticatorRecord, response: str, now: float) -> Confirmed | None:
        """Whoever has the card can say what it says to its own number."""
        number = str(record.data["number"])
        return Confirmed(data=record.data) if await self._asks(number, number[:4], response) else None


def _typed(otp: str | None) -> str:
    if otp is None:
        raise MalformedMessage("otp is missing")
    return otp
