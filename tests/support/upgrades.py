"""Run as processes of their own: a storage that is opened, upgraded and used by several at once."""

import dataclasses
import signal
import sys
import threading
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import event

from support.accounts import ADA, ISSUER, NOW
from support.version_1 import RESEAL
from upstile.protocol import UpstileError
from upstile.server.storage import schema
from upstile.server.storage._records import Account, Revocation
from upstile.server.storage.schema import _upgrade, _version
from upstile.server.storage.sql import SqlLedger, postgresql_engine, sqlite_engine


def engine_for(where: str) -> sa.Engine:
    """Connections to a file, or to a database of PostgreSQL."""
    return postgresql_engine(where) if where.startswith("postgresql:") else sqlite_engine(where)


def know_only(head: int) -> None:
    """Be an earlier release."""
    for module in (_version, _upgrade):
        setattr(module, "HEAD", head)  # noqa: B010


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def prepare(where: str, head: str) -> None:
    """Open the storage as a release does, and say which version is found after it, or why it is refused."""
    know_only(int(head))
    engine = engine_for(where)
    try:
        schema.prepare(engine, ISSUER, RESEAL)
        with engine.connect() as connection:
            _say(f"version {schema.version(connection)}; alembic {'alembic' in sys.modules}")
    except UpstileError as error:
        _say(f"{type(error).__name__}: {error}")


def stop_within(where: str, part: str) -> None:
    """Upgrade, and stop for good in front of the statement that has `part` in it."""
    engine = engine_for(where)

    def before(_: object, __: object, statement: str, *___: object) -> None:
        if part in statement:
            _say("there")
            signal.pause()

    event.listen(engine, "before_cursor_execute", before)
    schema.upgrade(engine, ISSUER, RESEAL)
    _say("passed by")


def work(where: str, head: str, name: str) -> None:
    """Work like a node until a line is read: change an account, revoke, use a step; say what was done."""
    know_only(int(head))
    engine = engine_for(where)
    schema.prepare(engine, ISSUER, RESEAL)
    ledger = SqlLedger(engine, ISSUER, clock=lambda: NOW)
    stop = threading.Event()
    threading.Thread(target=_stop_at_a_line, args=(stop,), daemon=True).start()
    done = 0
    while not stop.is_set():
        ledger.change_account(ADA, _one_more)
        ledger.revoke(Revocation(kind="token", name=f"{name}-{done}", expires_at=NOW + 60))
        ledger.revocations_after(0, NOW)
        ledger.tidy(float(done))
        done += 1
        if done == 3:
            _say("at work")
    _say(str(done))


def _stop_at_a_line(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


def _one_more(account: Account) -> tuple[Account, None]:
    return dataclasses.replace(account, logins=account.logins + 1), None


if __name__ == "__main__":
    jobs: dict[str, Callable[..., None]] = {"prepare": prepare, "stop_within": stop_within, "work": work}
    jobs[sys.argv[1]](*sys.argv[2:])
