"""Requests and responses as the core sees them, and what it needs of an HTTP library for its own requests."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote, urlsplit

_http_url = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:[/?#][!-~]*)?",
    re.IGNORECASE,
)
_SLASHES = re.compile(r"[/\\]")
_ENDS_A_SEGMENT = re.compile(r"[;?#]")
_NOTHING_TO_SEE = re.compile(r"[\x00-\x20]")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """A request of the core's own: to a metadata document or to the authorization server."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A response, as far as it was read.

    Attributes:
        url: the URL that it answers, after redirects.
        method: the method that it answers, after redirects.
        headers: in their order, names in lower case.
        body: bounded; only what a challenge or an error needs.
    """

    status: int
    url: str
    method: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def lines(self, name: str) -> list[str]:
        """All field lines with this lower-case name."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        """The first field line with this lower-case name."""
        return next(iter(self.lines(name)), None)


class ConnectionLost(Exception):
    """No response came: the request may or may not have arrived."""


def reason(lost: ConnectionLost) -> str:
    """Why none came, for developers."""
    return type(lost.__cause__).__name__ if lost.__cause__ is not None else "no reply"


class Transport(Protocol):
    """Sends the core's own requests; never follows redirects, bounds time and size."""

    def send(self, request: Outgoing) -> Incoming:
        """Send and read; raises `ConnectionLost`."""
        ...


def lowered(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Headers with their names in lower case."""
    return tuple((name.lower(), value) for name, value in headers)


@lru_cache(maxsize=256)
def origin_of(url: str) -> str:
    """Scheme, host and port of a URL in one spelling (RFC 6454 §4).

    Empty for what is no http URL, and for what two parsers could read differently: a user before the host, a back
    slash in it, characters that no URL holds.
    """
    found = _http_url.fullmatch(url)
    if found is None:
        return ""
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def is_below(base: str, url: str) -> bool:
    """Whether a URL is a base URL or below it, to everybody who may read it on the way.

    A path that could lead out again is below nothing: dot segments, plain or escaped once or more, behind a back slash
    or before a `;`, or before a `?` or `#` that is escaped itself. What stands before a server may decode a path before
    it decides whose it is.
    """
    path, seen = urlsplit(url).path, ""
    root = urlsplit(base).path
    if path != root and not path.startswith(root + "/"):
        return False
    while path != seen:
        path, seen = unquote(path), path
    segments = _SLASHES.split(_NOTHING_TO_SEE.sub("", path))
    return not any(_ENDS_A_SEGMENT.split(segment, maxsplit=1)[0] in (".", "..") for segment in segments)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what goes to a URL: https, or http to this machine itself."""
    found = _http_url.fullmatch(origin_of(url))
    return found is not None and (found["scheme"] == "https" or found["host"] in _LOOPBACK)
