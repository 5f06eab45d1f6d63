"""Requests to issuers: bounded in size and time, never redirected, and what comes back is JSON or nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from pydantic_core import from_json

from upstile.protocol import FORM_TYPE, serialize_form
from upstile.server._errors import ConfigurationError, IssuerUnavailable

LARGEST = 256 * 1024
"""Bytes of an answer that are read; a JWK Set has some thousands."""
TAKES = 5.0
"""Seconds that one exchange may take, however slowly it trickles."""
CONNECTIONS = 16
"""Connections to one issuer at a time."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class StillThere(IssuerUnavailable):
    """This question got no answer that could be read, which says nothing about the next one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an issuer said.

    Attributes:
        status: of HTTP.
        members: of the JSON object; empty where it was none.
    """

    status: int
    members: Mapping[str, Any]


def check_url(option: str, url: str, *, allow_insecure_loopback: bool) -> str:
    """Check where an issuer may be asked.

    Raises:
        ConfigurationError: it is no https URL, nor, where that is allowed, one of this machine; or it has more than
            host, port and path.
    """
    try:
        parts = urlsplit(url)
        host, odd = parts.hostname, parts.query or parts.fragment or parts.username is not None or parts.port == 0
    except ValueError:
        host, odd, parts = None, True, urlsplit("")
    if not host or odd or not url.isprintable() or " " in url:
        raise ConfigurationError(f"{option}={url!r} must be a URL such as https://id.example.com")
    if parts.scheme != "https" and not (allow_insecure_loopback and parts.scheme == "http" and host in _LOOPBACK):
        raise ConfigurationError(f"{option}={url!r} must be https: who is on the line could sign tokens")
    return url


class IssuerHttp:
    """Asks one issuer. Connections are kept as long as the event loop that they were made in.

    Args:
        takes: seconds that one exchange may take, and that it may have to wait for a connection before; `TAKES` by
            default.
    """

    def __init__(self, takes: float | None = None) -> None:
        self._takes = TAKES if takes is None else takes
        self._kept: dict[asyncio.AbstractEventLoop, _Connections] = {}

    async def get(self, url: str) -> Answer:
        """Read a document.

        Raises:
            StillThere: the answer is too large or packed, or all connections were busy for too long.
            IssuerUnavailable: there is no answer, or it is too slow.
        """
        return await self._exchange("GET", url, None, {})

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Send a form.

        Raises:
            IssuerUnavailable: as `get`.
        """
        return await self._exchange("POST", url, serialize_form(form), {"content-type": FORM_TYPE, **headers})

    def forked(self) -> None:
        """Leave the connections to the parent process."""
        self._kept = {}

    async def aclose(self) -> None:
        """Close the connections, if they are of this event loop."""
        kept = self._kept.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            await kept.client.aclose()

    async def _exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        # NOTE: no coding is accepted: a small answer could unpack to a large one.
        said = {"accept": "application/json", "accept-encoding": "identity", **headers}
        kept = self._connections()
        try:
            async with asyncio.timeout(self._takes):
                await kept.free.acquire()
        except TimeoutError:
            raise StillThere(f"{url} has no connection free for another question") from None
        try:
            async with asyncio.timeout(self._takes):
                async with kept.client.stream(method, url, content=body, headers=said) as response:
                    return Answer(response.status_code, _members(await _read(url, response)))
        except TimeoutError:
            raise IssuerUnavailable(f"{url} did not answer within {self._takes:g} seconds") from None
        except httpx.HTTPError as error:
            raise IssuerUnavailable(f"{url} cannot be reached: {type(error).__name__} {error}".rstrip()) from error
        finally:
            kept.free.release()

    def _connections(self) -> "_Connections":
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        if kept is None:
            limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
            client = httpx.AsyncClient(verify=_tls(), follow_redirects=False, timeout=self._takes, limits=limits)
            kept = _Connections(client, asyncio.Semaphore(CONNECTIONS))
            self._kept = {each: held for each, held in self._kept.items() if not each.is_closed()} | {loop: kept}
        return kept


@dataclass(frozen=True, slots=True)
class _Connections:
    """The connections of an event loop, and how many of them are free: waiting for one is no fault of the issuer."""

    client: httpx.AsyncClient
    free: asyncio.Semaphore


async def _read(url: str, response: httpx.Response) -> bytes:
    body = bytearray()
    if response.headers.get("content-encoding", "identity") != "identity":
        raise StillThere(f"{url} answers in a coding that was not asked for")
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LARGEST:
            raise StillThere(f"{url} answers more than {LARGEST} bytes")
    return bytes(body)


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        value: object = from_json(body, allow_inf_nan=False)
    except ValueError:
        return {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


@cache
def _tls() -> SSLContext:
    """Made once: reading the certificates takes longer than an exchange."""
    return httpx.create_ssl_context()
