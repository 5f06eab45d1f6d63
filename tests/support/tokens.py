"""Tokens as a test wants them: read unchecked, or signed with the bank's own key over any claims."""

from collections.abc import Mapping
from pathlib import Path
from time import time
from typing import Any

import jwt

from support.wire_driver import URL, WireApp
from upstile.server.keys._configured import find_seal
from upstile.server.keys._signing import SigningKeys
from upstile.server.storage.sqlite import SqliteStore


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token, unchecked."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def mint(folder: Path, claims: Mapping[str, Any]) -> str:
    """A token signed with the bank's own key, which is opened as another process of the deployment would."""
    file = folder / "bank.db"
    store = SqliteStore(file, URL)
    await store.prepare()
    try:
        keys, now = SigningKeys(store, find_seal(None, file.with_name("bank.db.key")), URL), time()
        await keys.prepare(now)
        return keys.sign(claims, now)
    finally:
        await store.aclose()


async def minted_with(app: WireApp, folder: Path, **claims: Any) -> str:
    """A token by the server's own key, with other claims: what a mistake elsewhere could produce."""
    own = claims_of(app.token or await app.sign_in())
    return await mint(folder, {**own, **claims})
