"""The apps that may run ceremonies: public first-party clients, registered in code."""

from collections.abc import Iterable
from dataclasses import dataclass

from upstile.protocol import AUTHENTICATORS_SCOPE
from upstile.server._errors import AuthorizationError, ConfigurationError


@dataclass(frozen=True, slots=True, init=False)
class App:
    """A registered app.

    Args:
        client_id: its identifier.
        scopes: what its tokens may at most carry, as a sequence or a space-separated text; `authenticators` is always
            among it.
    """

    client_id: str
    scopes: frozenset[str]

    def __init__(self, client_id: str, *, scopes: str | Iterable[str] = ()) -> None:
        if not client_id or not client_id.isprintable():
            raise ConfigurationError("a client_id must be a printable text")
        object.__setattr__(self, "client_id", client_id)
        names = scopes.split() if isinstance(scopes, str) else scopes
        object.__setattr__(self, "scopes", frozenset(names) - {AUTHENTICATORS_SCOPE})


class Apps:
    """All registered apps of a deployment."""

    def __init__(self, clients: Iterable[App]) -> None:
        try:
            registered = list(clients)
            self._apps = {client.client_id: client for client in registered}
        except (TypeError, AttributeError):
            registered, self._apps = [], {}
        if not registered:
            raise ConfigurationError("clients takes the apps: [App('my-app', scopes={'payments'})]")
        if len(self._apps) < len(registered):
            raise ConfigurationError("two clients have the same client_id")

    def get(self, client_id: str) -> App:
        """The app with this identifier.

        Raises:
            AuthorizationError: `invalid_client`.
        """
        client = self._apps.get(client_id)
        if client is None:
            raise AuthorizationError("invalid_client", "this client_id is not registered")
        return client

    def has(self, client_id: str) -> bool:
        """Whether there is an app with this identifier."""
        return client_id in self._apps

    def only(self) -> App:
        """The app of a deployment that has one.

        Raises:
            ConfigurationError: there are several, so that one has to be named.
        """
        if len(self._apps) > 1:
            raise ConfigurationError("several clients are registered: pass client_id=")
        return self.first

    @property
    def first(self) -> App:
        """The one that was registered first."""
        return next(iter(self._apps.values()))

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that some app may have, sorted."""
        return tuple(sorted(frozenset[str]().union(*(client.scopes for client in self._apps.values()))))
