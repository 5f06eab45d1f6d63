"""Requests and responses as the engine sees them; each framework's adapter translates at its edge."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upstile.protocol import json_compact

RETRY_AFTER = 1
"""Seconds after which a request that was answered 503 may come again."""
RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """One HTTP request.

    Attributes:
        method: in upper case.
        path: the path as it came over the wire, percent-encoding included, without the query.
        headers: raw field lines in their order; names in lower case.
        body: empty where only the head matters.
        path_decoded: the web server knows the path only decoded; `path` is that, encoded anew.
        peer: the address at the other end of the connection, where there is one.
        root_path: below which path the server says that the application is; `path` may begin with it or not.
    """

    method: str
    path: str
    headers: RawHeaders = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    path_decoded: bool = False
    peer: str | None = None
    root_path: str = ""

    def lines(self, name: bytes) -> list[str]:
        """All field lines with this lower-case name."""
        return [value.decode("latin-1") for key, value in self.headers if key == name]

    def media_type(self) -> str:
        """The media type of the body without its parameters, in lower case."""
        return next(iter(self.lines(b"content-type")), "").partition(";")[0].strip().lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """One HTTP response; `headers` may hold a name more than once, as two challenges need it."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


Endpoint = Callable[[HttpRequest, Mapping[str, str]], Awaitable[HttpResponse]]
"""A handler of the embedded authorization server; the mapping holds the parameters of its path."""


def json_response(status: int, members: Any, *headers: tuple[str, str]) -> HttpResponse:
    """A JSON response that no cache keeps."""
    fixed = (("content-type", "application/json"), ("cache-control", "no-store"))
    return HttpResponse(status=status, headers=(*fixed, *headers), body=json_compact(members))
