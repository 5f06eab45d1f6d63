"""The URL of a Redis: what it may say, and how it is shown without its password."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from upstile.server._errors import ConfigurationError

_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_NUMBERS = ("wait_replicas", "wait_ms")
_NAME = re.compile(r"[a-z_]{1,40}")
_EXAMPLE = "redis://user:password@host:6379/0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a Redis is.

    Attributes:
        url: for redis-py, without options.
        shown: for messages, without user and password.
        command: how `redis-cli` is called for it.
        tls: further arguments of the connection.
        replicas, wait_ms: what the URL says of them.
    """

    url: str = field(repr=False)
    shown: str
    command: str
    tls: dict[str, Any] = field(default_factory=dict[str, Any])
    replicas: int | None = None
    wait_ms: int | None = None


def parse_address(url: str) -> Address:
    """Read a URL: `redis://`, or `rediss://` with TLS.

    Raises:
        ConfigurationError: it is neither, or has an option that is not known. The message never repeats it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise ConfigurationError(
            f"the Redis URL cannot be read; it looks like {_EXAMPLE}, "
            "and special characters of the password are percent-encoded"
        ) from None
    _check(parts)
    options = _options(parts)
    numbers = {name: _number(name, options.pop(name)) for name in _NUMBERS if name in options}
    encrypted = parts.scheme == "rediss"
    return Address(
        url=parts._replace(query="").geturl(),
        shown=f"{parts.scheme}://{parts.hostname}:{port}/{parts.path.strip('/') or 0}",
        command=f"redis-cli -h {parts.hostname} -p {port}{' --tls' if encrypted else ''}",
        # NOTE: redis-py before version 6 does not compare the server's name with its certificate by itself.
        tls={**options, "ssl_check_hostname": True} if encrypted else {},
        replicas=numbers.get("wait_replicas"),
        wait_ms=numbers.get("wait_ms"),
    )


def _check(parts: SplitResult) -> None:
    if parts.scheme not in ("redis", "rediss"):
        raise ConfigurationError(f"a Redis URL begins with redis:// or rediss://; it looks like {_EXAMPLE}")
    if parts.fragment:
        raise ConfigurationError("the Redis URL has a '#': write it as %23 where it belongs to the password")
    if not parts.hostname:
        raise ConfigurationError(f"the Redis URL names no host; it looks like {_EXAMPLE}")
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise ConfigurationError(
            "the path of the Redis URL is the number of a database, as in redis://host:6379/0; "
            "special characters of the password are percent-encoded"
        )


def _options(parts: SplitResult) -> dict[str, str]:
    known = _NUMBERS + (_TLS_OPTIONS if parts.scheme == "rediss" else ())
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(
        name if _NAME.fullmatch(name) else "one without a usual name" for name in options.keys() - {*known}
    )
    if unknown:
        raise ConfigurationError(
            f"the Redis URL has options that are not known here: {', '.join(unknown)}; known are {', '.join(known)}"
        )
    return options


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ConfigurationError(f"{name} in the Redis URL is a whole number")
    return int(text)
