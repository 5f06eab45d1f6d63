"""Codes that are sent: by mail, by text message (NIST SP 800-63B-4 §3.1.3.2; upstile profile §7)."""

from collections.abc import Mapping, Sequence
from copy import copy
from hashlib import sha256
from hmac import compare_digest
from secrets import randbelow
from typing import Any, Literal, Self

from upstile.protocol import AnswerRequest, Offer, VerifyRequest
from upstile.server._errors import ConfigurationError
from upstile.server._hook import Hook
from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization._lives import ENROLMENT_CODE_LIFE, RESTORE_DELAY, SENT_CODE_LIFE
from upstile.server.authorization.methods._code_message import CodeMessage, Deliver, handed_over
from upstile.server.authorization.methods._context import MethodContext
from upstile.server.authorization.methods._destination import Reads, email_address, phone_number
from upstile.server.authorization.methods._method import (
    Confirmed,
    Enrolled,
    Offered,
    Order,
    Purpose,
    Sent,
    Traits,
    Verified,
    Wanted,
)
from upstile.server.authorization.methods._typed import written_code
from upstile.server.storage import AuthenticatorRecord, User

Channel = Literal["email", "sms"]
_READS: Mapping[Channel, Reads] = {"email": email_address, "sms": phone_number}
_AMR: Mapping[Channel, tuple[str, ...]] = {"email": ("otp",), "sms": ("otp", "sms")}
_DIGITS = (6, 8)


class OutOfBandCode:
    """A code that is sent to a verified destination, good once, for ten minutes, in the ceremony that sent it.

    Args:
        deliver: hands a `CodeMessage` over.
        channel: `email` or `sms`.
        digits: 8, or 6.
        reaches_mfa: whether a right code counts as something that the person has, so that it helps to reach `mfa`. A
            mailbox is often open with a password alone, and a phone number can be taken over: it is your risk.
        restores: whether who lost everything else gets a code there that restores the account.
    """

    _context: MethodContext

    def __init__(self, deliver: Deliver, channel: Channel, *, digits: int, reaches_mfa: bool, restores: bool) -> None:
        if digits not in _DIGITS:
            raise ConfigurationError(f"digits={digits!r} must be 8, or 6")
        if not callable(deliver):
            raise ConfigurationError("deliver must be a function that takes a CodeMessage")
        self.traits = Traits(name="otp", channel=channel, trusted=reaches_mfa)
        self._channel: Channel = channel
        self._deliver: Hook[[CodeMessage], None] = Hook(deliver, "upstile deliver")
        self._digits = digits
        self._restores = restores
        self._factors = frozenset({Factor.POSSESSION} if reaches_mfa else ())

    def bind(self, context: MethodContext) -> Self:
        """The method of one deployment."""
        bound = copy(self)
        bound._context = context
        return bound

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """No factor, unless the deployment lets it count (NIST SP 800-63B-4 §3.1.3.1)."""
        amr = _AMR[self._channel]
        return Proof(method="otp", factors=self._factors, amr=amr, phishing_resistant=False, at=int(now))

    def offer(
        self,
        authenticators: Sequence[AuthenticatorRecord],
        purpose: Purpose,
        *,
        user_verification: bool,
        before: Mapping[str, Any],
    ) -> Offered:
        """Each destination, masked; what was sent stays good."""
        offers = (
            Offer(method="otp", id=record.id, channel=self._channel, hint=str(record.data["hint"]))
            for record in authenticators
        )
        return Offered(offers=tuple(offers), state=before, until=before.get("until"))

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
        """Judge a code: of this ceremony, for this destination, the last one sent, in time."""
        for record in authenticators:
            if self._is_right(response, state, user, record, now):
                return Verified(authenticator=record, proof=self.potential(user_verification=False, now=now))
        return None

    async def send(self, order: Order) -> Sent | None:
        """Make a code and hand it over; `None` if that failed, so that nothing was sent."""
        record, user = order.record, order.user
        code = str(randbelow(10**self._digits)).zfill(self._digits)
        if not await handed_over(self._deliver, self._message(order, code, SENT_CODE_LIFE)):
            return None
        sealed = self._context.secrets.close(_hash(code), user, record.id, "code")
        until = order.now + SENT_CODE_LIFE
        return Sent(state={"code": sealed, "id": record.id, "sent": order.now, "until": until})

    @property
    def restores(self) -> bool:
        """Whether a code that restores an account may be sent to its destinations."""
        return self._restores

    async def tell(self, order: Order, code: str | None) -> bool:
        """Say that a way back was asked for, or send its code; whether the hook took it."""
        lasts = RESTORE_DELAY if code is None else ENROLMENT_CODE_LIFE
        return await handed_over(self._deliver, self._message(order, code or "", lasts))

    def mailed_to(self, user: User, record: AuthenticatorRecord) -> str | None:
        """The address, where codes go by mail."""
        return self._destination(user, record) if self._channel == "email" else None

    def _destination(self, user: User, record: AuthenticatorRecord) -> str:
        return self._context.secrets.open(record.data["destination"], user, record.id, "destination").decode()

    def _message(self, order: Order, code: str, expires_in: int) -> CodeMessage:
        return CodeMessage(
            channel=self._channel,
            destination=self._destination(order.user, order.record),
            code=code,
            user=order.user,
            account=order.account,
            service=self._context.name,
            app=order.app,
            purpose=order.purpose,
            requirement=order.requirement,
            language=order.language,
            requested_at=order.now,
            address=order.address,
            expires_in=expires_in,
        )

    async def enroll(self, wanted: Wanted) -> Enrolled:
        """A destination; it is in use once a code that was sent there came back."""
        place = _READS[self._channel](wanted.destination)
        sealed = self._context.secrets.close(place.address.encode(), wanted.user, wanted.id, "destination")
        return Enrolled(data={"destination": sealed, "hint": place.hint}, sends_to=place.address)

    def read_first(self, proof: VerifyRequest) -> str:
        """The first code."""
        return written_code(proof.otp)

    async def confirm(self, user: User, record: AuthenticatorRecord, response: str, now: float) -> Confirmed | None:
        """Judge the first code."""
        if not self._is_right(response, record.data.get("sent_code") or {}, user, record, now):
            return None
        return Confirmed(data={name: record.data[name] for name in ("destination", "hint")})

    def _is_right(
        self, code: str, state: Mapping[str, Any], user: User, record: AuthenticatorRecord, now: float
    ) -> bool:
        if state.get("id") != record.id or not state["sent"] <= now + _SKEW or now >= state["until"]:
            return False
        kept = self._context.secrets.open(state["code"], user, record.id, "code")
        return compare_digest(kept, _hash(code))


_SKEW = 60
"""Seconds by which the clocks of two nodes may differ."""


class EmailCode(OutOfBandCode):
    """A code by mail.

    Args:
        deliver: hands a `CodeMessage` over to a mail server; a coroutine function, or a plain one.
        digits: 8, or 6.
        reaches_mfa: whether it counts as something that the person has; see `OutOfBandCode`.
        mail_alone_restores: whether a person who lost everything gets a code by mail that lets them enrol anew. **A
            mailbox alone then takes the account**, whatever else is enrolled: with it the password is reset. All that
            stands against it is a day in which the owner can cancel it: all destinations are told at once, and any
            sign-in with a known key, or any proof, ends it.
    """

    def __init__(
        self, deliver: Deliver, *, digits: int = 8, reaches_mfa: bool = False, mail_alone_restores: bool = False
    ) -> None:
        super().__init__(deliver, "email", digits=digits, reaches_mfa=reaches_mfa, restores=mail_alone_restores)


class SmsCode(OutOfBandCode):
    """A code by text message.

    Args:
        deliver: hands a `CodeMessage` over to whoever sends text messages; a coroutine function, or a plain one.
        digits: 8, or 6.
        reaches_mfa: whether it counts as something that the person has; see `OutOfBandCode`.
    """

    def __init__(self, deliver: Deliver, *, digits: int = 8, reaches_mfa: bool = False) -> None:
        super().__init__(deliver, "sms", digits=digits, reaches_mfa=reaches_mfa, restores=False)


def _hash(code: str) -> bytes:
    """What is kept of a code, and sealed: its few digits could be found by trying, were it a hash alone."""
    return sha256(code.encode("utf-8", "surrogatepass")).digest()
