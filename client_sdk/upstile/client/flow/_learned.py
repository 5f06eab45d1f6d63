"""What challenges have taught a client about its calls: what each is asked for, and which resource it belongs to."""

from threading import Lock
from urllib.parse import urlsplit

from upstile.protocol import Requirement, resource_covers

_CALLS = 1024
_RESOURCES = 64


class Learned:
    """The memory of that; bounded, and in this process only."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked: dict[tuple[str, str], Requirement] = {}
        self._named: dict[str, str] = {}
        self._resources: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._asked)

    def challenge(self, method: str, url: str, requirement: Requirement) -> None:
        """Remember what a call was challenged for; the query does not count."""
        with self._lock:
            if len(self._asked) >= _CALLS:
                self._asked.clear()
            self._asked[method, urlsplit(url).path] = requirement

    def asked(self, method: str, url: str) -> Requirement | None:
        """What a call was challenged for the last time."""
        return self._asked.get((method, urlsplit(url).path)) if self._asked else None

    def named(self, url: str, metadata_url: str) -> None:
        """Remember where a refused call was told that its resource's metadata is (RFC 9728 §5.1)."""
        with self._lock:
            if len(self._named) >= _CALLS:
                self._named.clear()
            self._named[urlsplit(url).path] = metadata_url

    def resource(self, resource: str, metadata_url: str) -> None:
        """Remember where the metadata of a resource is, once it was read and believed."""
        with self._lock:
            if len(self._resources) >= _RESOURCES:
                self._resources.clear()
            self._resources[resource] = metadata_url

    def resource_of(self, url: str) -> str | None:
        """The identifier of the resource that a URL belongs to: of those that are known the most specific."""
        if not self._resources:
            return None
        with self._lock:
            known = list(self._resources.items())
        named = self._named.get(urlsplit(url).path)
        told = [resource for resource, where in known if where == named and resource_covers(resource, url)]
        covering = told or [resource for resource, _ in known if resource_covers(resource, url)]
        return max(covering, key=len, default=None)

    def described_at(self, resource: str) -> str | None:
        """Where the metadata of a resource was read."""
        return self._resources.get(resource)

    def metadata_url(self, url: str) -> str | None:
        """Where the metadata of the resource is that a URL belongs to, as far as that is known."""
        named = self._named.get(urlsplit(url).path)
        if named is not None:
            return named
        resource = self.resource_of(url)
        return None if resource is None else self._resources.get(resource)

    def forget(self, metadata_url: str) -> None:
        """The metadata is not there any more, or not to be believed: look anew the next time."""
        with self._lock:
            self._named = {path: where for path, where in self._named.items() if where != metadata_url}
            self._resources = {name: where for name, where in self._resources.items() if where != metadata_url}
