"""The stores that the contract holds for. A new one joins with an entry in `STORES` and a fixture for its address."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from upstile.server.storage._names import Names
from upstile.server.storage._records import AuthenticatorRecord, OneTimeKey, Record, Use, User
from upstile.server.storage._stores import Found, Kept, OneTimeStore, Storage, TwoStores
from upstile.server.storage.postgresql import PostgresStore
from upstile.server.storage.redis import RedisStore
from upstile.server.storage.sqlite import SqliteStore

ISSUER = "https://as.example"
NOW = 1_800_000_000.0
USER = User(ISSUER, "ada")
_ROOT = Path(__file__).parents[2]
_names = Names(ISSUER)
_names.load(bytes(32))


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of storage.

    Attributes:
        address: the name of the fixture that makes an empty one and gives its address, a text without line breaks.
        open: a storage at an address, for an issuer; not prepared yet.
        durable: whether its durable half is to be tested: not where it is one that another kind has.
        one_transaction: whether `settle` is one.
    """

    address: str
    open: Callable[[str, str], Storage]
    durable: bool = True
    one_transaction: bool = True


def _redis(address: str, issuer: str) -> Storage:
    url, _, path = address.partition(" ")
    return TwoStores(SqliteStore(path, issuer), RedisStore(url, issuer))


STORES: dict[str, Kind] = {
    "sqlite": Kind(address="sqlite_address", open=SqliteStore),
    "postgresql": Kind(address="postgres_url", open=PostgresStore),
    "redis": Kind(address="redis_address", open=_redis, durable=False, one_transaction=False),
}


@dataclass(frozen=True)
class Place:
    """One storage, which this process and others may open."""

    name: str
    address: str

    @property
    def kind(self) -> Kind:
        """What is stored here."""
        return STORES[self.name]

    @asynccontextmanager
    async def opened(self, issuer: str = ISSUER) -> AsyncGenerator[Storage]:
        """The storage, for the length of a block."""
        storage = self.kind.open(self.address, issuer)
        await prepare(storage)
        try:
            yield storage
        finally:
            await close(storage)

    def start(self, job: str, *arguments: str) -> "subprocess.Popen[str]":
        """Another process that opens the storage and does a job of `support.store_jobs`.

        Each time when it is told to `go`: it has said `loaded` before it opens, and `ready` before it does its job.
        """
        command = [sys.executable, "-m", "support.store_jobs", self.name, self.address, job, *arguments]
        environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=_ROOT, env=environment)  # noqa: S603

    def started(self, processes: int, job: str, *arguments: str) -> "list[subprocess.Popen[str]]":
        """Processes that are ready for their job; all have opened the storage at the same moment."""
        started = [self.start(job, *arguments) for _ in range(processes)]
        for word in ("loaded", "ready"):
            for process in started:
                assert said(process) == word
            if word == "loaded":
                go(*started)
        return started

    def together(self, processes: int, job: str, *arguments: str) -> list[list[str]]:
        """What each of some processes prints that do the same at the same moment."""
        started = self.started(processes, job, *arguments)
        try:
            go(*started)
            return [rest(process) for process in started]
        finally:
            stop(*started)


def said(process: "subprocess.Popen[str]") -> str:
    """The next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def rest(process: "subprocess.Popen[str]") -> list[str]:
    """What it says until it ends."""
    # NOTE: `communicate` would forget what `said` has read ahead.
    assert process.stdout is not None
    return process.stdout.read().splitlines()


def go(*processes: "subprocess.Popen[str]") -> None:
    """Tell processes to go on."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def stop(*processes: "subprocess.Popen[str]") -> None:
    """End processes, whatever they do."""
    for process in processes:
        process.kill()
        process.communicate()


async def prepare(storage: Storage) -> None:
    """Open both halves."""
    await storage.durable.prepare()
    await storage.one_time.prepare()


async def close(storage: Storage) -> None:
    """Close both halves."""
    await storage.durable.aclose()
    await storage.one_time.aclose()


def key(name: str) -> OneTimeKey:
    """A key of one-time state."""
    return _names("used", name)


def live(value: bytes = b"value") -> Record:
    """A record that lives for a minute from `NOW` on."""
    return Record(value=value, expires_at=NOW + 60)


async def put(store: OneTimeStore, kept: Kept, now: float = NOW) -> None:
    """Write some records."""
    await store.update_many(list(kept), lambda _: (kept, None), now)


async def increment(store: OneTimeStore, name: str) -> int:
    """Add one to a counter."""
    counter = key(name)

    def decide(found: Found) -> tuple[Kept, int]:
        number = (int(found[counter].value) if counter in found else 0) + 1
        return {counter: live(b"%d" % number)}, number

    return await store.update_many([counter], decide, NOW)


def authenticator(id: str = "first", **members: object) -> AuthenticatorRecord:
    """An active authenticator."""
    made = AuthenticatorRecord(id=id, method="totp", name="phone", state="active", created=int(NOW), data={"seed": "s"})
    return replace(made, **members)  # type: ignore[arg-type]


async def enrol(storage: Storage, *records: AuthenticatorRecord, user: User = USER) -> None:
    """Give a user authenticators."""
    await storage.durable.change_account(
        user, lambda account: (replace(account, authenticators=(*account.authenticators, *records)), None)
    )


def use(counter: int, **members: object) -> Use:
    """A use of the first authenticator of the user."""
    return replace(Use(user=USER, id="first", counter=counter, at=int(NOW)), **members)  # type: ignore[arg-type]
