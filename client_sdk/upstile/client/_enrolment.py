"""Enrolment and self-service through the client: the flow steps up when the server asks for it (upstile profile §8)."""

from asyncio import to_thread
from collections.abc import Sequence
from threading import Event
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import httpx

from upstile.client._errors import CeremonyFailed
from upstile.client._httpx import StepUpAuth
from upstile.client.methods import Method, MethodUnavailable, Moment
from upstile.protocol import (
    RESOURCE_METADATA_PATH,
    Authenticator,
    AuthenticatorList,
    EnrollResponse,
    MalformedMessage,
    Message,
    Problem,
    well_known_url,
)

M = TypeVar("M", bound=Message)


class _HasAuth(Protocol):
    step_up_auth: StepUpAuth

    def request(self, method: str, url: str, **request: Any) -> Any: ...


class Authenticators:
    """The user's authenticators, through a `Client`."""

    def __init__(self, client: _HasAuth) -> None:
        self._client = client

    def list(self) -> tuple[Authenticator, ...]:
        """All of them, pending ones included."""
        return self._call(AuthenticatorList, "GET").authenticators

    def enroll(self, method: Method, name: str) -> Authenticator:
        """Add one: the server may ask for a confirmation first, then the person sets it up and proves it.

        Args:
            method: which kind, e.g. `Totp()`.
            name: what the user calls it.

        Raises:
            StepUpError: the confirmation did not succeed.
            CeremonyFailed: the server refused.
        """
        pending = self._call(EnrollResponse, "POST", json={"method": method.name, "name": name})
        proof = _proof(self._client.step_up_auth, method, pending)
        return self._call(Authenticator, "POST", pending.id, "verify", json=proof)

    def rename(self, id: str, name: str) -> Authenticator:
        """Give one another name."""
        return self._call(Authenticator, "PATCH", id, json={"name": name})

    def remove(self, id: str) -> None:
        """Remove one; the last one stays."""
        _content(self._send("DELETE", id))

    def _call(self, model: type[M], method: str, *path: str, **request: Any) -> M:
        return _read(model, self._send(method, *path, **request))

    def _send(self, method: str, *path: str, **request: Any) -> httpx.Response:
        response: httpx.Response = self._client.request(method, _url(self._client.step_up_auth, path), **request)
        return response


class AsyncAuthenticators:
    """The same through an `AsyncClient`."""

    def __init__(self, client: _HasAuth) -> None:
        self._client = client

    async def list(self) -> tuple[Authenticator, ...]:
        """All of them, pending ones included."""
        return (await self._call(AuthenticatorList, "GET")).authenticators

    async def enroll(self, method: Method, name: str) -> Authenticator:
        """Add one, as `Authenticators.enroll`."""
        pending = await self._call(EnrollResponse, "POST", json={"method": method.name, "name": name})
        proof = await to_thread(_proof, self._client.step_up_auth, method, pending)
        return await self._call(Authenticator, "POST", pending.id, "verify", json=proof)

    async def rename(self, id: str, name: str) -> Authenticator:
        """Give one another name."""
        return await self._call(Authenticator, "PATCH", id, json={"name": name})

    async def remove(self, id: str) -> None:
        """Remove one; the last one stays."""
        _content(await self._send("DELETE", id))

    async def _call(self, model: type[M], method: str, *path: str, **request: Any) -> M:
        return _read(model, await self._send(method, *path, **request))

    async def _send(self, method: str, *path: str, **request: Any) -> httpx.Response:
        url = await to_thread(_url, self._client.step_up_auth, path)
        response: httpx.Response = await self._client.request(method, url, **request)
        return response


def _url(auth: StepUpAuth, path: Sequence[str]) -> str:
    session = auth.session
    url = well_known_url(session.pins.api, RESOURCE_METADATA_PATH)
    endpoint = session.discovery.find(url, session.pins.api).server.authenticators_endpoint
    if endpoint is None or not session.pins.is_api(endpoint):
        # NOTE: an authorization server on another origin than the API needs tokens of its own, not built yet.
        raise CeremonyFailed("The API's origin offers no enrolment")
    return "/".join([endpoint, *(quote(segment, safe="") for segment in path)])


def _proof(auth: StepUpAuth, method: Method, pending: EnrollResponse) -> dict[str, Any]:
    session = auth.session
    moment = Moment(prompter=session.prompter, cancel=Event(), webauthn_origin=session.webauthn_origin)
    try:
        return dict(method.enroll(pending, moment))
    except MethodUnavailable as error:
        raise CeremonyFailed(f"It cannot be set up here: {error}") from error


def _read(model: type[M], response: httpx.Response) -> M:
    try:
        return model.from_json(_content(response))
    except MalformedMessage as error:
        raise CeremonyFailed(f"The server's reply cannot be read: {error}") from error


def _content(response: httpx.Response) -> bytes:
    if response.is_success:
        return response.content
    try:
        said = Problem.from_json(response.content).title
    except MalformedMessage:
        said = f"status {response.status_code}"
    raise CeremonyFailed(f"The server refused: {said}")
