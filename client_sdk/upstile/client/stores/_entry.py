"""What an entry holds, and how it stands in a store: one JSON object that says its version and whose it is."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from upstile.client._errors import StoreError
from upstile.client.stores._store import EntryName
from upstile.protocol import B64TOKEN, MalformedMessage, json_object

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, SchemaValidator

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class StoredLogin:
    """A sign-in.

    Attributes:
        id: tells it from others; what is kept for one sign-in never serves another.
        expires_at: epoch seconds, where the server said it.
        refresh_token: room for that of an external issuer; ours hands out none.
    """

    id: str
    access_token: str = field(repr=False)
    token_type: str
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)


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
                raise StoreError(
                    f"The sign-in in {where} was kept by a later version of this app",
                    next_step="Update the app, or sign out with forget=True and sign in again.",
                )
            if type(version) is not int:
                raise damaged(where)
            entry: Entry = _reader().validate_python(members)
        except (MalformedMessage, ValueError):  # pydantic's ValidationError is a ValueError
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
    return StoreError(
        f"The sign-in in {where} is damaged", next_step="Sign out with forget=True, or remove it; then sign in again."
    )


def _present(members: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in members if value is not None}


@lru_cache(maxsize=1)
def _reader() -> "SchemaValidator":
    """Checks what was read, and makes an entry of it.

    By pydantic's core alone: pydantic itself takes longer to import than an HTTP library, and every run of an app that
    has a store reads an entry.
    """
    from pydantic_core import SchemaValidator, core_schema

    text, time = core_schema.str_schema(), core_schema.float_schema()
    may_text, may_time = (
        core_schema.with_default_schema(core_schema.nullable_schema(of), default=None) for of in (text, time)
    )
    token = core_schema.str_schema(pattern=B64TOKEN)

    def several(of: "CoreSchema") -> "CoreSchema":
        items = core_schema.tuple_schema([of], variadic_item_index=0)
        return core_schema.with_default_schema(items, default=())

    login = _record(
        StoredLogin,
        {"id": text, "access_token": token, "token_type": text, "expires_at": may_time, "refresh_token": may_text},
    )
    elevated = _record(
        StoredToken,
        {"access_token": token, "resource": text, "scope": several(text), "asked": several(text), "acr": may_text}
        | {"proved_at": may_time, "kept_at": time, "expires_at": time, "terminal": text},
    )
    dead_end = _record(StoredDeadEnd, {"kind": text, "times": core_schema.int_schema(gt=0), "until": time})
    may_login = core_schema.with_default_schema(core_schema.nullable_schema(login), default=None)
    entry = _record(
        Entry,
        {"name": core_schema.tuple_schema([text] * 4), "key": may_text, "subject": may_text, "login": may_login}
        | {"elevated": several(elevated), "dead_ends": several(dead_end)},
    )
    return SchemaValidator(entry, core_schema.CoreConfig(hide_input_in_errors=True))


def _record(kind: type[Any], members: Mapping[str, "CoreSchema"]) -> "CoreSchema":
    from pydantic_core import core_schema

    fields = [core_schema.dataclass_field(name, of, kw_only=True) for name, of in members.items()]
    arguments = core_schema.dataclass_args_schema(kind.__name__, fields, extra_behavior="ignore")
    return core_schema.dataclass_schema(kind, arguments, list(members))
