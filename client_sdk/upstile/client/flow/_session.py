"""What the calls of one client share: whom it trusts, its key, its tokens, its ceremonies."""

from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Timer
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from upstile.client._errors import (
    NotSignedIn,
    StepUpCancelled,
    StepUpError,
    StepUpRequired,
    StepUpTimeout,
)
from upstile.client._errors import StepUpUnsatisfied as Unsatisfied
from upstile.client._events import Event as Report
from upstile.client._events import OnEvent, report
from upstile.client._exchange import Incoming, Transport
from upstile.client.authority.browser._settings import Browser
from upstile.client.flow._asked import Asked
from upstile.client.flow._elevation import Elevation, innermost
from upstile.client.flow._flight import Flight, Flights, Ticket
from upstile.client.flow._learned import Learned
from upstile.client.flow._retries import Refusals
from upstile.client.flow._trust import Pins
from upstile.client.flow.tokens._dead_ends import kind_of
from upstile.client.flow.tokens._logins import Caller, ElevatedToken
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.flow.tokens._proof_time import ProofTime
from upstile.client.flow.tokens._tokens import Tokens
from upstile.client.methods import LastCode, Method, Moment
from upstile.client.prompts import Prompter, ended, opened, refuse_dead_lock
from upstile.client.words import said
from upstile.protocol import resource_covers

if TYPE_CHECKING:
    from upstile.client.authority._discovery import Discovery, Target

T = TypeVar("T")

Interaction = Literal["auto", "never", "required"]

GRACE = 1.0
"""Seconds that a prompter has to return after the person's time is up."""


@dataclass(kw_only=True)
class Session:
    """One client's configuration and memory.

    Attributes:
        pins: the origins that are trusted.
        client_id: the app.
        tokens: the tokens held.
        discovery: finds the authorization server.
        sign_in_at: finds the one that people sign in at; the same, unless that is another one.
        transport: reaches it.
        methods: what can be done here, in order of preference.
        browser: how people confirm in the browser; `None` if they must not.
        prompter: asks the person.
        webauthn_origin: what WebAuthn client data names.
        interaction: whether anybody may be asked.
        human_timeout: seconds that a person has for one ceremony.
        clock, monotonic: the time.
        on_event: the app's hook.
        learned: what challenges have taught.
        api_time, server_time: the time of proofs for the API, and of those for the authorization server.
        refusals: what came of calls that a library above us may send again.
        renewals: renewals of the sign-in that are under way: they ask nobody, and so wait for no prompt.
    """

    pins: Pins
    client_id: str
    tokens: Tokens
    discovery: "Discovery"
    sign_in_at: "Discovery"
    transport: Transport
    methods: Sequence[Method]
    browser: Browser | None
    prompter: Prompter
    webauthn_origin: str
    interaction: Interaction
    human_timeout: float
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    on_event: OnEvent | None = None
    learned: Learned = field(init=False, repr=False, default_factory=Learned)
    api_time: ProofTime = field(init=False, repr=False)
    server_time: ProofTime = field(init=False, repr=False)
    refusals: Refusals = field(init=False, repr=False)
    renewals: Flights[Caller] = field(init=False, repr=False)
    _flights: Flights[Any] = field(init=False, repr=False)
    _last_code: LastCode = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.api_time, self.server_time = (ProofTime(lambda: self.clock(), self.monotonic) for _ in range(2))
        self.refusals = Refusals(self.monotonic)
        self._flights, self.renewals = Flights(self.monotonic), Flights(self.monotonic)
        self._last_code = LastCode(self.clock)

    @property
    def key(self) -> ProofKey:
        """The key of whoever is signed in."""
        return self.tokens.key

    def step_up(self, asked: Asked) -> Ticket[ElevatedToken]:
        """Join the ceremony for what is asked, or begin it.

        Raises:
            StepUpRequired: nobody may be asked.
            StepUpUnsatisfied: the last ceremony for this was not honoured, a moment ago.
            ConfigurationError: the caller's thread is the one that has to show the dialogue.
        """
        requirement = asked.requirement
        if self.interaction == "never":
            names = [method.name for method in self.methods if method.available()]
            raise StepUpRequired(requirement, names, response=asked.response)
        self._refuse_dead_end(asked)
        if asked.blocks:
            refuse_dead_lock(self.prompter)
        alone = requirement.for_this_call or (self.interaction == "required" and asked.within is None)
        key = None if alone else self._what(asked)
        return self._flights.join(key, asked.since, lambda flight: self._fly(asked, flight))

    def _what(self, asked: Asked) -> Hashable:
        """What a ceremony is for, and whose."""
        block = asked.within if self.interaction == "required" else None
        return asked.caller.login, asked.requirement.asks, self.place(asked), block

    def _kind(self, asked: Asked) -> str:
        """What is remembered as not honoured."""
        return kind_of(asked.requirement, self.place(asked))

    def place(self, asked: Asked) -> str:
        """Where the metadata of the resource is, as far as it is known before it was looked for."""
        named = self.pins.metadata_url(asked.challenge, asked.response) or self.learned.metadata_url(asked.url)
        return named or self.pins.metadata_places(asked.url)[0]

    def at_hand(self, asked: Asked) -> ElevatedToken | None:
        """A token that was not refused yet and serves without asking anybody."""
        block, login, resource = asked.within, asked.caller.login, self.learned.resource_of(asked.url)
        found = None if block is None or block.login != login else self._of_block(block, asked)
        if found is None and self.interaction != "required":
            found = self.tokens.elevated.find(asked.requirement, asked.url, login, resource)
        return None if found in asked.refused else found

    def _of_block(self, block: Elevation, asked: Asked) -> ElevatedToken | None:
        token, tick = block.token, self.monotonic()
        if (
            token is None
            or token in asked.refused
            or token.access_token in self.tokens.elevated.refused
            or tick >= token.expires_at
        ):
            return None
        return token if token.satisfies(asked.requirement, tick) and self._is_for(token, asked.url) else None

    def _is_for(self, token: ElevatedToken, url: str) -> bool:
        """Whether a token may go to a URL: not to another resource that is known to be there."""
        return resource_covers(token.resource, url) and self.learned.resource_of(url) in (None, token.resource)

    def block_at(self, url: str) -> Elevation | None:
        """The block that a call is in, unless it goes to another resource than the block is for."""
        block = innermost(self)
        return block if block is not None and block.token is not None and self._is_for(block.token, url) else None

    def served(self, asked: Asked) -> None:
        """A call was served with the token of a ceremony of this kind."""
        self.tokens.forget_dead_end(asked.caller.login, self._kind(asked))

    def ask(self, work: Callable[[Moment], T], late: str | None = None) -> Ticket[T]:
        """Have the person do something else than a ceremony, such as setting up an authenticator; in turn, in time.

        Args:
            work: what to do.
            late: what is said when the time is up, if it is something else than of a ceremony.
        """

        def fly(flight: Flight[T]) -> T:
            flight.late = late or flight.late
            with self._human_time(flight) as in_time:
                try:
                    return work(self._moment(flight.cancel))
                except StepUpCancelled as error:
                    raise in_time(error) from error

        return self._flights.join(None, self.monotonic(), fly)

    def unsatisfied(self, asked: Asked, fresh: ElevatedToken | None, response: Incoming | None) -> Unsatisfied:
        """The ceremony's token was not honoured: drop it, and ask nobody again at once.

        All who shared the ceremony come here, and it counts once.
        """
        if fresh is None or self.tokens.elevated.drop(fresh):
            self.tokens.remember_dead_end(asked.caller.login, self._kind(asked))
        return Unsatisfied(**said("asks-again"), response=response)

    def _refuse_dead_end(self, asked: Asked) -> None:
        if self.tokens.is_dead_end(asked.caller.login, self._kind(asked)):
            raise Unsatisfied(**said("dead-end"), response=asked.response)

    def close(self) -> None:
        """Cancel what is under way."""
        self._flights.cancel()

    def _moment(self, cancel: Event) -> Moment:
        return Moment(
            prompter=self.prompter,
            cancel=cancel,
            webauthn_origin=self.webauthn_origin,
            last_code=self._last_code,
        )

    def _fly(self, asked: Asked, flight: Flight[ElevatedToken]) -> ElevatedToken:
        """Runs in the flight's thread."""
        self.tokens.look_again(asked.caller.login)
        found = self.at_hand(asked)
        if found is not None:
            return found  # another flight brought it while this one waited for its turn
        self._refuse_dead_end(asked)  # as another flight, or another process, has found meanwhile
        began, requirement = self.monotonic(), asked.requirement
        with self._human_time(flight) as in_time:  # the app's hook is bounded as well
            report(self.on_event, Report(kind="started", requirement=requirement))
            try:
                token = self._run(asked, flight)
            except StepUpError as error:
                told = in_time(error) if isinstance(error, StepUpCancelled) else error
                if isinstance(told, Unsatisfied):
                    self.tokens.remember_dead_end(asked.caller.login, self._kind(asked))
                report(self.on_event, Report(kind="failed", requirement=requirement, error=told.code))
                raise told from error.__cause__
            seconds = self.monotonic() - began
            report(self.on_event, Report(kind="succeeded", requirement=requirement, seconds=seconds))
        return token

    def _run(self, asked: Asked, flight: Flight[ElevatedToken]) -> ElevatedToken:
        # With the models, and so with pydantic: most runs of an app hold no ceremony.
        from upstile.client.authority._routes import carry_out, lasting

        login = asked.caller.login
        if asked.caller.base is None:
            raise NotSignedIn(response=asked.response)
        if not self.tokens.is_current(login):
            raise StepUpCancelled(**said("somebody-else"))
        target = self._target(asked)
        granted = carry_out(self, lasting(self, asked), target, flight, self._moment(flight.cancel))
        hold = self.interaction != "required"
        token = self.tokens.keep(granted, asked.requirement, target.resource, login, hold=hold)
        if asked.within is not None:
            asked.within.renew(token, self.monotonic())
        return token

    def _target(self, asked: Asked) -> "Target":
        """Where the ceremony takes place."""
        named = self.pins.metadata_url(asked.challenge, asked.response) or self.learned.metadata_url(asked.url) or None
        if named is None and self.browser is not None and self.browser.names_resource:
            return self.discovery.undescribed()
        try:
            target = self.discovery.look_for(asked.url) if named is None else self.discovery.find(named, asked.url)
        except StepUpError:
            if named is not None:
                self.learned.forget(named)
            raise
        self.learned.resource(target.resource, target.metadata_url)
        if asked.instead is not None and asked.instead.resource == target.resource:
            raise Unsatisfied(**said("asks-again"), response=asked.response)
        return target

    @contextmanager
    def _human_time(self, flight: Flight[Any]) -> Generator[Callable[[StepUpCancelled], StepUpCancelled]]:
        """Cancel the ceremony when the person's time is up, and give it up if the prompter does not even notice.

        Yields what tells a time-out, and the end of the client, from another cancellation.
        """
        expired = Event()

        def late() -> StepUpTimeout:
            return StepUpTimeout(**said(flight.late, seconds=round(self.human_timeout)))

        def expire() -> None:
            expired.set()
            flight.cancel.set()

        timers = [
            Timer(self.human_timeout, expire),
            Timer(self.human_timeout + GRACE, lambda: self._flights.abandon(flight, late())),
        ]
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            opened(self.prompter, flight.cancel)
            yield lambda error: late() if expired.is_set() else flight.told(error)
        finally:
            ended(self.prompter, flight.cancel)
            for timer in timers:
                timer.cancel()
