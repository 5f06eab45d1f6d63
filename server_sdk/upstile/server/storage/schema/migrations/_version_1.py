"""A storage of version 1, from before versions were noted, and what becomes of it.

Authenticators, signing keys and revocations are carried over. Sign-ins, ceremonies, locks and known keys are not.
"""

import time
from typing import Any

import sqlalchemy as sa

from upstile.protocol import base64url_encode
from upstile.server._errors import ConfigurationError
from upstile.server.storage.schema._fernet import Reseal

AUTHENTICATORS, SIGNING_KEYS, EPHEMERAL = "upstile_authenticators", "upstile_signing_keys", "upstile_ephemeral"
_ASIDE = "_of_version_1"
_BATCH = 1000
_STEP, _REVOKED, _BEFORE = "totp-step:", "revoked:", "before "
_SAME = ("id", "issuer", "subject", "method", "name", "state", "created", "last_used", "begun_by", "expires_at")


def _columns(*names: str) -> list[sa.ColumnClause[Any]]:
    return [sa.column(name) for name in names]


def _authenticators(name: str, *added: str) -> sa.TableClause:
    plain = _columns(*_SAME, "credential_id", *added)
    return sa.table(name, *plain, sa.column("first", sa.Boolean), sa.column("data", sa.JSON))


_old_authenticators = _authenticators(AUTHENTICATORS + _ASIDE)
_new_authenticators = _authenticators(AUTHENTICATORS, "counter", "closed")
_old_keys = sa.table(SIGNING_KEYS + _ASIDE, *_columns("generation", "kid", "sealed"))
_new_keys = sa.table(SIGNING_KEYS, *_columns("issuer", "kid", "sealed", "created", "signs_from"))
_old_ephemeral = sa.table(EPHEMERAL + _ASIDE, *_columns("key", "value", "expires_at"))
_accounts = sa.table("upstile_accounts", *_columns("issuer", "subject", "logins", "proofs"))
_log = sa.table("upstile_revocations", *_columns("issuer", "kind", "name", "below", "expires_at"))


def put_aside(connection: sa.Connection, issuer: str) -> set[str]:
    """Copy the tables of version 1 under other names, to make room; which ones there were.

    Raises:
        ConfigurationError: they belong to another issuer.
    """
    present = set(sa.inspect(connection).get_table_names()) & {AUTHENTICATORS, SIGNING_KEYS, EPHEMERAL}
    if AUTHENTICATORS in present:
        _check_issuer(connection, issuer)
    for name in present:
        # Copied, not renamed: a renamed table would keep the names of its indexes from the new one.
        connection.exec_driver_sql(f"CREATE TABLE {name}{_ASIDE} AS SELECT * FROM {name}")  # noqa: S608
        connection.exec_driver_sql(f"DROP TABLE {name}")
    return present


def carry_over(connection: sa.Connection, present: set[str], issuer: str, reseal: Reseal) -> None:
    """Fill the new tables from what was put aside, and delete that."""
    steps = _ephemeral(connection, _STEP) if EPHEMERAL in present else []
    if AUTHENTICATORS in present:
        _carry_authenticators(connection, {name: int(value) for name, value, _ in steps}, reseal)
    if SIGNING_KEYS in present:
        _carry_keys(connection, issuer, reseal)
    if EPHEMERAL in present:
        _carry_revocations(connection, issuer)
    for name in present:
        connection.exec_driver_sql(f"DROP TABLE {name}{_ASIDE}")


def _check_issuer(connection: sa.Connection, issuer: str) -> None:
    query = sa.select(*_columns("issuer")).select_from(sa.table(AUTHENTICATORS)).distinct()
    issuers: set[str] = set(connection.scalars(query))
    if issuers and issuer not in issuers:
        other = min(issuers)
        raise ConfigurationError(
            f"this storage holds authenticators of {other}; for {issuer} they would never work, because security keys "
            f"and tokens are bound to the old name. Set url={other!r} again, or name a new storage and let everybody "
            "enrol anew"
        )


def _carry_authenticators(connection: sa.Connection, steps: dict[str, int], reseal: Reseal) -> None:
    for rows in connection.execute(sa.select(_old_authenticators)).mappings().partitions(_BATCH):
        made = [_authenticator(dict(row), steps, reseal) for row in rows]
        connection.execute(sa.insert(_new_authenticators), made)


def _authenticator(row: dict[str, Any], steps: dict[str, int], reseal: Reseal) -> dict[str, Any]:
    data = dict(row["data"])
    counter = int(data.pop("sign_count", steps.get(row["id"], 0)))
    if "seed" in data:
        bound = (row["issuer"], row["subject"], row["id"], "seed")
        data["seed"] = base64url_encode(reseal("totp-seed", bound, str(data["seed"]).encode("ascii")))
    return {**row, "data": data, "counter": counter, "closed": False}


def _carry_keys(connection: sa.Connection, issuer: str, reseal: Reseal) -> None:
    # Version 1 knew no times: the keys sign in the order in which they were made, and their age begins today.
    rows = connection.execute(sa.select(_old_keys).order_by(_old_keys.c.generation)).all()
    for place, row in enumerate(rows):
        sealed = reseal("signing-key", (issuer, "", row.kid, "private"), row.sealed)
        times = {"created": int(time.time()), "signs_from": place}
        connection.execute(sa.insert(_new_keys), {"issuer": issuer, "kid": row.kid, "sealed": sealed, **times})


def _carry_revocations(connection: sa.Connection, issuer: str) -> None:
    """Version 1 did not say whether a name is a token's or a login's, so it is now both; and it had no generations."""
    entries: dict[tuple[str, str, str, int], int] = {}
    for name, _, expires_at in _ephemeral(connection, _REVOKED):
        if name.startswith(_BEFORE):
            _, of, subject = name.removeprefix(_BEFORE).split(" ", 2)
            keys = [(of, kind, subject, 1) for kind in ("logins", "proofs")]
        else:
            keys = [(issuer, kind, name, 0) for kind in ("token", "login")]
        for key in keys:
            entries[key] = max(entries.get(key, 0), int(expires_at) + 1)
    for (of, kind, name, below), expires_at in entries.items():
        row = {"issuer": of, "kind": kind, "name": name, "below": below, "expires_at": expires_at}
        connection.execute(sa.insert(_log), row)
        if kind == "logins":
            connection.execute(sa.insert(_accounts), {"issuer": of, "subject": name, "logins": 1, "proofs": 1})


def _ephemeral(connection: sa.Connection, prefix: str) -> list[tuple[str, bytes, float]]:
    """What version 1 kept under names with this prefix: the rest of the name, the value, the end."""
    c = _old_ephemeral.c
    query = sa.select(c.key, c.value, c.expires_at).where(c.key.startswith(prefix, autoescape=True))
    return [(row.key.removeprefix(prefix), row.value, row.expires_at) for row in connection.execute(query)]
