"""What a deployment is configured with, checked at start-up: every mistake is named before the first request."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from upstile.server._errors import ConfigurationError
from upstile.server._sealing import Seal, development_key

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SECRET_KEYS_VARIABLE = "UPSTILE_SECRET_KEYS"  # noqa: S105 - a name
_SQLITE = "sqlite:///"


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A checked public base URL: scheme and host, no path.

    Attributes:
        url: without a trailing slash; it is issuer and resource identifier at once.
        host: the host's name.
    """

    url: str
    host: str


def check_origin(url: str, *, allow_insecure_loopback: bool) -> Origin:
    """Check the configured public URL.

    Raises:
        ConfigurationError: it has a path, is no https, or is http elsewhere than on this machine.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ConfigurationError(f"url={url!r} must be an origin, such as https://api.example.com")
    if parts.scheme == "http":
        if host not in LOOPBACK:
            raise ConfigurationError(f"url={url!r} must be https: tokens would travel in the clear")
        if not allow_insecure_loopback:
            raise ConfigurationError("plain http on this machine needs allow_insecure_loopback=True (development)")
    elif parts.scheme != "https":
        raise ConfigurationError(f"url={url!r} must be https")
    return Origin(url=f"{parts.scheme}://{parts.netloc}", host=host)


def sqlite_path(storage: str) -> Path:
    """The file of a `sqlite:///path` storage.

    Raises:
        ConfigurationError: another kind of storage.
    """
    path = storage.removeprefix(_SQLITE)
    if path == storage or not path or path == ":memory:":
        raise ConfigurationError(f"storage={storage!r} must be sqlite:///path/to/file.db")
    return Path(path)


def find_seal(secret_keys: Sequence[str | bytes] | None, path: Path, *, development: bool) -> Seal:
    """The seal for secrets at rest: from the argument, the environment, or, in development, a file beside the data.

    Raises:
        ConfigurationError: no key is configured.
    """
    configured = secret_keys if secret_keys is not None else os.environ.get(SECRET_KEYS_VARIABLE, "").split()
    if configured:
        return Seal(configured)
    if development:
        return Seal([development_key(path.with_name(path.name + ".key"))])
    raise ConfigurationError(
        f"secret_keys is missing: pass Fernet keys or set {SECRET_KEYS_VARIABLE}. Make one with: python -c "
        "'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    )


def check_webauthn_origins(rp_id: str, origins: Sequence[str]) -> None:
    """Check that each origin may use the relying party identifier (WebAuthn Level 3 §5.1.3).

    Raises:
        ConfigurationError: an origin whose host is neither the identifier nor below it.
    """
    for origin in origins:
        host = urlsplit(origin).hostname or ""
        if host != rp_id and not host.endswith("." + rp_id):
            raise ConfigurationError(f"the WebAuthn origin {origin!r} does not belong to rp_id={rp_id!r}")
