"""A new authenticator on the person's side: what may begin, and how they set it up."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from upstile.client._errors import ConfigurationError, StepUpCancelled, StepUpRequired
from upstile.client.adapters._auth import StepUpFlow
from upstile.client.flow._flight import Ticket
from upstile.client.methods import (
    Looks,
    Method,
    MethodUnavailable,
    Moment,
    Otp,
    none_left,
    shows_codes,
    why_not_new,
)
from upstile.client.prompts import AnotherWay, SendAgain, enrolling
from upstile.client.words import TABLE, said, spoken
from upstile.protocol import EnrollResponse, Requirement, hides_something

_LONGEST_NAME = 100
TRIES = 3
"""Times that the person may type the first code; the server allows five."""


def wanted(method: Method, name: str, enrolment_code: str | None) -> dict[str, str]:
    """What begins it; an `Otp` says where its codes are to be sent."""
    members = {"method": method.name, "name": fit(name)}
    beside = {"destination": getattr(method, "destination", None), "enrolment_code": enrolment_code}
    if isinstance(method, Otp) and method.destination is None:
        raise ConfigurationError('Otp() has to say where its codes are to be sent: Otp("ada@example.com")')
    return {**members, **{name: value for name, value in beside.items() if value is not None}}


def fit(name: str) -> str:
    """A name that the server takes: refused here, nobody is asked to confirm a change that cannot be made."""
    if len(name) > _LONGEST_NAME or hides_something(name):
        raise ValueError(
            f"a name has 1 to {_LONGEST_NAME} characters, something to see, and none that are for control,"
            " bidirectional or invisible"
        )
    return name


def check_may_add(auth: StepUpFlow, method: Method) -> None:
    """Begin nothing on the server, and confirm nothing, for what may not or cannot be asked, or done here."""
    if auth.session.interaction == "never":
        words = TABLE["needs-you-to-set-up"]
        raise StepUpRequired(Requirement(), [method.name], hint=words.hint)
    reason = why_not_new(method, auth.session.prompter)
    if reason is not None:
        raise none_left([reason])


@contextmanager
def asking(auth: StepUpFlow, work: Callable[[Moment], dict[str, Any]]) -> Generator[Ticket[dict[str, Any]]]:
    """Have the person do something; giving up cancels it."""
    ticket = auth.session.ask(work)
    try:
        yield ticket
    finally:
        ticket.give_back()


def nothing(moment: Moment) -> dict[str, Any]:
    """Ask nothing: a prompter that has no screen says so."""
    return {}


def setting_up(method: Method, pending: EnrollResponse, left: int) -> Callable[[Moment], dict[str, Any]]:
    """How the person sets the new authenticator up, with so many tries left."""

    def work(moment: Moment) -> dict[str, Any]:
        enrolling(moment.prompter, method.name)
        if left < TRIES:
            moment.last_code.forget()
            moment.prompter.rejected(left)
        try:
            if left == TRIES and isinstance(method, Looks):
                method.look_at_new(pending, moment)
            return dict(method.enroll(pending, moment))
        except MethodUnavailable as error:
            raise none_left([error]) from error
        except (AnotherWay, SendAgain):
            raise StepUpCancelled(**said("person-did-not-add", what=spoken(method.name))) from None
        except StepUpCancelled as error:
            raise _not_added(error, method) from error

    return work


def _not_added(error: StepUpCancelled, method: Method) -> StepUpCancelled:
    """What a cancellation means here: prompters speak of a confirmation."""
    if shows_codes(method):
        return StepUpCancelled(**said("codes-not-saved"))
    rows = {TABLE["cancelled"].title: "not-added", TABLE["person-cancelled"].title: "person-did-not-add"}
    row = rows.get(str(error))
    return error if row is None else StepUpCancelled(**said(row, what=spoken(method.name)))
