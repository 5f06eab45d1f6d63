"""Where a request came from: said by named proxies only, and masked."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from upstile.server._errors import ConfigurationError
from upstile.server._http import HttpRequest

_PORT = re.compile(r":[0-9]{1,5}$")
_FOR = re.compile(r"(?:^|;)[ \t]*for=(\"[^\"]*\"|[^;\"\s]*)[ \t]*(?=;|$)", re.IGNORECASE)  # RFC 7239 §4
_MOST = 20
"""Addresses of a header that are looked at."""
Address = IPv4Address | IPv6Address


class Addresses:
    """Knows the proxies of a deployment.

    Args:
        trusted_proxies: their networks, such as `10.0.0.0/8`. Without any no header is read.

    Raises:
        ConfigurationError: one is no network, or all of them.
    """

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        self._trusted = [_network(text) for text in trusted_proxies]

    @property
    def has_proxies(self) -> bool:
        """Whether any proxy is named."""
        return bool(self._trusted)

    def of(self, request: HttpRequest) -> str | None:
        """The masked address of who sent a request: an IPv4 address as /24, an IPv6 address as /48.

        A header counts only where a named proxy is at the other end. It is read from its end, over the proxies that are
        named, to the first address that is none of them: what stands before that the client may have written.
        """
        if request.peer is None:
            return None
        if not self._trusted:
            return _masked_text(request.peer)
        peer = _read(request.peer)
        if peer is None or not self._is_trusted(peer):
            return None if peer is None else masked(peer)
        told = [_behind(request, b"x-forwarded-for", _listed), _behind(request, b"forwarded", _elements)]
        named = {self._client(peer, hops) for hops in told if hops}
        # NOTE: a proxy sets one of the two headers. Where the other one disagrees, the client may have sent it.
        return masked(named.pop() if len(named) == 1 else peer)

    def _client(self, peer: Address, hops: Sequence[str]) -> Address:
        last = peer
        for hop in reversed(hops[-_MOST:]):
            address = _read(hop)
            if address is None:
                return last
            last = address
            if not self._is_trusted(address):
                break
        return last

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def masked(address: Address) -> str:
    """The network of an address: enough to see that two calls came from afar, too little to find a person."""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


@lru_cache(maxsize=4096)
def _masked_text(text: str) -> str | None:
    address = _read(text)
    return None if address is None else masked(address)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ConfigurationError(f"trusted_proxies={text!r} must be a network, such as 10.0.0.0/8") from None
    if network.prefixlen == 0:
        raise ConfigurationError(f"trusted_proxies={text!r} names everybody: name your own proxies")
    return network


def _read(text: str) -> Address | None:
    """An address, in brackets or with a port perhaps; `None` for anything else, such as `unknown`."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = _PORT.sub("", text)
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _listed(line: str) -> list[str]:
    return line.split(",")


def _elements(line: str) -> list[str]:
    """The `for` of each element; one without it names nobody."""
    found = (_FOR.search(element) for element in line.split(","))
    return [match[1] if match else "unknown" for match in found]


def _behind(request: HttpRequest, name: bytes, split: Callable[[str], list[str]]) -> list[str]:
    """What all lines of a header name, in their order."""
    return [hop for line in request.lines(name) for hop in split(line)]
