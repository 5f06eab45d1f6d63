"""What a store must be able to do: keep one text under one name, and change it as one step."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

Rule = Callable[[str | None], str | None]
"""Makes the new text of the old one; `None` is no text. It may raise, and then nothing is changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryName:
    """Whose sign-in an entry is: one for each of these four together.

    Attributes:
        api: the API's origin.
        issuer: the authorization server.
        client_id: the app.
        profile: a name that the app, or its user, gave; several accounts have several.
    """

    api: str
    issuer: str
    client_id: str
    profile: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """The four in their order."""
        return self.api, self.issuer, self.client_id, self.profile

    @property
    def digest(self) -> str:
        """A name that any file system and any keyring takes."""
        return sha256(json.dumps(self.parts).encode()).hexdigest()[:32]


class Store(Protocol):
    """Keeps the entries of an app; write your own by these three verbs.

    The text is a secret: it holds a token and a private key. All three may be called from any thread, and raise
    `StoreError` with a sentence for the person.
    """

    def read(self, name: EntryName) -> str | None:
        """The text of an entry, whole: never half of an old one and half of a new one."""
        ...

    def change(self, name: EntryName, rule: Rule) -> None:
        """Replace an entry by what `rule` makes of it, with nobody in between, in this process or another."""
        ...

    def where(self, name: EntryName) -> str:
        """Where the entry lies, as a person can find it."""
        ...
