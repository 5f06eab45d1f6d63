"""A deployment as the command sees one: real keys over a real SQLite file, and nothing that serves."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from upstile.server import ConfigurationError
from upstile.server._events import SecurityEvent
from upstile.server.keys._configured import find_seal
from upstile.server.keys._seal import Seal
from upstile.server.keys._signing import SigningKeys
from upstile.server.resource._issuer import Issuer
from upstile.server.storage.sqlite import SqliteStore

ISSUER = "https://bank.example"


def now() -> float:
    """The time that the test says."""
    return float(os.environ.get("BANK_TIME", time()))


@dataclass
class Notified:
    """Writes what it is told into a file."""

    path: Path

    async def tell(self, event: SecurityEvent) -> None:
        with self.path.open("a") as file:
            file.write(f"{event.kind}\n")


class Store(SqliteStore):
    """A store in a file that says whether it is there."""

    def check_schema(self) -> int:
        if not self._path.exists():
            raise ConfigurationError("there is no database yet: run `upstile-server db upgrade`")
        return 3

    def upgrade_schema(self) -> int:
        asyncio.run(self.prepare())
        asyncio.run(self.aclose())
        return 3


@dataclass
class Deployment:
    storage: Store
    seal: Seal
    signing: SigningKeys = field(init=False)
    issuer: Issuer = field(default_factory=lambda: Issuer(identifier=ISSUER))
    events: Notified = field(default_factory=lambda: Notified(Path("events.txt")))
    clock = staticmethod(now)

    def __post_init__(self) -> None:
        self.signing = SigningKeys(self.storage, self.seal, ISSUER)


class StepUp:
    """What an application makes."""

    def __init__(self, storage: str, *, key_file: str | None = None) -> None:
        seal = find_seal(None, None if key_file is None else Path(key_file))
        self._deployment = Deployment(Store(storage, ISSUER), seal)
