"""Enrolment and self-service through the client: the flow steps up when the server asks for it (upstile profile §8)."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from upstile.client._errors import CeremonyFailed
from upstile.client.adapters._auth import StepUpFlow
from upstile.client.adapters._waiting import in_thread, landed
from upstile.client.adapters.verbs._setting_up import TRIES, asking, check_may_add, fit, nothing, setting_up, wanted
from upstile.client.methods import (
    Method,
    Moment,
    RecoveryCode,
    shows_codes,
)
from upstile.client.prompts import refuse_dead_lock
from upstile.client.words import said
from upstile.protocol import (
    Authenticator,
    AuthenticatorList,
    EnrollResponse,
    MalformedMessage,
    Message,
    Problem,
    RestoreResponse,
)

M = TypeVar("M", bound=Message)


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
            method: which kind, e.g. `Totp()`, or `Otp("ada@example.com")` for codes that are sent there.
            name: what the user calls it, 1 to 100 characters.
            enrolment_code: the deployment's word that this user may enrol a first one, however it was typed.

        Raises:
            ValueError: the name hides something, or has nothing to see.
            StepUpRequired: nobody may be asked (`interaction="never"`); nothing was begun.
            StepUpCancelled: the person said no. Recovery codes are good even then: see its `next_step`.
            StepUpError: the confirmation did not succeed.
            CeremonyFailed: the server refused.
            ConfigurationError: this is the thread that would have to show the dialogue.
        """
        members = wanted(method, name, enrolment_code)
        self._may_ask(method)
        pending = self._call(EnrollResponse, "POST", json=members)
        if shows_codes(method):
            return self._shown(method, pending)
        left = TRIES
        while True:
            proof = self._asked(setting_up(method, pending, left))
            reply, left = self._send("POST", pending.id, "verify", json=proof), left - 1
            if not _may_try_again(pending, reply, left):
                return _read(Authenticator, reply)
            pending = pending.model_copy(update={"otpauth_uri": None})

    def regenerate(self, id: str) -> Authenticator:
        """Replace the recovery codes of an entry: the old ones are good no more, the new ones are shown once.

        Raises as `enroll`.
        """
        self._may_ask(method := RecoveryCode())
        return self._shown(method, self._call(EnrollResponse, "POST", id, "regenerate"))

    def rename(self, id: str, name: str) -> Authenticator:
        """Give one another name."""
        return self._call(Authenticator, "PATCH", id, json={"name": fit(name)})

    def open(self, id: str) -> Authenticator:
        """Let new devices try a closed one again, which wrong codes from unknown devices have closed to them.

        The server asks for a confirmation: with this app where it is known, or with another authenticator. Ask the
        person first, with the entry's `question`.
        """
        return self._call(Authenticator, "POST", id, "open")

    def remove(self, id: str) -> None:
        """Remove one; the last one stays."""
        _content(self._send("DELETE", id))

    def restore(self, id: str) -> RestoreResponse:
        """Ask for the way back of who lost every way to confirm: a code by mail, a day later.

        All destinations of the user are told. After a day, and for two more, the same call after a new sign-in mails
        the code: `enroll(Totp(), "new phone", enrolment_code=code)`. Then all that was enrolled before is out of use,
        and the person signs in again. Whoever can still confirm, or signs in on a known device, stops it. The reply's
        `sentences` are for the person. Nobody is asked for anything.

        Args:
            id: an entry of `list()`, of codes by mail.

        Raises:
            CeremonyFailed: the server has no such way, the sign-in is older than ten minutes, or it is too soon.
        """
        return self._call(RestoreResponse, "POST", id, "restore")

    def _may_ask(self, method: Method) -> None:
        refuse_dead_lock(self._client.step_up_auth.session.prompter)
        check_may_add(self._client.step_up_auth, method)
        if shows_codes(method):
            self._asked(nothing)  # a prompter that has no screen says so before the codes are made

    def _shown(self, method: Method, made: EnrollResponse) -> Authenticator:
        self._asked(setting_up(method, made, TRIES))
        return _entry(self.list(), made.id)

    def _asked(self, work: Callable[[Moment], dict[str, Any]]) -> dict[str, Any]:
        with asking(self._client.step_up_auth, work) as ticket:
            return ticket.future.result()

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
        members = wanted(method, name, enrolment_code)
        await self._may_ask(method)
        pending = await self._call(EnrollResponse, "POST", json=members)
        if shows_codes(method):
            return await self._shown(method, pending)
        left = TRIES
        while True:
            proof = await self._asked(setting_up(method, pending, left))
            reply, left = await self._send("POST", pending.id, "verify", json=proof), left - 1
            if not _may_try_again(pending, reply, left):
                return _read(Authenticator, reply)
            pending = pending.model_copy(update={"otpauth_uri": None})

    async def regenerate(self, id: str) -> Authenticator:
        """Replace the recovery codes of an entry, as `Authenticators.regenerate`."""
        await self._may_ask(method := RecoveryCode())
        return await self._shown(method, await self._call(EnrollResponse, "POST", id, "regenerate"))

    async def rename(self, id: str, name: str) -> Authenticator:
        """Give one another name."""
        return await self._call(Authenticator, "PATCH", id, json={"name": fit(name)})

    async def open(self, id: str) -> Authenticator:
        """Let new devices try a closed one again, as `Authenticators.open`."""
        return await self._call(Authenticator, "POST", id, "open")

    async def remove(self, id: str) -> None:
        """Remove one; the last one stays."""
        _content(await self._send("DELETE", id))

    async def restore(self, id: str) -> RestoreResponse:
        """Ask for a code by mail after everything was lost, as `Authenticators.restore`."""
        return await self._call(RestoreResponse, "POST", id, "restore")

    async def _may_ask(self, method: Method) -> None:
        check_may_add(self._client.step_up_auth, method)
        if shows_codes(method):
            await self._asked(nothing)

    async def _shown(self, method: Method, made: EnrollResponse) -> Authenticator:
        await self._asked(setting_up(method, made, TRIES))
        return _entry(await self.list(), made.id)

    async def _asked(self, work: Callable[[Moment], dict[str, Any]]) -> dict[str, Any]:
        with asking(self._client.step_up_auth, work) as ticket:
            await landed(ticket.future)
            return ticket.future.result()

    async def _call(self, model: type[M], method: str, *path: str, **request: Any) -> M:
        return _read(model, await self._send(method, *path, **request))

    async def _send(self, method: str, *path: str, **request: Any) -> Any:
        self._client.step_up_auth.is_in_loop()
        url = await in_thread(_url, self._client.step_up_auth, path)
        return await self._client.request(method, url, **request)


def _url(auth: StepUpFlow, path: Sequence[str]) -> str:
    session = auth.session
    endpoint = session.discovery.look_for(session.pins.base + "/").server.authenticators_endpoint
    if endpoint is None or not session.pins.is_api(endpoint):
        # NOTE: an authorization server on another origin than the API needs tokens of its own, not built yet.
        raise CeremonyFailed(**said("no-enrolment-here"))
    if any(segment.strip(".") == "" for segment in path):
        raise ValueError("an authenticator's id is the id of an entry of list()")
    return "/".join([endpoint, *(quote(segment, safe="") for segment in path)])


def _entry(entries: Sequence[Authenticator], id: str) -> Authenticator:
    for entry in entries:
        if entry.id == id:
            return entry
    raise CeremonyFailed(**said("not-listed"))


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
