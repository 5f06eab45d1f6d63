"""What an authentication method of the embedded server is: offer, send, read, verify; enroll, confirm.

To add a method, write a class with the verbs of `Method`, and of `Enrols` where users enrol it, and name it in
`StepUp.embedded(methods=[…])`. One object serves many requests at once, of one deployment: what it keeps of a user is
in `AuthenticatorRecord.data`, what it keeps of a ceremony in the state of its offer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from upstile.protocol import AnswerRequest, Offer, VerifyRequest
from upstile.server.audit import EventKind
from upstile.server.authorization._acr import Proof
from upstile.server.authorization.methods._context import MethodContext
from upstile.server.storage import AuthenticatorRecord, User


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What the server has to know of a method to treat it right.

    Attributes:
        name: the `authn_method` on the wire, at most 24 characters.
        guessable: whether a wrong answer may be a guess, so that it counts against all budgets (upstile profile §7).
        channel: where several methods share a name: which one this is. An answer says by `authn_id` which
            authenticator it is about.
        enrolled: whether users enrol it: then it has the verbs of `Enrols`; otherwise everybody has it, and what it
            proves is known elsewhere.
        backup: whether it is a way back beside others: never the first that is enrolled, never the last that is left,
            in use at once, and one of a user.
        trusted: whether a right answer is a *success* (upstile profile §7): it ends rows of wrong answers, and makes
            the app's key known.
    """

    name: str
    guessable: bool = True
    channel: str | None = None
    enrolled: bool = True
    backup: bool = False
    trusted: bool = True

    @property
    def key(self) -> str:
        """What its authenticators, and its part of a ceremony, are stored by."""
        return self.name if self.channel is None else f"{self.name}:{self.channel}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Purpose:
    """What a proof will be for; WebAuthn binds its challenge to it."""

    client_id: str
    jkt: str | None
    resource: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """A method's part of a step: what the client sees, and what the server must remember to judge the answer.

    Attributes:
        offers: one, or one for each authenticator that can be chosen.
        state: JSON; the next offer of the same ceremony gets it, too.
        until: how long the person may need for it, where that is longer than a step (epoch seconds).
    """

    offers: tuple[Offer, ...]
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    until: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A right answer.

    Attributes:
        authenticator: which one gave it.
        proof: what it proves.
        counter: what it uses up: the authenticator's counter from now on, which must be above the stored one. Where
            both are 0 there is nothing to use up.
        back_from: the counter that `counter` is not above, though it has to be: there may be a copy of the
            authenticator (WebAuthn §7.2). `None` where all is well.
        data: what the authenticator keeps from now on, `None` where nothing changed.
        tells: what the person is told besides.
        codes_left: how many more codes the authenticator has, where they run out.
    """

    authenticator: AuthenticatorRecord
    proof: Proof
    counter: int = 0
    back_from: int | None = None
    data: Mapping[str, Any] | None = None
    tells: tuple[EventKind, ...] = ()
    codes_left: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmed:
    """A right first proof: what the authenticator keeps, its counter, and how it says that it can be reached."""

    data: Mapping[str, Any]
    counter: int = 0
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An authenticator that a user wants to enrol.

    Attributes:
        user: who.
        id: of the new authenticator.
        account: what the user calls the account.
        existing: the user's active authenticators of this method.
        destination: where codes are to be sent, as the request says it.
    """

    user: User
    id: str
    account: str
    existing: Sequence[AuthenticatorRecord] = ()
    destination: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolled:
    """What a new authenticator keeps, and what its owner needs.

    Attributes:
        data: what it keeps, secrets sealed by `MethodContext.secrets`.
        members: members of the `EnrollResponse`, such as `otpauth_uri` or `codes`.
        sends_to: where codes will be sent, in one spelling: what goes there is counted.
    """

    data: Mapping[str, Any]
    members: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    sends_to: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A code is to be sent.

    Attributes:
        user, record: to whom, and where.
        account: what the user calls the account, if that is known.
        app: the `client_id` that asks.
        purpose: what for.
        requirement, language, address: what is known of the request.
        now: epoch seconds.
    """

    user: User
    record: AuthenticatorRecord
    account: str | None
    app: str
    purpose: Literal["confirm", "enrol", "restore", "restore-asked"]
    requirement: str | None = None
    language: str | None = None
    address: str | None = None
    now: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A code is on its way.

    Attributes:
        state: what the offer remembers from now on; `sent` is when (epoch seconds), `until` how long it is good.
    """

    state: Mapping[str, Any]


@runtime_checkable
class Sends(Protocol):
    """What a method can do besides if its codes have to be sent. An answer without one asks for that."""

    async def send(self, order: Order) -> Sent | None:
        """Send a code, within a few seconds; `None` if that failed. No transaction is open meanwhile."""
        ...


@runtime_checkable
class Restores(Protocol):
    """What a method can do besides if its destinations are told of a way back that somebody asks for."""

    @property
    def restores(self) -> bool:
        """Whether a code that restores an account may be sent to its destinations."""
        ...

    async def tell(self, order: Order, code: str | None) -> bool:
        """Say that a way back was asked for, or send the code of one, within a few seconds; whether that was done."""
        ...


@runtime_checkable
class Mails(Protocol):
    """What a method can do besides if it sends mails: then `notices=` say nothing twice at one address."""

    def mailed_to(self, user: User, record: AuthenticatorRecord) -> str | None:
        """The address that `tell` writes to, its domain in ASCII; `None` where that is no mail."""
        ...


class Method(Protocol):
    """One way to prove who one is; `Enrols` is one that users enrol."""

    @property
    def traits(self) -> Traits:
        """How it is to be treated."""
        ...

    def bind(self, context: MethodContext) -> "Method":
        """The same method as a part of one deployment; called once, before anything else is."""
        ...

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """The proof that a right answer would give; without factors it never helps to reach an acr."""
        ...

    def offer(
        self,
        authenticators: Sequence[AuthenticatorRecord],
        purpose: Purpose,
        *,
        user_verification: bool,
        before: Mapping[str, Any],
    ) -> Offered:
        """Ask for a proof by one of the user's active authenticators of this method.

        Args:
            authenticators: those that may be used; at least one.
            purpose: what the proof will be for.
            user_verification: whether the answer must show it.
            before: the state of the step before; empty at the first, and after a right answer.
        """
        ...

    def read(self, answer: AnswerRequest) -> Any:
        """Take the method's member out of an answer.

        Raises:
            MalformedMessage: it is missing or malformed; nothing is counted then.
        """
        ...

    async def verify(
        self,
        response: Any,
        state: Mapping[str, Any],
        user: User,
        authenticators: Sequence[AuthenticatorRecord],
        now: float,
    ) -> Verified | None:
        """Judge an answer against what `offer` remembered; `None` if it is wrong.

        Nothing of this server's is read or written. It may ask elsewhere, for a few seconds; an error that it raises,
        or more time than that, is answered with 503, and the try stays counted: an answer that breaks the check must
        not be a free guess.
        """
        ...


@runtime_checkable
class Enrols(Method, Protocol):
    """A method that users enrol, as its `Traits` say: an authenticator begins, and is in use after a first proof."""

    async def enroll(self, wanted: Wanted) -> Enrolled:
        """Begin to enrol, within a few seconds: an error that it raises, or more time, is answered with 503.

        Raises:
            MalformedMessage: what was asked for makes no sense, such as the destination.
        """
        ...

    def read_first(self, proof: VerifyRequest) -> Any:
        """Take the method's member out of the first proof of a pending authenticator.

        Raises:
            MalformedMessage: it is missing; nothing is counted then.
        """
        ...

    async def confirm(self, user: User, record: AuthenticatorRecord, response: Any, now: float) -> Confirmed | None:
        """Judge the first proof of a pending authenticator; `None` if it is wrong.

        It has as long as `verify`, and what it raises counts the try too.
        """
        ...
