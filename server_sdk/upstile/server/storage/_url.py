"""The one reader of `storage=` and `one_time=`: nothing else takes such a text apart.

A URL may carry a password, so no message here shows more of one than its scheme. A path has no secrets.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from upstile.server._errors import ConfigurationError

_SQLITE = "sqlite:///"
_MEMORY = ":memory:"
_scheme = re.compile(r"(?P<name>[a-z][a-z0-9.-]*)(?:\+(?P<driver>[a-z0-9._-]+))?:", re.IGNORECASE)
_option = re.compile(r"[A-Za-z0-9_.-]+")
_CHOICES = {
    "storage": "sqlite:///bank.db (a file), or postgresql://user@host/database",
    "one_time": "redis://host:6379/0, or rediss:// with TLS",
}


@dataclass(frozen=True, slots=True)
class StorageUrl:
    """Where to keep things.

    Attributes:
        kind: which store.
        address: for SQLite a path, as it is; for what is in memory none; otherwise a URL, with a password perhaps, for
            the library that connects.
    """

    kind: Literal["memory", "sqlite", "postgresql", "redis"]
    address: str = field(repr=False)


def read_storage(text: str) -> StorageUrl:
    """Read `storage=`: `sqlite:///path`, `postgresql://…` with the options that libpq knows, or for tests `:memory:`.

    Raises:
        ConfigurationError: anything else; the message says what to write.
    """
    if text == _MEMORY:
        return StorageUrl("memory", "")
    scheme = _read_scheme("storage", text)
    if scheme in ("redis", "rediss", "unix"):
        raise ConfigurationError(
            "storage= must survive, and Redis keeps only what is short-lived: use storage='postgresql://…' or"
            " 'sqlite:///…' and one_time='redis://…'"
        )
    if scheme == "sqlite":
        return StorageUrl("sqlite", _sqlite_path(text))
    if scheme in ("postgres", "pgsql", "psql"):
        raise ConfigurationError(f"storage='{scheme}://…': write postgresql://…")
    if scheme == "postgresql" and text.startswith("postgresql://"):
        return StorageUrl("postgresql", text)
    raise _unknown("storage", scheme)


def read_one_time(text: str) -> StorageUrl:
    """Read `one_time=`: `redis://…` or `rediss://…`, with the options that `RedisStore` knows.

    Raises:
        ConfigurationError: anything else; the message says what to write.
    """
    scheme = _read_scheme("one_time", text)
    if scheme in ("sqlite", "postgresql", "postgres"):
        raise ConfigurationError(f"one_time='{scheme}:…': leave one_time= out, then one-time state lies in storage=")
    if text.startswith(("redis://", "rediss://")):
        return StorageUrl("redis", text)
    raise _unknown("one_time", scheme)


def _read_scheme(option: str, text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ConfigurationError(
            f"{option}= has white space around it, or a control character in it: look at where its text comes from"
        )
    found = _scheme.match(text)
    if found is None:
        raise ConfigurationError(f"{option}= must be a URL, such as {_CHOICES[option]}")
    if found["driver"]:
        raise ConfigurationError(
            f"{option}='{found[0]}//…': leave '+{found['driver']}' out, the driver is not yours to choose"
        )
    return found["name"]


def _unknown(option: str, scheme: str) -> ConfigurationError:
    return ConfigurationError(f"{option}='{scheme}:…' is not known: write {_CHOICES[option]}")


def _sqlite_path(text: str) -> str:
    """All that follows is the path: `#`, `%` and blanks mean themselves, and `?` is refused."""
    if not text.startswith(_SQLITE):
        path = text.removeprefix("sqlite:").lstrip("/")
        raise ConfigurationError(
            f"storage={text!r}: write three slashes before a path, as in {_SQLITE + (path or 'bank.db')!r}, and four"
            " before one that begins at the root"
        )
    path, mark, options = text.removeprefix(_SQLITE).partition("?")
    if mark:
        names = [name for part in options.split("&") if (name := part.partition("=")[0])]
        shown = ", ".join(name if _option.fullmatch(name) else repr(name) for name in names)
        raise ConfigurationError(
            f"storage= has options behind '?' ({shown or 'without a name'}): an SQLite storage has none, and its path"
            " has no question mark. Leave them out"
        )
    if path in ("", ":memory:", "/:memory:"):
        raise ConfigurationError(
            "storage='sqlite:///' without a file would forget every authenticator: name one, as in sqlite:///bank.db,"
            " or in tests say storage=':memory:'"
        )
    return path
