"""What `login` remembers under a profile, so that it has to be said once. No secret is among it."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from upstile.client.cli._ending import PROBLEM, Ending

StoreKind = Literal["file", "keyring"]
APP = "upstile"
"""The name of the command among the apps that keep sign-ins."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One API and account.

    Attributes:
        api: the API's base URL.
        client_id: the app.
        issuer: the authorization server, where it is not the API's own.
        store: where the sign-in is kept.
        path: where the API signs people in.
        fields, secrets: what it asks for there; secrets are typed unseen.
        form: whether it takes a form instead of JSON.
        scope, audience: what an identity provider is asked for in the browser.
    """

    api: str
    client_id: str
    issuer: str | None = None
    store: StoreKind = "file"
    path: str | None = None
    fields: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    form: bool = False
    scope: tuple[str, ...] = ()
    audience: str | None = None


class Profiles:
    """All that are remembered, in one entry of the store of files, which judges who else could have changed them."""

    def __init__(self) -> None:
        from upstile.client import EntryName, FileStore

        self._store = FileStore(APP)
        self._name = EntryName(api="profiles", issuer=APP, client_id=APP, profile="all")

    def find(self, name: str) -> Profile | None:
        """What is remembered under a name."""
        return self.all().get(name)

    def all(self) -> dict[str, Profile]:
        """All of them, by name."""
        return self._parsed(self._store.read(self._name))

    def remember(self, name: str, profile: Profile | None) -> None:
        """Remember a profile; `None` forgets it."""

        def rule(text: str | None) -> str | None:
            others = {known: kept for known, kept in self._parsed(text).items() if known != name}
            kept = others if profile is None else {**others, name: profile}
            if not kept:
                return None
            return json.dumps({"profiles": {known: asdict(one) for known, one in sorted(kept.items())}}, indent=1)

        self._store.change(self._name, rule)

    def _parsed(self, text: str | None) -> dict[str, Profile]:
        if text is None:
            return {}
        try:
            return {name: _profile(kept) for name, kept in json.loads(text)["profiles"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            where = self._store.where(self._name)
            raise Ending(
                f"What is remembered in {where} is damaged", "Remove it, and sign in again.", code=PROBLEM
            ) from None


def _profile(kept: dict[str, Any]) -> Profile:
    profile = Profile(**kept)
    texts = (profile.api, profile.client_id, *profile.fields, *profile.secrets, *profile.scope)
    if not all(isinstance(text, str) for text in texts):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError
    fields, secrets, scope = tuple(profile.fields), tuple(profile.secrets), tuple(profile.scope)
    return replace(profile, fields=fields, secrets=secrets, scope=scope)


def store_kind(name: str) -> StoreKind:
    """The kind of store that a person has named."""
    kinds: dict[str, StoreKind] = {"file": "file", "keyring": "keyring"}
    if name not in kinds:
        raise Ending(f"--store is file or keyring, not {name!r}")
    return kinds[name]
