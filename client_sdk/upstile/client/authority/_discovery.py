"""From a challenge to the authorization server's endpoints (RFC 9728, RFC 8414), checked and remembered."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from upstile.client._errors import CeremonyFailed, UntrustedChallenge
from upstile.client._exchange import ConnectionLost, Incoming, Outgoing, Transport, reason
from upstile.client.flow._trust import Pins
from upstile.client.words import said
from upstile.protocol import RESOURCE_METADATA_PATH, MalformedMessage, well_known_url

if TYPE_CHECKING:
    from upstile.protocol import ResourceMetadata, ServerMetadata

KEPT = 600.0
"""Seconds for which metadata is good where its `Cache-Control` says nothing."""

LONGEST = 86_400.0
"""Seconds that metadata is good at most, whatever its `Cache-Control` says."""
_MOST_KEPT = 64
_max_age = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])", re.IGNORECASE)

M = TypeVar("M", "ResourceMetadata", "ServerMetadata")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a ceremony takes place, and for which resource.

    Attributes:
        resource: its identifier.
        metadata_url: where that is described.
        server: the authorization server.
        takes_bound: whether the resource says that it takes tokens that are bound to a key (RFC 9728 §2).
    """

    resource: str
    metadata_url: str
    server: "ServerMetadata"
    takes_bound: bool = False

    @property
    def endpoints(self) -> tuple[str, str]:
        """Where ceremonies are held, and where codes are redeemed.

        Raises:
            CeremonyFailed: the server names no such places.
        """
        return named(self.server.authorization_challenge_endpoint), self.token_endpoint

    @property
    def token_endpoint(self) -> str:
        """Where codes are redeemed; raises the same."""
        return named(self.server.token_endpoint)


def named(endpoint: str | None) -> str:
    """An endpoint of the authorization server.

    Raises:
        CeremonyFailed: its metadata names none.
    """
    if endpoint is None:
        raise CeremonyFailed(**said("no-ceremony-here"))
    return endpoint


class Discovery:
    """Finds and remembers metadata.

    Args:
        pins: whom we trust.
        transport: reaches the servers.
        monotonic: the time that ages are measured by.

    Attributes:
        pins: as given.
    """

    def __init__(self, pins: Pins, transport: Transport, monotonic: Callable[[], float]) -> None:
        self.pins = pins
        self._transport = transport
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, bytes]] = {}

    def find(self, metadata_url: str, requested: str) -> Target:
        """The authorization server for a call to `requested`.

        Raises:
            UntrustedChallenge: a document names another resource, issuer or origin than the configured ones.
            CeremonyFailed: a document cannot be had or read.
        """
        return self._target(self._resource(metadata_url, requested), metadata_url)

    def look_for(self, requested: str) -> Target:
        """The same where no challenge has said where the resource's metadata is: the first of the places that has it.

        Raises:
            UntrustedChallenge, CeremonyFailed: as `find`; where none has it, what the origin's own place answered.
        """
        missing: dict[str, CeremonyFailed] = {}
        for place in self.pins.metadata_places(requested):
            try:
                resource = self._resource(place, requested)
            except CeremonyFailed as error:
                if not _is_elsewhere(error):
                    raise
                missing[place] = error
            else:
                return self._target(resource, place)
        raise missing[well_known_url(self.pins.api, RESOURCE_METADATA_PATH)]

    def undescribed(self) -> Target:
        """The same for an API that publishes nothing: all of what the app calls the API is one resource.

        Raises:
            UntrustedChallenge, CeremonyFailed: as `server`.
        """
        return Target(resource=self.pins.base, metadata_url="", server=self.server())

    def _target(self, metadata: "ResourceMetadata", metadata_url: str) -> Target:
        takes_bound = bool(metadata.dpop_signing_alg_values_supported)
        return Target(
            resource=metadata.resource, metadata_url=metadata_url, server=self.server(), takes_bound=takes_bound
        )

    def server(self) -> "ServerMetadata":
        """The authorization server.

        Raises:
            UntrustedChallenge: the document is another's, or names endpoints on other origins.
            CeremonyFailed: it cannot be had or read.
        """
        first, *others = self.pins.server_places()
        try:
            return self._server(first)
        except CeremonyFailed as error:
            for place in others if _is_elsewhere(error) else ():
                with suppress(CeremonyFailed):
                    return self._server(place)
            raise

    def _server(self, url: str) -> "ServerMetadata":
        from upstile.protocol import ServerMetadata

        server = self._read(ServerMetadata, url)
        try:
            self.pins.check_server(server)
        except UntrustedChallenge:
            self._kept.pop(url, None)
            raise
        return server

    def _resource(self, metadata_url: str, requested: str) -> "ResourceMetadata":
        """The document that describes a resource, once it was believed."""
        from upstile.protocol import ResourceMetadata

        metadata = self._read(ResourceMetadata, metadata_url)
        try:
            self.pins.check_resource(metadata, requested)
        except UntrustedChallenge:  # look again next time: its operator may have mended it
            self._kept.pop(metadata_url, None)
            raise
        return metadata

    def _read(self, model: type[M], url: str) -> M:
        now = self._monotonic()
        good_until, body = self._kept.get(url, (0.0, b""))
        if now >= good_until:
            response = self._fetch(url)
            body = response.body
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[url] = (now + _life(response), body)
        try:
            return model.from_json(body)
        except MalformedMessage as error:
            self._kept.pop(url, None)
            raise CeremonyFailed(**said("unreadable", url=url, why=error)) from error

    def _fetch(self, url: str) -> Incoming:
        try:
            response = self._transport.send(Outgoing(method="GET", url=url, headers=(("accept", "application/json"),)))
        except ConnectionLost as error:
            raise CeremonyFailed(**said("unreachable", url=url, why=reason(error))) from error
        if response.status != 200:
            words = said(_refusal(response.status), url=url, status=response.status)
            raise CeremonyFailed(**words, response=response)
        return response


def _is_elsewhere(error: CeremonyFailed) -> bool:
    """Whether there is no such document at a place, or another page, so that it may be at another place."""
    if error.response is None:
        return isinstance(error.__cause__, MalformedMessage)
    return error.response.status < 500 and error.response.status != 429


def _refusal(status: int) -> str:
    """What a status means where a public document was expected."""
    if status == 404:
        return "metadata-missing"
    if status in (401, 403, 407):
        return "metadata-guarded"
    return "metadata-away" if status == 429 or status >= 500 else "metadata-elsewhere-now"


def _life(response: Incoming) -> float:
    control = response.header("cache-control") or ""
    if "no-store" in control.lower() or "no-cache" in control.lower():
        return 0.0
    found = _max_age.search(control)
    return min(float(found[1]), LONGEST) if found else KEPT
