"""Enrolment and self-service through the client: the flow steps up when the server asks for it (upstile profile §8)."""

from asyncio import to_thread
from collections.abc import Mapping
from threading import Event
from typing import Any, Protocol

import httpx

from upstile.client._errors import CeremonyFailed
from upstile.client._httpx import StepUpAuth
from upstile.client.methods import Method, Moment
from upstile.protocol import (
    RESOURCE_METADATA_PATH,
    Authenticator,
    AuthenticatorList,
    EnrollResponse,
    well_known_url,
)


class _HasAuth(Protocol):
    step_up_auth: StepUpAuth

    def request(self, method: str, url: str, **request: Any) -> Any: ...


class Authenticators:
    """The user's authenticators, through a `Client`."""

    def __init__(self, client: _HasAuth) -> None:
        self._client = client

    def list(self) -> tuple[Authenticator, ...]:
        """All of them, pending ones included."""
        return AuthenticatorList.from_json(self._call("GET")).authenticators

    def enroll(self, method: Method, name: str) -> Authenticator:
        """Add one: the server may ask for a confirmation first, then the person sets it up and proves it.

        Args:
            method: which kind, e.g. `Totp()`.
            name: what the user calls it.

        Raises:
            StepUpError: the confirmation did not succeed.
            CeremonyFailed: the server refused.
        """
        pending = EnrollResponse.from_json(self._call("POST", json={"method": method.name, "name": name}))
        proof = method.enroll(pending, _moment(self._client.step_up_auth))
        return Authenticator.from_json(self._call("POST", f"/{pending.id}/verify", json=dict(proof)))

    def rename(self, id: str, name: str) -> Authenticator:
        """Give one another name."""
        return Authenticator.from_json(self._call("PATCH", f"/{id}", json={"name": name}))

    def remove(self, id: str) -> None:
        """Remove one; the last one stays."""
        self._call("DELETE", f"/{id}")

    def _call(self, method: str, path: str = "", **request: Any) -> bytes:
        url = _endpoint(self._client.step_up_auth) + path
        return _content(self._client.request(method, url, **request))


class AsyncAuthenticators:
    """The same through an `AsyncClient`."""

    def __init__(self, client: _HasAuth) -> None:
        self._client = client

    async def list(self) -> tuple[Authenticator, ...]:
        """All of them, pending ones included."""
        return AuthenticatorList.from_json(await self._call("GET")).authenticators

    async def enroll(self, method: Method, name: str) -> Authenticator:
        """Add one, as `Authenticators.enroll`."""
        pending = EnrollResponse.from_json(await self._call("POST", json={"method": method.name, "name": name}))
        proof = await to_thread(method.enroll, pending, _moment(self._client.step_up_auth))
        return Authenticator.from_json(await self._call("POST", f"/{pending.id}/verify", json=dict(proof)))

    async def rename(self, id: str, name: str) -> Authenticator:
        """Give one another name."""
        return Authenticator.from_json(await self._call("PATCH", f"/{id}", json={"name": name}))

    async def remove(self, id: str) -> None:
        """Remove one; the last one stays."""
        await self._call("DELETE", f"/{id}")

    async def _call(self, method: str, path: str = "", **request: Any) -> bytes:
        url = await to_thread(_endpoint, self._client.step_up_auth) + path
        return _content(await self._client.request(method, url, **request))


def _endpoint(auth: StepUpAuth) -> str:
    session = auth.session
    url = well_known_url(session.pins.api, RESOURCE_METADATA_PATH)
    endpoint = session.discovery.find(url, session.pins.api).server.authenticators_endpoint
    if endpoint is None or not session.pins.is_api(endpoint):
        # NOTE: an authorization server on another origin than the API needs tokens of its own, not built yet.
        raise CeremonyFailed("The API's origin offers no enrolment")
    return endpoint


def _moment(auth: StepUpAuth) -> Moment:
    session = auth.session
    return Moment(prompter=session.prompter, cancel=Event(), webauthn_origin=session.webauthn_origin)


def _content(response: httpx.Response) -> bytes:
    if response.is_error:
        problem: Mapping[str, Any] = response.json() if "json" in response.headers.get("content-type", "") else {}
        title = problem.get("title", f"status {response.status_code}")
        raise CeremonyFailed(f"The server refused: {title}")
    return response.content
