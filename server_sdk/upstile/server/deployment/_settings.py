"""What a deployment is configured with, checked at start-up: every mistake is named before the first request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar
from urllib.parse import urlsplit

from upstile.protocol import has_dot_segments, hides_something, normalized_htu
from upstile.server._errors import ConfigurationError
from upstile.server.authorization._lives import LOGIN_LIFE
from upstile.server.storage._url import StorageUrl

C = TypeVar("C", bound=str)
AUDIT_KEPT_FOR = 180 * 24 * 3600.0
"""Seconds that a row of the audit table is kept by default."""
_YEAR = 366 * 24 * 3600
_LOOPBACK = "localhost"
_LOOPBACK_NUMBER = "127.0.0.1"
_LONGEST_NAME = 100
_LABEL = r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?"
_origin = re.compile(rf"[a-z]+://{_LABEL}(?:\.{_LABEL})*(?::(?P<port>[1-9][0-9]{{0,4}}))?")
_base_url = re.compile(r"(?P<origin>[^/]*//[^/]*)(?P<path>(?:/[A-Za-z0-9._~-]+)*/?)")


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseUrl:
    """A checked public base URL.

    Attributes:
        url: without a trailing slash; it is issuer and resource identifier at once.
        host: the host's name.
        origin: scheme, host and port of it.
        path: what follows, without a trailing slash; empty where it is an origin.
    """

    url: str
    host: str
    origin: str
    path: str

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine's, and so no address of production."""
        return self.url.startswith("http:")


def check_url(url: str, *, allow_insecure_loopback: bool, for_webauthn: bool) -> BaseUrl:
    """Check the configured public URL.

    Args:
        url: the URL.
        allow_insecure_loopback: plain http is accepted on this machine.
        for_webauthn: whether security keys are asked there, whose relying party has a name (WebAuthn Level 3 §5.1.2).

    Raises:
        ConfigurationError: it has a query or a path that is written in several ways, is no https, or is http elsewhere
            than on this machine.
    """
    found = _base_url.fullmatch(url)
    if found is None or not _is_origin(found["origin"]) or has_dot_segments(found["path"]):
        raise ConfigurationError(
            f"url={url!r} must be a base URL, such as https://api.example.com or https://example.com/api: the host in "
            "lower case, in the path letters, digits and -._~"
        )
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        if host == _LOOPBACK_NUMBER and for_webauthn:
            raise ConfigurationError(f"url={url!r}: name this machine localhost, WebAuthn refuses its number")
        if host not in (_LOOPBACK, _LOOPBACK_NUMBER):
            raise ConfigurationError(f"url={url!r} must be https: tokens would travel in the clear")
        if not allow_insecure_loopback:
            raise ConfigurationError("plain http on this machine needs allow_insecure_loopback=True (development)")
    elif parts.scheme != "https":
        raise ConfigurationError(f"url={url!r} must be https")
    origin, path = normalized_htu(f"{parts.scheme}://{parts.netloc}").removesuffix("/"), parts.path.removesuffix("/")
    return BaseUrl(url=origin + path, host=host, origin=origin, path=path)


def check_memory(storage: StorageUrl, origin: BaseUrl) -> StorageUrl:
    """Check that what forgets everything is for tests.

    Raises:
        ConfigurationError: others than this machine are to use it.
    """
    if storage.kind == "memory" and not origin.is_loopback:
        raise ConfigurationError(
            "storage=':memory:' is for tests: it forgets every authenticator, and each process has its own. Name a"
            " file or a database; or, in a test, write url='http://localhost:8000' and allow_insecure_loopback=True"
        )
    return storage


def check_choice(option: str, value: C, choices: Sequence[C]) -> C:
    """Check that an option has one of its values.

    Raises:
        ConfigurationError: another one.
    """
    if value not in choices:
        raise ConfigurationError(f"{option}={value!r} must be one of {', '.join(choices)}")
    return value


def check_name(name: str) -> str:
    """Check the name that people are shown, on their devices and in their authenticator apps.

    Raises:
        ConfigurationError: it is too long, has nothing to see, or hides something.
    """
    if len(name) > _LONGEST_NAME or hides_something(name) or not name.strip(" :"):
        raise ConfigurationError(
            f"name={name[:_LONGEST_NAME]!r} must have 1 to {_LONGEST_NAME} characters, something to see, and no"
            " control, bidirectional or invisible ones"
        )
    return name


def check_positive(option: str, value: float) -> float:
    """Check that an option is a number of seconds.

    Raises:
        ConfigurationError: it is not, or not more than 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"{option}={value!r} must be a number of seconds, more than 0")
    return value


def check_cooling_off(seconds: float | None) -> int | None:
    """Check for how long some things stay closed after a reset.

    Raises:
        ConfigurationError: it is less than a minute, or more than a year.
    """
    if seconds is None:
        return None
    if not 60 <= check_positive("cooling_off", seconds) <= _YEAR:
        raise ConfigurationError(f"cooling_off={seconds!r} must be 60 to {_YEAR} seconds, e.g. 24 * 3600")
    return ceil(seconds)


def check_login_life(seconds: float) -> float:
    """Check how long a base login lasts.

    Raises:
        ConfigurationError: it is less than a minute, or more than the log of revocations and the signing keys last.
    """
    if not 60 <= check_positive("login_life", seconds) <= LOGIN_LIFE:
        raise ConfigurationError(
            f"login_life={seconds!r} must be 60 to {LOGIN_LIFE} seconds: a sign-in that lasts longer is renewed with "
            "start_session(auth_time=…)"
        )
    return seconds


def check_webauthn_origins(rp_id: str, origins: Sequence[str]) -> None:
    """Check that each origin may use the relying party identifier (WebAuthn Level 3 §5.1.3).

    Raises:
        ConfigurationError: an origin whose host is neither the identifier nor below it, or that no browser would name.
    """
    for origin in origins:
        host = urlsplit(origin).hostname or ""
        secure = origin.startswith("https://") or (origin.startswith("http://") and host == _LOOPBACK)
        if not secure or not _is_origin(origin):
            raise ConfigurationError(f"the WebAuthn origin {origin!r} must look like https://app.example.com")
        if host != rp_id and not host.endswith("." + rp_id):
            raise ConfigurationError(f"the WebAuthn origin {origin!r} does not belong to rp_id={rp_id!r}")


def _is_origin(text: str) -> bool:
    found = _origin.fullmatch(text)
    return found is not None and int(found["port"] or 1) <= 65_535
