"""A path of ours in an application, as every framework's adapter mounts it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from upstile.server._errors import AuthorizationError, StorageUnavailable
from upstile.server._http import Endpoint, HttpRequest, HttpResponse, json_response
from upstile.server.authorization._response import error_response
from upstile.server.authorization._response import unavailable as oauth_unavailable

CACHED = 300
"""Seconds for which others may keep the metadata and the JWK Set: half of what a signing key is published ahead."""


async def _opened() -> None:
    """Storage that is open already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One path and what answers there.

    Attributes:
        path: may hold `{id}`.
        endpoints: by method.
        unavailable: what is said while storage cannot be reached.
        needs_storage: whether storage has to be open; without it, `unavailable` is never called.
    """

    path: str
    endpoints: Mapping[str, Endpoint]
    unavailable: Callable[[StorageUnavailable], HttpResponse]
    needs_storage: bool = True

    async def answer(
        self, request: HttpRequest, parameters: Mapping[str, str], prepare: Callable[[], Awaitable[None]] = _opened
    ) -> HttpResponse:
        """Hand a request to its endpoint; another method is told which ones there are (RFC 9110 §15.5.6).

        Args:
            request: the request.
            parameters: what the path holds.
            prepare: opens storage, if it may be closed.
        """
        endpoint = self.endpoints.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            refused = error_response(AuthorizationError("invalid_request", "another method is needed", status=405))
            return replace(refused, headers=(*refused.headers, ("allow", ", ".join(self.endpoints))))
        try:
            if self.needs_storage:
                await prepare()
            return await endpoint(request, parameters)
        except StorageUnavailable as error:
            return self.unavailable(error)


def document_route(path: str, make: Callable[[], Any], *, needs_storage: bool = True) -> Route:
    """Where a JSON document is read that changes seldom."""

    async def endpoint(request: HttpRequest, _: Mapping[str, str]) -> HttpResponse:
        response = json_response(200, make())
        kept = tuple(header for header in response.headers if header[0] != "cache-control")
        return replace(response, headers=(*kept, ("cache-control", f"max-age={CACHED}")))

    return Route(path=path, endpoints={"GET": endpoint}, unavailable=oauth_unavailable, needs_storage=needs_storage)
