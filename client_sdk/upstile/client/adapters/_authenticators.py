"""Enrolment and self-service through the client: the flow steps up when the server asks for it (upstile profile §8)."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from upstile.client._errors import CeremonyFailed, StepUpCancelled, StepUpRequired
from upstile.client.adapters._auth import StepUpFlow
from upstile.client.adapters._waiting import in_thread, landed
from upstile.client.flow._flight import Ticket
from upstile.client.methods import Looks, Method, MethodUnavailable, Moment, none_left, why_not
from upstile.client.prompts import enrolling, refuse_dead_lock
from upstile.client.words import TABLE, said, spoken
from upstile.protocol import (
    RESOURCE_METADATA_PATH,
    Authenticator,
    AuthenticatorList,
    EnrollResponse,
    MalformedMessage,
    Message,
    Problem,
    Requirement,
    hides_something,
    well_known_url,
)

M = TypeVar("M", bound=Message)
_LONGEST_NAME = 100
_TRIES = 3
"""Times that the person may type the first code; the server allows five."""


class _HasAuth(Protocol):
    @property
    def step_up_auth(self) -> StepUpFlow: ...

    def request(self, method: str, url: str, **request: Any) -> Any: ...


class Authenticators:
    """The user's authenticators, through a `Client`."""

    def __init__(self, client: _HasAuth) -> None:
        self._client = client

    def list(self) -> tuple[Authenticator, ...]:
        """All of them, pending ones included. One that has a `question` is closed to new devices: see `open`."""
        return self._call(AuthenticatorList, "GET").authenticators

    def enroll(self, method: Method, name: str, *, enrolment_code: str | None = None) -> Authenticator:
        """Add one: the server may ask for a confirmation first, then the person sets it up and proves it.

        Args:
            method: which kind, e.g. `Totp()`.
            name: what the user calls it, 1 to 100 characters.
            enrolment_code: the deployment's word that this user may enrol a first one, however it was typed.

        Raises:
            ValueError: the name hides something, or has nothing to see.
            StepUpRequired: nobody may be asked (`interaction="never"`); nothing was begun.
            StepUpError: the confirmation did not succeed.
            CeremonyFailed: the server refused.
            ConfigurationError: this is the thread that would have to show the dialogue.
        """
        refuse_dead_lock(self._client.step_up_auth.session.prompter)
        wanted = _wanted(method, name, enrolment_code)
        _may_ask(self._client.step_up_auth, method)
        pending = self._call(EnrollResponse, "POST", json=wanted)
        left = _TRIES
        while True:
            with _proving(self._client.step_up_auth, method, pending, left) as ticket:
                proof = ticket.future.result()
            reply, left = self._send("POST", pending.id, "verify", json=proof), left - 1
            if not _may_try_again(pending, reply, left):
                return _read(Authenticator, reply)
            pending = pending.model_copy(update={"otpauth_uri": None})

    def rename(self, id: str, name: str) -> Authenticator:
        """Give one another name."""
        return self._call(Authenticator, "PATCH", id, json={"name": _fit(name)})

    def open(self, id: str) -> Authenticator:
        """Let new devices try a closed one again, which wrong codes from unknown devices have closed to them.

        The server asks for a confirmation: with this app where it is known, or with another authenticator. Ask the
        person first, with the entry's `question`.
        """
        return self._call(Authenticator, "POST", id, "open")

    def remove(self, id: str) -> None:
        """Remove one; the last one stays."""
        _content(self._send("DELETE", id))

    def _call(self, model: type[M], method: str, *path: str, **request: Any) -> M:
        return _read(model, self._send(method, *path, **request))

    def _send(self, method: str, *path: str, **request: Any) -> Any:
        return self._client.request(method, _url(self._client.step_up_auth, path), **request)


class AsyncAuthenticators:
    """The same through an `AsyncClient`."""

    def __init__(self, client: _HasAuth) -> None:
        self._client = client

    async def list(self) -> tuple[Authenticator, ...]:
        """All of them, pending ones included."""
        return (await self._call(AuthenticatorList, "GET")).authenticators

    async def enroll(self, method: Method, name: str, *, enrolment_code: str | None = None) -> Authenticator:
        """Add one, as `Authenticators.enroll`."""
        wanted = _wanted(method, name, enrolment_code)
        _may_ask(self._client.step_up_auth, method)
        pending = await self._call(EnrollResponse, "POST", json=wanted)
        left = _TRIES
        while True:
            with _proving(self._client.step_up_auth, method, pending, left) as ticket:
                await landed(ticket.future)
                proof = ticket.future.result()
            reply, left = await self._send("POST", pending.id, "verify", json=proof), left - 1
            if not _may_try_again(pending, reply, left):
                return _read(Authenticator, reply)
            pending = pending.model_copy(update={"otpauth_uri": None})

    async def rename(self, id: str, name: str) -> Authenticator:
        """Give one another name."""
        return await self._call(Authenticator, "PATCH", id, json={"name": _fit(name)})

    async def open(self, id: str) -> Authenticator:
        """Let new devices try a closed one again, as `Authenticators.open`."""
        return await self._call(Authenticator, "POST", id, "open")

    async def remove(self, id: str) -> None:
        """Remove one; the last one stays."""
        _content(await self._send("DELETE", id))

    async def _call(self, model: type[M], method: str, *path: str, **request: Any) -> M:
        return _read(model, await self._send(method, *path, **request))

    async def _send(self, method: str, *path: str, **request: Any) -> Any:
        self._client.step_up_auth.is_in_loop()
        url = await in_thread(_url, self._client.step_up_auth, path)
        return await self._client.request(method, url, **request)


def _url(auth: StepUpFlow, path: Sequence[str]) -> str:
    session = auth.session
    url = well_known_url(session.pins.api, RESOURCE_METADATA_PATH)
    endpoint = session.discovery.find(url, session.pins.api).server.authenticators_endpoint
    if endpoint is None or not session.pins.is_api(endpoint):
        # NOTE: an authorization server on another origin than the API needs tokens of its own, not built yet.
        raise CeremonyFailed(**said("no-enrolment-here"))
    if any(segment.strip(".") == "" for segment in path):
        raise ValueError("an authenticator's id is the id of an entry of list()")
    return "/".join([endpoint, *(quote(segment, safe="") for segment in path)])


def _wanted(method: Method, name: str, enrolment_code: str | None) -> dict[str, str]:
    wanted = {"method": method.name, "name": _fit(name)}
    return wanted if enrolment_code is None else {**wanted, "enrolment_code": enrolment_code}


def _fit(name: str) -> str:
    """A name that the server takes: refused here, nobody is asked to confirm a change that cannot be made."""
    if len(name) > _LONGEST_NAME or hides_something(name):
        raise ValueError(
            f"a name has 1 to {_LONGEST_NAME} characters, something to see, and none that are for control,"
            " bidirectional or invisible"
        )
    return name


def _may_ask(auth: StepUpFlow, method: Method) -> None:
    """Begin nothing on the server, and confirm nothing, for what may not or cannot be asked, or done here."""
    if auth.session.interaction == "never":
        words = TABLE["needs-you-to-set-up"]
        raise StepUpRequired(Requirement(), [method.name], hint=words.hint)
    reason = why_not(method, auth.session.prompter)
    if reason is not None:
        raise none_left([reason])


@contextmanager
def _proving(auth: StepUpFlow, method: Method, pending: EnrollResponse, left: int) -> Generator[Ticket[dict[str, Any]]]:
    """Have the person set the new authenticator up; giving up cancels it."""

    def work(moment: Moment) -> dict[str, Any]:
        enrolling(moment.prompter, method.name)
        if left < _TRIES:
            moment.last_code.forget()
            moment.prompter.rejected(left)
        try:
            if left == _TRIES and isinstance(method, Looks):
                method.look_at_new(pending, moment)
            return dict(method.enroll(pending, moment))
        except MethodUnavailable as error:
            raise none_left([error]) from error
        except StepUpCancelled as error:
            raise _not_added(error, method) from error

    ticket = auth.session.ask(work)
    try:
        yield ticket
    finally:
        ticket.give_back()


def _not_added(error: StepUpCancelled, method: Method) -> StepUpCancelled:
    """What a cancellation means here: prompters speak of a confirmation."""
    rows = {TABLE["cancelled"].title: "not-added", TABLE["person-cancelled"].title: "person-did-not-add"}
    row = rows.get(str(error))
    return error if row is None else StepUpCancelled(**said(row, what=spoken(method.name)))


def _may_try_again(pending: EnrollResponse, reply: Any, left: int) -> bool:
    """Whether a typed code was wrong and may be typed again; a security key's challenge serves once."""
    wrong = not reply.is_success and _problem(reply) == "verification-failed"
    return wrong and pending.options is None and left > 0


def _problem(reply: Any) -> str | None:
    try:
        return Problem.from_json(reply.content).name
    except MalformedMessage:
        return None


def _read(model: type[M], response: Any) -> M:
    try:
        return model.from_json(_content(response))
    except MalformedMessage as error:
        raise CeremonyFailed(**said("unreadable", url=response.request.url, why=error)) from error


def _content(response: Any) -> bytes:
    if response.is_success:
        return bytes(response.content)
    try:
        problem = Problem.from_json(response.content)
    except MalformedMessage:
        raise CeremonyFailed(**said("enrolment-refused", status=response.status_code)) from None
    raise CeremonyFailed(problem.title, next_step=problem.detail, hint=problem.hint)
