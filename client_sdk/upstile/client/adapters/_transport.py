"""The core's own requests: to metadata documents and to the authorization server."""

import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from upstile.client._errors import StepUpCancelled
from upstile.client._exchange import ConnectionLost, Incoming, Outgoing
from upstile.client.adapters._response import incoming, read_bounded

_TIMEOUT = 10.0


class OwnTransport:
    """Reaches the authorization server through a client of its own.

    Args:
        http: the HTTP library.
        options: for its `Client`, such as `verify`, `cert`, `proxy`, `trust_env`.
    """

    def __init__(self, http: ModuleType, options: Mapping[str, Any]) -> None:
        chosen: dict[str, Any] = {"timeout": _TIMEOUT, **options, "follow_redirects": False}
        self._http, self._options = http, chosen
        self._client, self._process = http.Client(**chosen), os.getpid()

    def send(self, request: Outgoing) -> Incoming:
        """Send and read, at most 64 KiB."""
        if self._process != os.getpid():  # forked: the connections are the parent's
            self._client, self._process = self._http.Client(**self._options), os.getpid()
        headers = {"accept-encoding": "identity", **dict(request.headers)}
        try:
            outgoing = self._client.build_request(request.method, request.url, headers=headers, content=request.body)
            response = self._client.send(outgoing, stream=True)
            raw = read_bounded(self._http, response, forgiving=False)
        except (self._http.TransportError, self._http.InvalidURL) as error:
            raise ConnectionLost from error
        except RuntimeError as error:
            if self._client.is_closed:
                raise StepUpCancelled("The client was closed") from error
            raise
        return incoming(response, request.url, raw, request.method)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
