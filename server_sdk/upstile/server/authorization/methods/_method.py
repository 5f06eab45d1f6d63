"""What an authentication method of the embedded server is: offer, read, verify; enroll, confirm.

To add a method, write a module with these verbs and name it where the deployment is put together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from upstile.protocol import AnswerRequest, Offer, VerifyRequest
from upstile.server.authorization._acr import Proof
from upstile.server.storage import AuthenticatorRecord, User


@dataclass(frozen=True, kw_only=True, slots=True)
class Purpose:
    """What a proof will be for; WebAuthn binds its challenge to it."""

    client_id: str
    jkt: str | None
    resource: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """A method's part of a step: what the client sees, and what the server must remember to judge the answer."""

    offer: Offer
    state: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A right answer.

    Attributes:
        authenticator: which one gave it.
        proof: what it proves.
        counter: what it uses up: the authenticator's counter from now on.
        back_from: the counter that `counter` is not above, though it has to be: there may be a copy of the
            authenticator (WebAuthn §7.2). `None` where all is well.
        data: what the authenticator keeps from now on, `None` where nothing changed.
    """

    authenticator: AuthenticatorRecord
    proof: Proof
    counter: int
    back_from: int | None = None
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmed:
    """A right first proof: what the authenticator keeps, its counter, and how it says that it can be reached."""

    data: Mapping[str, Any]
    counter: int
    transports: tuple[str, ...] = ()


class Method(Protocol):
    """One way to prove who one is."""

    @property
    def name(self) -> str:
        """The `authn_method` on the wire."""
        ...

    @property
    def guessable(self) -> bool:
        """Whether a wrong answer may be a guess, so that it counts against the user's and the login's budgets."""
        ...

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """The proof that a right answer would give."""
        ...

    def offer(
        self, authenticators: Sequence[AuthenticatorRecord], purpose: Purpose, *, user_verification: bool
    ) -> Offered:
        """Ask for a proof by one of the user's active authenticators of this method."""
        ...

    def read(self, answer: AnswerRequest) -> Any:
        """Take the method's member out of an answer.

        Raises:
            MalformedMessage: it is missing or malformed; nothing is counted then.
        """
        ...

    def verify(
        self,
        response: Any,
        state: Mapping[str, Any],
        user: User,
        authenticators: Sequence[AuthenticatorRecord],
        now: float,
    ) -> Verified | None:
        """Judge an answer against what `offer` remembered; `None` if it is wrong. Nothing is read or written."""
        ...

    def enroll(
        self, user: User, id: str, account: str, existing: Sequence[AuthenticatorRecord]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin to enrol `id`: what a pending authenticator keeps, and the members of the `EnrollResponse`."""
        ...

    def read_first(self, proof: VerifyRequest) -> Any:
        """Take the method's member out of the first proof of a pending authenticator.

        Raises:
            MalformedMessage: it is missing; nothing is counted then.
        """
        ...

    def confirm(self, user: User, record: AuthenticatorRecord, response: Any, now: float) -> Confirmed | None:
        """Judge the first proof of a pending authenticator; `None` if it is wrong."""
        ...
