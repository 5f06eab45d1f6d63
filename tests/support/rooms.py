"""A client with a store, at a desk: each call of `client` is what a new process of the same user would be."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from support.desk import API, Desk, server_metadata
from upstile.client import Client, EntryName, FileStore, Store

NAME = EntryName(api=API, issuer=API, client_id="cli", profile="default")


@dataclass
class Room:
    """A machine, and the API that its apps call."""

    store: Store
    desk: Desk = field(default_factory=Desk)

    def __post_init__(self) -> None:
        self.desk.always("server", lambda _: httpx.Response(200, json=metadata()))

    def client(self, **options: Any) -> Client:
        """The app, started anew."""
        return self.desk.client(**{"token": None, "store": self.store, **options})

    def signed_in(self, token: str = "BASE-SECRET", subject: str | None = "ada", **options: Any) -> Client:
        """The app, started anew, after a sign-in."""
        bank = self.client(**options)
        reply = {"access_token": token, "token_type": "DPoP", "expires_in": 3600}
        self.desk.first("call", httpx.Response(200, json=reply))
        bank.sign_in("/login", subject=subject)
        return bank


def metadata() -> dict[str, Any]:
    """That of a server at which an app can sign out."""
    return server_metadata(revocation_endpoint=f"{API}/revoke")


def file_of(folder: Path) -> Path:
    """The file of the entry."""
    return folder / f"{NAME.digest}.json"


def file_store(folder: Path) -> FileStore:
    """A store of files."""
    return FileStore("pay", folder=folder)
