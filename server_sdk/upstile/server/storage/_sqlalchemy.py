"""The durable store on SQLAlchemy Core: SQLite for one machine.

A statement takes a tenth of a millisecond on SQLite, so it runs on the event loop itself, as the ephemeral store's do;
handing it to a thread and waiting costs ten times as much.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from upstile.server._errors import StorageUnavailable
from upstile.server.storage._durable import AuthenticatorRecord, SigningKeyRecord, User

_metadata = sa.MetaData()
_authenticators = sa.Table(
    "upstile_authenticators",
    _metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("issuer", sa.String(512), nullable=False),
    sa.Column("subject", sa.String(512), nullable=False),
    sa.Column("method", sa.String(32), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("last_used", sa.BigInteger),
    sa.Column("begun_by", sa.String(512)),
    sa.Column("first", sa.Boolean, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("credential_id", sa.String(1400), unique=True),
    sa.Index("upstile_authenticators_user", "issuer", "subject"),
)
_signing_keys = sa.Table(
    "upstile_signing_keys",
    _metadata,
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kid", sa.String(64), nullable=False, unique=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
_a = _authenticators.c
T = TypeVar("T")

# Statements are put together once: that takes SQLAlchemy longer than running them takes SQLite.
_OWN = (_a.issuer == sa.bindparam("of_issuer"), _a.subject == sa.bindparam("of_subject"))
_ONE = (*_OWN, _a.id == sa.bindparam("of_id"))
_own = sa.select(_authenticators).where(*_OWN).order_by(_a.created, _a.id)
_change_one = sa.update(_authenticators).where(*_ONE)
_other = _authenticators.alias()
_ANOTHER = sa.exists().where(_other.c.issuer == _a.issuer, _other.c.subject == _a.subject, _other.c.id != _a.id)
_activate_one = _change_one.where(_a.state == "pending", sa.or_(~_a.first, ~_ANOTHER.where(_other.c.state == "active")))
_remove_pending = sa.delete(_authenticators).where(*_ONE, _a.state == "pending")
_remove_one = sa.delete(_authenticators).where(
    *_ONE, sa.or_(_a.state == "pending", _ANOTHER.where(_other.c.state == "active"))
)
_discard_all = sa.delete(_authenticators).where(*_OWN, _a.state == "pending")
_disable_all = sa.update(_authenticators).where(*_OWN).values(state="disabled")
_keys = sa.select(_signing_keys).order_by(_signing_keys.c.generation.desc())


class SqlDurableStore:
    """A `DurableStore` in a relational database.

    Args:
        url: an SQLAlchemy URL, such as `sqlite:///bank.db`.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, hide_parameters=True)
        event.listen(self._engine, "connect", _set_pragmas)  # pyright: ignore[reportUnknownMemberType]

    async def prepare(self) -> None:
        """Create the tables that are missing."""
        self._run(_metadata.create_all)

    async def authenticators(self, user: User) -> list[AuthenticatorRecord]:
        """All of a user's authenticators, the oldest first."""
        return self._run(lambda c: [_record(row) for row in c.execute(_own, _owner(user)).mappings()])

    async def add_authenticator(self, record: AuthenticatorRecord) -> None:
        """Keep a new authenticator."""
        values = {
            "id": record.id,
            "issuer": record.user.issuer,
            "subject": record.user.subject,
            "method": record.method,
            "name": record.name,
            "state": record.state,
            "created": record.created,
            "last_used": record.last_used,
            "begun_by": record.begun_by,
            "first": record.first,
            "expires_at": record.expires_at,
            "data": dict(record.data),
        }
        self._run(lambda c: c.execute(sa.insert(_authenticators), values))

    async def activate(self, user: User, id: str, data: Mapping[str, Any], now: int) -> bool:
        """Turn a pending authenticator into an active one; one caller succeeds."""
        change = {"state": "active", "data": dict(data), "last_used": now, "begun_by": None, "expires_at": None}
        try:
            return self._changed(_activate_one, user, id, **change, credential_id=data.get("id"))
        except IntegrityError:  # the credential is enrolled already, by this user or another (WebAuthn §7.1)
            return False

    async def touch(self, user: User, id: str, data: Mapping[str, Any], now: int) -> None:
        """Note a use."""
        self._changed(_change_one, user, id, data=dict(data), last_used=now)

    async def rename(self, user: User, id: str, name: str) -> bool:
        """Give an authenticator another name."""
        return self._changed(_change_one, user, id, name=name)

    async def disable(self, user: User, id: str) -> None:
        """Take an authenticator out of use."""
        self._changed(_change_one, user, id, state="disabled")

    async def remove(self, user: User, id: str) -> bool:
        """Remove an authenticator; the check for the last one is part of the same statement."""
        return self._changed(_remove_one, user, id)

    async def discard_pending(self, user: User, id: str) -> None:
        """Forget an authenticator that was never active."""
        self._changed(_remove_pending, user, id)

    async def disable_all(self, user: User) -> None:
        """Take all authenticators of a user out of use; those that were never active are forgotten."""

        def work(connection: sa.Connection) -> None:
            connection.execute(_discard_all, _owner(user))
            connection.execute(_disable_all, _owner(user))

        self._run(work)

    async def signing_keys(self) -> list[SigningKeyRecord]:
        """All signing keys, the newest first."""
        return self._run(lambda c: [SigningKeyRecord(**row) for row in c.execute(_keys).mappings()])

    async def add_signing_key(self, record: SigningKeyRecord) -> bool:
        """Add a key, unless another process made one of the same generation."""
        values = {"generation": record.generation, "kid": record.kid, "sealed": record.sealed}
        try:
            self._run(lambda c: c.execute(sa.insert(_signing_keys), values))
        except IntegrityError:
            return False
        return True

    async def ping(self) -> None:
        """Whether the tables can be read."""
        self._run(lambda c: c.execute(_own, _owner(User("", ""))).first())

    async def aclose(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _changed(self, statement: sa.Update | sa.Delete, user: User, id: str, **values: Any) -> bool:
        return self._run(lambda c: c.execute(statement, {**_owner(user), "of_id": id, **values}).rowcount == 1)

    def _run(self, work: Callable[[sa.Connection], T]) -> T:
        """Do some work in one transaction."""
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise StorageUnavailable(f"the database refused: {type(error).__name__}") from error


def _owner(user: User) -> dict[str, str]:
    return {"of_issuer": user.issuer, "of_subject": user.subject}


def _record(row: sa.RowMapping) -> AuthenticatorRecord:
    members = dict(row)
    del members["credential_id"]
    user = User(members.pop("issuer"), members.pop("subject"))
    return AuthenticatorRecord(user=user, **members)


def _set_pragmas(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
