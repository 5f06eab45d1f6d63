"""The core's own requests over httpx: to metadata documents and to the authorization server."""

from collections.abc import Mapping
from typing import Any

import httpx

from upstile.client._errors import StepUpCancelled
from upstile.client._exchange import ConnectionLost, Incoming, Outgoing
from upstile.client.adapters._response import incoming, read_bounded

_TIMEOUT = 10.0


class HttpxTransport:
    """Reaches the authorization server through an httpx client of its own.

    Args:
        options: for `httpx.Client`, such as `verify`, `cert`, `proxy`, `trust_env`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        chosen: dict[str, Any] = {"timeout": _TIMEOUT, **options, "follow_redirects": False}
        self._client = httpx.Client(**chosen)

    def send(self, request: Outgoing) -> Incoming:
        """Send and read, at most 64 KiB."""
        headers = {"accept-encoding": "identity", **dict(request.headers)}
        try:
            outgoing = self._client.build_request(request.method, request.url, headers=headers, content=request.body)
            response = self._client.send(outgoing, stream=True)
            raw = read_bounded(response, forgiving=False)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ConnectionLost from error
        except RuntimeError as error:
            if self._client.is_closed:
                raise StepUpCancelled("The client was closed") from error
            raise
        return incoming(response, request.url, raw, request.method)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
