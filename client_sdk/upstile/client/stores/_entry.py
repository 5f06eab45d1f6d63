"""What an entry holds, and how it stands in a store: one JSON object that says its version and whose it is."""

import json
import re
from dataclasses import asdict, dataclass, field
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from upstile.client._errors import StoreError
from upstile.client.stores._store import EntryName
from upstile.client.words import said
from upstile.protocol import B64TOKEN, MalformedMessage, json_object

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class StoredLogin:
    """A sign-in.

    Attributes:
        id: tells it from others; what is kept for one sign-in never serves another.
        expires_at: epoch seconds, where the server said it.
        refresh_token: that of an external issuer; ours hands out none.
        identity: who it is at an external issuer, as its ID token said.
        resource: what the token was asked for, and is renewed for (RFC 8707 §2.2).
    """

    id: str
    access_token: str = field(repr=False)
    token_type: str
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    identity: str | None = field(default=None, repr=False)
    resource: str | None = None

    def __post_init__(self) -> None:
        _check_token(self.access_token)


@dataclass(frozen=True, kw_only=True)
class StoredToken:
    """An elevated token, for one terminal session.

    Attributes:
        asked: the `acr_values` that it was obtained for.
        proved_at, kept_at, expires_at: epoch seconds; `expires_at` is that of the entry, at most `LONGEST_KEPT` away.
        terminal: the terminal session that obtained it.
    """

    access_token: str = field(repr=False)
    resource: str
    scope: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    acr: str | None = None
    proved_at: float | None = None
    kept_at: float
    expires_at: float
    terminal: str

    def __post_init__(self) -> None:
        _check_token(self.access_token)


@dataclass(frozen=True, kw_only=True)
class StoredDeadEnd:
    """A kind of ceremony that the API did not honour (upstile profile §3).

    Attributes:
        kind: what was asked, in one text.
        times: how often that happened.
        until: epoch seconds before which nobody is asked again.
    """

    kind: str
    times: int
    until: float

    def __post_init__(self) -> None:
        if self.times < 1:
            raise ValueError("it never happened")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """All that is kept for one API, issuer, app and profile.

    Attributes:
        name: those four, so that an entry that lies in the wrong place is noticed.
        key: the private DPoP key, PKCS #8 DER in base64url; it outlives a sign-out, so that the machine stays known.
        subject: whose key it is, as the app names the user.
        login: the sign-in; `None` after a sign-out.
    """

    name: tuple[str, str, str, str]
    key: str | None = field(default=None, repr=False)
    subject: str | None = None
    login: StoredLogin | None = None
    elevated: tuple[StoredToken, ...] = ()
    dead_ends: tuple[StoredDeadEnd, ...] = ()

    @classmethod
    def read(cls, text: str | None, name: EntryName, where: str) -> "Entry":
        """Read an entry; where there is no text, an empty one.

        Args:
            where: where it lies, for the person.

        Raises:
            StoreError: it is damaged, another one's, or of a later version.
        """
        if text is None:
            return cls(name=name.parts)
        try:
            members = json_object(text)
            version = members.get("upstile_store")
            if type(version) is int and version > VERSION:
                raise StoreError(**said("later-version", where=where))
            if type(version) is not int:
                raise damaged(where)
            entry: Entry = _made(cls, members)
        except (MalformedMessage, ValueError, TypeError, OverflowError):
            raise damaged(where) from None
        if entry.name != name.parts:
            raise damaged(where)
        return entry

    def written(self) -> str:
        """The text of this entry, in ASCII and without line breaks."""
        members: dict[str, Any] = {"upstile_store": VERSION, **asdict(self, dict_factory=_present)}
        return json.dumps(members, separators=(",", ":"))


def damaged(where: str) -> StoreError:
    """What is there cannot be read, and is left as it is."""
    return StoreError(**said("damaged", where=where))


def _check_token(text: str) -> None:
    if not re.fullmatch(B64TOKEN, text):
        raise ValueError("no token")


def _present(members: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in members if value is not None}


_RECORDS = (Entry, StoredLogin, StoredToken, StoredDeadEnd)


def _made(kind: Any, value: Any) -> Any:
    """A value of the kind that a record's annotation names, out of JSON; members that it does not name are ignored.

    By hand: pydantic takes longer to import than an HTTP library, and each run of an app with a store reads an entry.
    """
    of = get_args(kind)
    if get_origin(kind) is UnionType:  # something, or `None`
        return None if value is None else _made(of[0], value)
    if get_origin(kind) is tuple and type(value) is list:
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        each = of[:1] * len(items) if of[-1] is Ellipsis else of
        return tuple(_made(one, item) for one, item in zip(each, items, strict=True))
    if kind in _RECORDS and type(value) is dict:
        kinds, members = get_type_hints(kind), cast(dict[str, Any], value)
        return kind(**{name: _made(kinds[name], member) for name, member in members.items() if name in kinds})
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError("a member of another kind")
    return value
