"""What an app says about the browser: whether one is opened, and how the identity provider is asked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from upstile.client._errors import ConfigurationError

_path = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True, kw_only=True)
class Browser:
    """How people confirm, and sign in, at an identity provider's login page (RFC 8252).

    The provider sends the browser back to `http://127.0.0.1:PORT/callback`: register `http://127.0.0.1/callback` there,
    for a public (native) client.

    Args:
        opens: whether a browser is opened; a function opens the URL that it is given. The URL is shown in any case.
        pastes: whether the person is also asked to paste the address that their browser ended at. For machines that
            people reach through SSH, where the browser runs on another one.
        scope: scopes that the provider needs besides `openid` and those of a challenge. With `offline_access` a
            sign-in asks for a refresh token, which some providers hand out for nothing else.
        resource: what the provider calls the API, where the API does not publish it (RFC 9728).
        audience: the same for Auth0, which asks for it by this parameter instead of `resource` (RFC 8707).
        path: of the address that the browser comes back to.
        port: of that address; by default one that is free, as RFC 8252 §7.3 has it. Some providers only know fixed
            ones.
        dpop: whether tokens are bound to the client's key (RFC 9449). By default where both the provider and the API
            publish that they can.

    Raises:
        ConfigurationError: `path` or `port` could not stand in a URL.
    """

    opens: bool | Callable[[str], object] = True
    pastes: bool = False
    scope: Sequence[str] = ()
    resource: str | None = None
    audience: str | None = None
    path: str = "/callback"
    port: int = 0
    dpop: bool | None = None

    def __post_init__(self) -> None:
        if not _path.fullmatch(self.path) or not 0 <= self.port < 65_536:
            raise ConfigurationError("Browser(path=) is a plain path such as /callback, port= a number below 65536")
        if isinstance(self.scope, str):
            raise ConfigurationError('Browser(scope=) is a list of names: scope=["offline_access"]')

    def __repr__(self) -> str:
        """What differs from the default."""
        changed = [f"{one.name}={value!r}" for one in fields(self) if (value := getattr(self, one.name)) != one.default]
        return f"Browser({', '.join(changed)})"

    @property
    def names_resource(self) -> bool:
        """Whether the app says what the provider calls the API, so that the API need not."""
        return self.resource is not None or self.audience is not None


BY_DEFAULT = Browser()
"""A browser is opened, and nothing is pasted."""
