"""What PostgreSQL says, as sentences for the operator: without values, which its own messages quote."""

import re

from upstile.protocol import UpstileError
from upstile.server._errors import ConfigurationError, StorageUnavailable
from upstile.server.storage.postgresql import _limits

BUSY = f"others have been changing the same records for {_limits.LOCK:.0f} s: try again"
SLOW = f"PostgreSQL did not answer within {_limits.ANSWER:.0f} s: look at its load and at the network"
_ADDRESS = "check user, password and database in storage= and the server's pg_hba.conf"
_SCHEMA = "upstile's tables are missing there or of another version: run `upstile-server db upgrade`"
RIGHTS = (
    "the role lacks rights on upstile's tables: let their owner run `upstile-server db upgrade`, then GRANT SELECT,"
    " INSERT, UPDATE, DELETE on all tables upstile_* and USAGE on their sequence"
)
_STOPPED = "PostgreSQL is starting or stopping: try again"

_SENTENCES = {
    "25006": "PostgreSQL is read-only: name the primary in storage=, or allow writing again",
    "25P03": "PostgreSQL ended a transaction in which this process did nothing for too long: try again",
    "28000": f"PostgreSQL refuses the role: {_ADDRESS}",
    "28P01": f"PostgreSQL refuses the password: {_ADDRESS}",
    "3D000": f"there is no such database: {_ADDRESS}",
    "3F000": _SCHEMA,
    "40P01": BUSY,
    "42501": RIGHTS,
    "42703": _SCHEMA,
    "42P01": _SCHEMA,
    "53100": "PostgreSQL's disk is full, so nothing was written: make room",
    "53200": "PostgreSQL is out of memory: lower its load or give it more",
    "53300": "PostgreSQL has no connection left: raise max_connections, or put a pooler in front of it",
    "55P03": BUSY,
    "57014": SLOW,
    "57P01": _STOPPED,
    "57P02": _STOPPED,
    "57P03": _STOPPED,
}
_OURS_TO_MEND = {"28000", "28P01", "3D000", "3F000", "42501", "42703", "42P01"}
# libpq gives no code for a connection that is refused, only the server's words.
_REFUSED_AT_THE_DOOR = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry"
    r'|(database|role) ".*" does not exist|permission denied for database'
)


class Refused(Exception):
    """The server ran a statement and refused it.

    Attributes:
        code: its SQLSTATE.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def unavailable(self) -> StorageUnavailable:
        """While calls are served: this one cannot be."""
        return StorageUnavailable(_SENTENCES.get(self.code, f"PostgreSQL refused (SQLSTATE {self.code})"))

    def at_start(self) -> UpstileError:
        """At the start: what does not mend itself is a matter of configuration."""
        return ConfigurationError(_SENTENCES[self.code]) if self.code in _OURS_TO_MEND else self.unavailable()


class Lost(Exception):
    """There is no connection, or no longer; what was sent last may have been done.

    Args:
        why: libpq's words. They name host, port, user and database, never the password.
    """

    def __init__(self, why: str) -> None:
        self._why = " ".join(why.split())
        super().__init__(self._why)

    def unavailable(self) -> StorageUnavailable:
        """While calls are served: this one cannot be."""
        return StorageUnavailable(f"PostgreSQL cannot be reached: check that it runs and can be reached ({self._why})")

    def at_start(self) -> UpstileError:
        """At the start: what does not mend itself is a matter of configuration."""
        if _REFUSED_AT_THE_DOOR.search(self._why):
            return ConfigurationError(f"PostgreSQL lets us not in: {_ADDRESS} ({self._why})")
        return self.unavailable()
