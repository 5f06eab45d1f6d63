"""What the app sends and gets back, seen where it leaves."""

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A request, and its response if one came.

    Attributes:
        url: without the origin.
        status: `None` where the connection broke.
    """

    method: str
    url: str
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    status: int | None
    reply: bytes = field(repr=False)

    def form(self) -> dict[str, str]:
        """The members of a form."""
        return dict(httpx.QueryParams(self.body.decode()))

    def meets(self, method: str, ending: str, status: int) -> bool:
        """Whether it is one of these."""
        return (self.method, self.status) == (method, status) and self.url.endswith(ending)


class Watched(httpx.BaseTransport):
    """Notes each exchange, and tells of it before the app hears of it.

    Args:
        tell: is called with each.
    """

    def __init__(self, tell: Callable[[Exchange], None]) -> None:
        self._tell = tell
        self._inner = httpx.HTTPTransport()
        self.seen: list[Exchange] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it on."""
        body = request.read()
        try:
            response = self._inner.handle_request(request)
            reply = b"".join(response.iter_raw())
            response.close()
        except httpx.TransportError:
            self._note(request, body, None, b"")
            raise
        self._note(request, body, response.status_code, reply)
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(reply))

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()

    def _note(self, request: httpx.Request, body: bytes, status: int | None, reply: bytes) -> None:
        exchange = Exchange(
            method=request.method,
            url=request.url.raw_path.decode(),
            headers=request.headers.copy(),
            body=body,
            status=status,
            reply=reply,
        )
        self.seen.append(exchange)
        self._tell(exchange)
