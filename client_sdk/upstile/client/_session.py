"""What the calls of one client share: whom it trusts, its key, its tokens, its ceremonies."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Timer
from typing import Literal

from upstile.client._authority import Authority
from upstile.client._ceremony import Ceremony
from upstile.client._discovery import Discovery
from upstile.client._errors import CeremonyFailed, StepUpCancelled, StepUpError, StepUpRequired, StepUpTimeout
from upstile.client._errors import StepUpUnsatisfied as Unsatisfied
from upstile.client._events import Event as Report
from upstile.client._events import OnEvent, report
from upstile.client._exchange import Incoming, Transport
from upstile.client._flight import Flight, Flights, Ticket
from upstile.client._proof_key import ProofKey
from upstile.client._tokens import ElevatedToken, Token, Tokens
from upstile.client._trust import Pins, reason_in
from upstile.client.methods import Method, Moment
from upstile.client.prompts import Prompter
from upstile.protocol import Requirement, StepUpChallenge

Interaction = Literal["auto", "never"]

GRACE = 1.0
"""Seconds that a prompter has to return after the person's time is up."""
REMEMBERED = 30.0
"""Seconds for which an API that does not honour a ceremony is not prompted for again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A demand to step up, from a challenge or from the app itself.

    Attributes:
        requirement: what is asked.
        url: the URL of the call that it is for.
        challenge, response: where it came from, if an API sent it.
        since: when the call set out, by the monotonic clock.
        refused: the token that was not enough; another one is wanted.
    """

    requirement: Requirement
    url: str
    since: float
    challenge: StepUpChallenge | None = None
    response: Incoming | None = None
    refused: Token | None = None


@dataclass(kw_only=True)
class Session:
    """One client's configuration and memory.

    Attributes:
        pins: the origins that are trusted.
        client_id: the app.
        key: signs the proofs.
        tokens: the tokens held.
        discovery: finds the authorization server.
        transport: reaches it.
        methods: what can be done here, in order of preference.
        prompter: asks the person.
        webauthn_origin: what WebAuthn client data names.
        interaction: whether anybody may be asked.
        human_timeout: seconds that a person has for one ceremony.
        clock, monotonic: the time.
        on_event: the app's hook.
    """

    pins: Pins
    client_id: str
    key: ProofKey
    tokens: Tokens
    discovery: Discovery
    transport: Transport
    methods: Sequence[Method]
    prompter: Prompter
    webauthn_origin: str
    interaction: Interaction
    human_timeout: float
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    on_event: OnEvent | None = None
    _flights: Flights[ElevatedToken] = field(init=False, repr=False)
    _unsatisfied: dict[Requirement, float] = field(default_factory=dict[Requirement, float], init=False, repr=False)

    def __post_init__(self) -> None:
        self._flights = Flights(self.monotonic)

    def step_up(self, asked: Asked) -> Ticket[ElevatedToken]:
        """Join the ceremony for what is asked, or begin it.

        Raises:
            StepUpRequired: nobody may be asked.
            StepUpUnsatisfied: the last ceremony for this was not honoured, a moment ago.
        """
        requirement = asked.requirement
        if self.interaction == "never":
            names = [method.name for method in self.methods if method.available()]
            raise StepUpRequired(requirement, names, response=asked.response)
        if self._unsatisfied.get(requirement, 0.0) > self.monotonic():
            raise Unsatisfied("The API did not honour the last ceremony for this", response=asked.response)
        key = object() if requirement.for_this_call else requirement
        return self._flights.join(key, asked.since, lambda flight: self._fly(asked, flight))

    def unsatisfied(self, asked: Asked, response: Incoming | None) -> Unsatisfied:
        """Remember that a ceremony was not honoured, so that nobody is asked again at once."""
        self._unsatisfied[asked.requirement] = self.monotonic() + REMEMBERED
        return Unsatisfied("The API asks again although the ceremony succeeded", response=response)

    def not_enough(self, asked: Asked, ahead: Requirement) -> Unsatisfied:
        """The API asks, although the app has asked the person `ahead`: for the same, or for something else."""
        if (ahead.acr, ahead.max_age) == (asked.requirement.acr, asked.requirement.max_age):
            return self.unsatisfied(asked, asked.response)
        return Unsatisfied(
            f"The API asks for {asked.requirement}, and the app has asked ahead for {ahead}",
            response=asked.response,
            next_step="Repeat the call without step_up=, or with what the API asks for.",
        )

    def _fly(self, asked: Asked, flight: Flight[ElevatedToken]) -> ElevatedToken:
        """Runs in the flight's thread."""
        found = self.tokens.find(asked.requirement)
        if found is not None and found is not asked.refused:
            return found  # another flight brought it while this one waited for its turn
        began = self.monotonic()
        report(self.on_event, Report(kind="started", requirement=asked.requirement))
        try:
            with self._human_time(flight):
                token = self._run(asked, flight.cancel)
        except StepUpError as error:
            failed = Report(kind="failed", requirement=asked.requirement, error=error.code)
            report(self.on_event, failed)
            raise
        seconds = self.monotonic() - began
        report(self.on_event, Report(kind="succeeded", requirement=asked.requirement, seconds=seconds))
        return token

    def _run(self, asked: Asked, cancel: Event) -> ElevatedToken:
        base = self.tokens.base()
        if base is None:
            raise CeremonyFailed("There is no token to begin with", next_step="Sign in first.")
        target = self.discovery.find(self.pins.metadata_url(asked.challenge, asked.response), asked.url)
        ceremony = Ceremony(
            requirement=asked.requirement,
            reason=asked.requirement.reason or (reason_in(asked.response) if asked.response else None),
            target=target,
            api=self.pins.api,
            client_id=self.client_id,
            jkt=self.key.thumbprint,
            subject_token=base.access_token,
            methods=self.methods,
            moment=Moment(prompter=self.prompter, cancel=cancel, webauthn_origin=self.webauthn_origin),
            clock=self.clock,
        )
        authority = Authority(self.transport, self.key, self.clock, cancel)
        return self.tokens.keep(ceremony.run(authority), asked.requirement)

    @contextmanager
    def _human_time(self, flight: Flight[ElevatedToken]) -> Generator[None]:
        """Cancel the ceremony when the person's time is up, and give it up if the prompter does not even notice."""
        late = StepUpTimeout(f"Nobody answered within {self.human_timeout:.0f} seconds")
        expired = Event()

        def expire() -> None:
            expired.set()
            flight.cancel.set()

        timers = [
            Timer(self.human_timeout, expire),
            Timer(self.human_timeout + GRACE, lambda: self._flights.abandon(flight, late)),
        ]
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            yield
        except StepUpCancelled as error:
            if expired.is_set():
                raise late from error
            raise
        finally:
            for timer in timers:
                timer.cancel()
