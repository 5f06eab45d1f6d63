"""What an entry holds, and how it stands in a store: one JSON object that says its version and whose it is."""

import json
from typing import Literal

from pydantic import Field

from upstile.client._errors import StoreError
from upstile.client.stores._store import EntryName
from upstile.client.words import said
from upstile.protocol import B64TOKEN, MalformedMessage, Message, json_object

VERSION = 1


class StoredLogin(Message):
    """A sign-in.

    Attributes:
        id: tells it from others; what is kept for one sign-in never serves another.
        expires_at: epoch seconds, where the server said it.
        refresh_token: room for that of an external issuer; ours hands out none.
    """

    id: str
    access_token: str = Field(pattern=B64TOKEN, repr=False)
    token_type: str
    expires_at: float | None = None
    refresh_token: str | None = Field(default=None, repr=False)


class StoredToken(Message):
    """An elevated token, for one terminal session.

    Attributes:
        asked: the `acr_values` that it was obtained for.
        proved_at, kept_at, expires_at: epoch seconds; `expires_at` is that of the entry, at most `LONGEST_KEPT` away.
        terminal: the terminal session that obtained it.
    """

    access_token: str = Field(pattern=B64TOKEN, repr=False)
    resource: str
    scope: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    acr: str | None = None
    proved_at: float | None = None
    kept_at: float
    expires_at: float
    terminal: str


class StoredDeadEnd(Message):
    """A kind of ceremony that the API did not honour (upstile profile §3).

    Attributes:
        kind: what was asked, in one text.
        times: how often that happened.
        until: epoch seconds before which nobody is asked again.
    """

    kind: str
    times: int = Field(gt=0)
    until: float


class Entry(Message):
    """All that is kept for one API, issuer, app and profile.

    Attributes:
        name: those four, so that an entry that lies in the wrong place is noticed.
        key: the private DPoP key, PKCS #8 DER in base64url; it outlives a sign-out, so that the machine stays known.
        subject: whose key it is, as the app names the user.
        login: the sign-in; `None` after a sign-out.
    """

    upstile_store: Literal[1] = 1
    name: tuple[str, str, str, str]
    key: str | None = Field(default=None, repr=False)
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
            entry = cls.from_members(members)
        except MalformedMessage:
            raise damaged(where) from None
        if entry.name != name.parts:
            raise damaged(where)
        return entry

    def written(self) -> str:
        """The text of this entry, in ASCII and without line breaks."""
        return json.dumps(self.to_members(), separators=(",", ":"))


def damaged(where: str) -> StoreError:
    """What is there cannot be read, and is left as it is."""
    return StoreError(**said("damaged", where=where))
