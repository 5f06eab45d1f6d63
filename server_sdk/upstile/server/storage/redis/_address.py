"""The URL of a Redis: what it may say, and how it is shown without its password."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from upstile.server._errors import ConfigurationError

_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_NUMBERS = ("wait_replicas", "wait_ms")
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
    """Read a URL: `redis://`, `rediss://` (TLS) or `unix://`.

    Raises:
        ConfigurationError: it is none of these, or has an option that is not known. The message never repeats it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(
            f"the Redis URL cannot be read; it looks like {_EXAMPLE}, "
            "and special characters of the password are percent-encoded"
        ) from None
    _check(parts)
    options = _options(parts)
    numbers = {name: _number(name, options.pop(name)) for name in _NUMBERS if name in options}
    database = options.pop("db", None) if parts.scheme == "unix" else parts.path.strip("/")
    return Address(
        url=parts._replace(query=f"db={database}" if parts.scheme == "unix" and database else "", fragment="").geturl(),
        shown=_shown(parts, port, database),
        command=_command(parts, port),
        tls=options | ({"ssl_check_hostname": True} if parts.scheme == "rediss" else {}),
        replicas=numbers.get("wait_replicas"),
        wait_ms=numbers.get("wait_ms"),
    )


def _check(parts: SplitResult) -> None:
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ConfigurationError(f"a Redis URL begins with redis://, rediss:// or unix://; it looks like {_EXAMPLE}")
    if parts.fragment:
        raise ConfigurationError("the Redis URL has a '#': write it as %23 where it belongs to the password")
    if parts.scheme == "unix":
        if not parts.path:
            raise ConfigurationError("a unix:// URL names the socket's path, as unix:///run/redis/redis.sock does")
    elif not parts.hostname:
        raise ConfigurationError(f"the Redis URL names no host; it looks like {_EXAMPLE}")
    elif parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise ConfigurationError("the path of a Redis URL is the number of a database, as in redis://host:6379/0")


def _options(parts: SplitResult) -> dict[str, str]:
    known = {"redis": _NUMBERS, "rediss": _NUMBERS + _TLS_OPTIONS, "unix": (*_NUMBERS, "db")}[parts.scheme]
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigurationError(
            f"the Redis URL has an option that is not known here: {', '.join(unknown)}; known are {', '.join(known)}"
        )
    return options


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ConfigurationError(f"{name} in the Redis URL is a whole number")
    return int(text)


def _shown(parts: SplitResult, port: int | None, database: str | None) -> str:
    if parts.scheme == "unix":
        return f"unix://{unquote(parts.path)}"
    return f"{parts.scheme}://{parts.hostname}:{port or 6379}/{database or 0}"


def _command(parts: SplitResult, port: int | None) -> str:
    if parts.scheme == "unix":
        return f"redis-cli -s {unquote(parts.path)}"
    return f"redis-cli -h {parts.hostname} -p {port or 6379}{' --tls' if parts.scheme == 'rediss' else ''}"
