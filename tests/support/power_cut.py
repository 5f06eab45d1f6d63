"""What a killed process and a power cut lose of each kind of record: `python -m support.power_cut` prints the table.

A disk promises only what was synced. So a process writes one record of each kind while a library that was loaded before
the system's copies each file when it is synced (`support.preload`). After a power cut the storage is what these copies
say: a write that no sync followed has never been. That is the worst case; in practice the system writes more.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.preload import SYNCED, compiled
from support.stores import ISSUER, NOW, USER, authenticator, enrol, increment, key, live, put, use
from upstile.server.storage._records import Account, Revocation, SigningKeyRecord
from upstile.server.storage._stores import use_once
from upstile.server.storage.sqlite import SqliteStore

_ROOT = Path(__file__).parents[2]
_KEY = SigningKeyRecord(kid="k", sealed=b"s", created=1, signs_from=1)
STATE = "state.db"


@dataclass(frozen=True)
class Kind:
    """A kind of record: how it is written, and whether it is there."""

    name: str
    write: Callable[[SqliteStore], Awaitable[object]]
    there: Callable[[SqliteStore], Awaitable[bool]]


def _disable(store: SqliteStore) -> Awaitable[None]:
    def decide(account: Account) -> tuple[Account, None]:
        first, *others = account.authenticators
        return replace(account, authenticators=(replace(first, state="disabled"), *others)), None

    return store.change_account(USER, decide)


def _end_logins(store: SqliteStore) -> Awaitable[None]:
    return store.change_account(USER, lambda account: (replace(account, logins=account.logins + 1), None))


async def _authenticators(store: SqliteStore) -> dict[str, str]:
    return {record.id: record.state for record in (await store.account(USER)).authenticators}


async def _has(store: SqliteStore, name: str) -> bool:
    return bool(await store.get_many([key(name)], NOW))


async def _log(store: SqliteStore) -> set[str]:
    return {entry.kind for entry in await asyncio.to_thread(store.revocations_after, 0, 0)}


async def _enrolled(store: SqliteStore) -> bool:
    return "second" in await _authenticators(store)


async def _disabled(store: SqliteStore) -> bool:
    return (await _authenticators(store)).get("first") == "disabled"


async def _ended(store: SqliteStore) -> bool:
    return (await store.account(USER)).logins == 1 and "logins" in await _log(store)


async def _revoked(store: SqliteStore) -> bool:
    return "token" in await _log(store)


async def _key_there(store: SqliteStore) -> bool:
    return await store.change_signing_keys(lambda found: (found, _KEY in found))


async def _secret_there(store: SqliteStore) -> bool:
    return await store.secret("another", b"new") == b"made"


async def _used(store: SqliteStore) -> bool:
    return (await store.account(USER)).authenticators[0].counter == 7


_entry = Revocation(kind="token", name="t", expires_at=int(NOW))
KINDS = (
    Kind("wrong answer counted", lambda s: increment(s, "tries"), lambda s: _has(s, "tries")),
    Kind("ceremony under way", lambda s: put(s, {key("session"): live()}), lambda s: _has(s, "session")),
    Kind("TOTP step or sign count used", lambda s: s.use(use(7)), _used),
    Kind(
        "authorization code issued",
        lambda s: s.settle(use(8, id="none"), [key("code")], lambda _, first: ({key("code"): live()}, first), NOW),
        lambda s: _has(s, "code"),
    ),
    Kind("code or token used", lambda s: use_once(s, [key("used")], NOW + 60, NOW), lambda s: _has(s, "used")),
    Kind("authenticator enrolled", lambda s: enrol(s, authenticator("second")), _enrolled),
    Kind("authenticator disabled", _disable, _disabled),
    Kind("signed out everywhere", _end_logins, _ended),
    Kind("token revoked", lambda s: s.revoke(_entry), _revoked),
    Kind("signing key made", lambda s: s.change_signing_keys(lambda _: ([_KEY], None)), _key_there),
    Kind("secret of the storage made", lambda s: s.secret("another", b"made"), _secret_there),
)
KILLED, AT_ONCE, TIDIED = "process killed", "power cut at once", "power cut after tidying"
CARRIED = "power cut after the next durable write"
COLUMNS = (KILLED, AT_ONCE, TIDIED, CARRIED)
MOMENTS = 40


async def _opened(disk: Path) -> SqliteStore:
    store = SqliteStore(disk / STATE, ISSUER)
    await store.prepare()
    await enrol(store, authenticator())
    store.tidy(NOW)
    return store


def _cut(platter: Path, name: str) -> None:
    """Keep what a power cut would leave at this moment."""
    shutil.copytree(platter, platter.parent / name)


async def _kinds(disk: Path, platter: Path, column: str) -> None:
    """Write a record of each kind, and cut right after it and after tidying, or after a durable write."""
    store = await _opened(disk)
    for number, kind in enumerate(KINDS):
        await kind.write(store)
        if column == CARRIED:
            await store.revoke(replace(_entry, kind="login", name=f"{number}"))
        else:
            _cut(platter, f"{number} {AT_ONCE}")
            store.tidy(NOW)
        _cut(platter, f"{number} {column}")
    os.kill(os.getpid(), signal.SIGKILL)


async def _moments(disk: Path, platter: Path) -> None:
    """Write pairs, tidy in between, and cut again and again."""
    store = await _opened(disk)
    for number in range(1, 10 * MOMENTS + 1):
        await put(store, {key(half): live(b"%d" % number) for half in ("left", "right")})
        if number % 7 == 0:
            await asyncio.to_thread(store.tidy, NOW)
        if number % 23 == 0:
            await store.revoke(replace(_entry, name=f"{number}"))
        if number % 10 == 0:
            _cut(platter, f"moment {number}")
    os.kill(os.getpid(), signal.SIGKILL)


async def _syncs(disk: Path, platter: Path) -> None:
    """Write phases while threads tidy and write what is durable; only what syncs after the opening counts."""
    store = await _opened(disk)
    threads = Path(os.environ["UPSTILE_THREADS"])
    threads.unlink()
    for number in range(1, 301):
        await increment(store, "tries")
        await store.settle(use(number), [key("code")], lambda _, first: ({key("code"): live()}, first), NOW)
        if number % 10 == 0:
            await asyncio.to_thread(store.tidy, NOW)
        if number % 50 == 0:
            await store.revoke(replace(_entry, name=f"{number}"))
    loop = threading.get_native_id()
    found = {"loop" if int(line) == loop else "elsewhere" for line in threads.read_text().splitlines()}
    threads.write_text(" ".join(found))
    os.kill(os.getpid(), signal.SIGKILL)


async def is_there(folder: Path, kind: Kind) -> bool:
    """Whether a record is in what is left in a folder."""
    store = SqliteStore(folder / STATE, ISSUER)
    await store.prepare()
    try:
        return await kind.there(store)
    finally:
        await store.aclose()


def kept(folder: Path) -> dict[str, dict[str, bool]]:
    """For each kind of record, whether it is kept in which case."""
    rows: dict[str, dict[str, bool]] = {kind.name: {} for kind in KINDS}
    for column, columns in ((TIDIED, (KILLED, AT_ONCE, TIDIED)), (CARRIED, (CARRIED,))):
        part = folder / str(COLUMNS.index(column))  # LD_PRELOAD takes a blank for the end of a name
        _run(part, "kinds", column)
        for number, kind in enumerate(KINDS):
            for one in columns:
                left = part / ("disk" if one == KILLED else f"{number} {one}")
                rows[kind.name][one] = asyncio.run(is_there(left, kind))
    return rows


def moments(folder: Path) -> list[Path]:
    """What power cuts leave at many moments, in their order."""
    _run(folder, "moments")
    return sorted(folder.glob("moment *"), key=lambda path: int(path.name.split()[1]))


def syncing_threads(folder: Path) -> set[str]:
    """On which threads there is an fsync."""
    _run(folder, "syncs")
    return set((folder / "threads").read_text().split())


def table(kept: dict[str, dict[str, bool]]) -> str:
    """The table for the documentation, as Markdown."""
    lines = ["| record | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in kept.items():
        lines.append(f"| {name} | " + " | ".join("kept" if row[one] else "**lost**" for one in COLUMNS) + " |")
    return "\n".join(lines)


def _run(folder: Path, job: str, *arguments: str) -> None:
    disk, platter = folder / "disk", folder / "platter"
    disk.mkdir(parents=True)
    platter.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}",
        "LD_PRELOAD": str(compiled(SYNCED, folder)),
        "UPSTILE_DISK": str(disk),
        "UPSTILE_PLATTER": str(platter),
        "UPSTILE_THREADS": str(folder / "threads"),
    }
    command = [sys.executable, "-m", "support.power_cut", job, str(disk), str(platter), *arguments]
    done = subprocess.run(command, check=False, env=environment, timeout=120, cwd=_ROOT)  # noqa: S603
    assert done.returncode == -signal.SIGKILL
    assert any(platter.iterdir()), "the library was not loaded"


JOBS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {"kinds": _kinds, "moments": _moments, "syncs": _syncs}


def main() -> None:
    """Print the table; or be a process that writes and is killed."""
    if len(sys.argv) > 1:
        job, disk, platter, *arguments = sys.argv[1:]
        asyncio.run(JOBS[job](Path(disk), Path(platter), *arguments))
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(table(kept(Path(folder))) + "\n")


if __name__ == "__main__":
    main()
