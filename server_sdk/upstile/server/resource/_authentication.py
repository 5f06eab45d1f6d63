"""What a handler is given: who called, how they authenticated, and a way to ask for more."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from upstile.protocol import Requirement
from upstile.server._errors import ConfigurationError
from upstile.server._http import HttpRequest
from upstile.server.resource._guard import Guard
from upstile.server.resource._guarded_call import GuardedCall
from upstile.server.resource.tokens._access_token import AccessToken


class Authentication:
    """The authentication behind one call.

    A guard hands it to the handler. It lives as long as the call: a requirement that the handler adds is judged on
    the same token and answered in the same scheme.
    """

    __slots__ = ("_asks_once", "_call", "_clock", "_guard", "_opened_by", "_scheme", "token")

    token: AccessToken
    """Everything that the verified access token says."""

    def __init__(
        self,
        guard: Guard,
        token: AccessToken,
        scheme: str,
        asks_once: Callable[[], bool],
        clock: Callable[[], float],
        call: GuardedCall | None = None,
        opened_by: HttpRequest | None = None,
    ) -> None:
        self._guard = guard
        self.token = token
        self._scheme = scheme
        self._asks_once = asks_once
        self._clock = clock
        self._call = call
        self._opened_by = opened_by

    @property
    def call(self) -> GuardedCall:
        """What further requirements of the call are judged on; most calls have none, so it is made when one comes."""
        if self._call is None:
            self._call = GuardedCall(self.token, self._scheme, self._asks_once, opened_by=self._opened_by)
        return self._call

    @property
    def subject(self) -> str:
        """The user, as the issuer names them."""
        return self.token.subject

    @property
    def client_id(self) -> str:
        """The app that called."""
        return self.token.client_id

    @property
    def scope(self) -> frozenset[str]:
        """What the token may do."""
        return self.token.scope

    @property
    def acr(self) -> frozenset[str]:
        """The authentication context classes that are satisfied."""
        return self.token.acr

    @property
    def amr(self) -> tuple[str, ...]:
        """The methods that were used (RFC 8176)."""
        return self.token.amr

    @property
    def auth_time(self) -> float | None:
        """When the user authenticated, in epoch seconds."""
        return self.token.auth_time

    def require(
        self,
        *,
        acr: str | Iterable[str] | None = None,
        max_age: int | None = None,
        scope: str | Iterable[str] = (),
        reason: str | None = None,
        settled: bool = False,
    ) -> None:
        """Ask for more, now that the handler knows what the call is about.

        It is not a coroutine on purpose: a forgotten `await` would let the call pass. Call it before anything is
        changed, because the client repeats the whole call.

        A token that has expired since, or has ended as far as this process knows, does not suffice any more: so a
        websocket's handler that calls it for each message, without arguments too, stops when the token does. Where an
        issuer is asked about tokens, it stops when the answer is too old, because this cannot wait for another: await
        the guard instead, which asks. A websocket is one call: the first `max_age=0`, its guard's included, is met, and
        no other.

        Args:
            acr: as for `server.require`.
            max_age: the same, in seconds.
            scope: the same.
            reason: the same.
            settled: the same.

        Raises:
            Rejection: the authentication does not suffice; the framework's adapter sends the challenge.
            ConfigurationError: `max_age=0` on a route whose guard does not say `once_in_handler=True`, or where the
                storage cannot consume a token without waiting.
        """
        requirement = declared(acr=acr, max_age=max_age, scope=scope, reason=reason, settled=settled)
        if requirement.for_this_call and self._guard.marks_single_use and not self.call.asks_once():
            raise ConfigurationError("auth.require(max_age=0) needs once_in_handler=True at the guard of its route")
        self.look_again(requirement)
        _run_without_waiting(self._guard.require(self.call, requirement, self._clock()))

    def look_again(self, requirement: Requirement) -> None:
        """See that what was verified still counts, by what this process knows, before it is judged once more.

        Raises:
            Rejection: the token has expired or ended, or the connection has had its one call.
        """
        self._guard.look_again(self.call, self._clock())
        self._refuse_second(requirement)

    async def look_again_or_ask(self, requirement: Requirement, *, begun: bool) -> None:
        """The same; where this process cannot tell any more, the issuer is asked.

        Args:
            requirement: what is asked.
            begun: for a websocket: whether it is open. Then the guards of its handshake have asked, and it is one call.

        Raises:
            Rejection: as `look_again`; or 503 where the issuer could not be asked.
        """
        await self._guard.look_again_or_ask(self.call, self._clock())
        if begun:
            self._refuse_second(requirement)

    def _refuse_second(self, requirement: Requirement) -> None:
        call = self.call
        if requirement.for_this_call and self._opened_by is not None and call.served:
            raise self._guard.challenge(call.scheme, requirement, call.token, used=True)

    def __repr__(self) -> str:
        return f"Authentication(subject={self.subject!r}, client_id={self.client_id!r}, acr={sorted(self.acr)})"


def declared(
    *,
    acr: str | Iterable[str] | None,
    max_age: int | None,
    scope: str | Iterable[str],
    reason: str | None,
    settled: bool = False,
) -> Requirement:
    """A requirement as an API author writes it.

    Raises:
        ConfigurationError: `acr` is empty, and a list that came out empty would let any token pass; or `settled` has no
            `acr` beside it.
        TypeError, ValueError: as `Requirement`.
    """
    requirement = Requirement(
        acr=() if acr is None else acr, max_age=max_age, scope=scope, reason=reason, settled=settled
    )
    if acr is not None and not requirement.acr:
        raise ConfigurationError("acr is empty: leave it out where any token will do")
    if settled and not requirement.acr:
        # A sign-in from before a reset by an enrolment code goes on; only a proof from after it knows of the reset.
        raise ConfigurationError('settled=True needs acr= beside it, such as acr="mfa": a sign-in alone shows no proof')
    return requirement


def _run_without_waiting(work: Coroutine[Any, Any, None]) -> None:
    # Only the consumption of a single-use token touches storage, and the SQLite store never suspends.
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise ConfigurationError("this storage has to wait: declare max_age=0 on the route, not in the handler")
