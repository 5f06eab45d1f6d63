"""The user's password, asked again: the application checks it, and nothing of it is kept."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from upstile.protocol import AnswerRequest, MalformedMessage, Offer
from upstile.server._errors import ConfigurationError
from upstile.server._hook import Hook
from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization.methods._context import MethodContext
from upstile.server.authorization.methods._method import Offered, Purpose, Traits, Verified
from upstile.server.storage import AuthenticatorRecord, User

Check = Callable[[str, str], Awaitable[bool] | bool]
"""The application's hook: whether this is the user's password. A plain function is called in a thread of its own.

It has five seconds. What it raises is answered with 503 and stays counted: let it return `False` for a wrong one."""


class Password:
    """The password, something that the person knows; beside another method it reaches `mfa` where the sign-in is old.

    It is counted like a code. A right one ends no row of wrong answers and makes no app's key known: who stole the
    password must gain nothing by typing it. Nobody enrols it, so it raises no bar and opens no enrolment.

    Args:
        check: says whether a password is a user's.
    """

    traits = Traits(name="password", enrolled=False, trusted=False)

    def __init__(self, check: Check) -> None:
        if not callable(check):
            raise ConfigurationError("check must be a function that takes a user and a password")
        self._check: Hook[[str, str], object] = Hook(check, "upstile password")

    def bind(self, context: MethodContext) -> "Password":
        """It needs nothing of the deployment."""
        return self

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """One factor, knowledge: the same as that of a sign-in by password."""
        factors = frozenset({Factor.KNOWLEDGE})
        return Proof(method=self.traits.name, factors=factors, amr=("pwd",), phishing_resistant=False, at=int(now))

    def offer(
        self,
        authenticators: Sequence[AuthenticatorRecord],
        purpose: Purpose,
        *,
        user_verification: bool,
        before: Mapping[str, Any],
    ) -> Offered:
        """Nothing has to be sent."""
        return Offered(offers=(Offer(method=self.traits.name),))

    def read(self, answer: AnswerRequest) -> str:
        """The password, as it was typed."""
        if not answer.password:
            raise MalformedMessage("password is missing")
        return answer.password

    async def verify(
        self,
        response: str,
        state: Mapping[str, Any],
        user: User,
        authenticators: Sequence[AuthenticatorRecord],
        now: float,
    ) -> Verified | None:
        """Ask the application, if the caller may use it at all."""
        if not authenticators:
            return None
        right = await self._check(user.subject, response)
        if not isinstance(right, bool):
            raise TypeError("the password check returned neither True nor False")
        if not right:
            return None
        return Verified(authenticator=authenticators[0], proof=self.potential(user_verification=False, now=now))
