"""The rules of the queue of notices: who is told how often, what goes first when it is full, how long a claim lasts."""

from typing import Any, NamedTuple

LEASE = 120.0
"""Seconds for which a claimed notice is one process's own; it must be longer than a mail may take."""
DAY = 86_400
MOST = 10_000
"""Notices that wait at most, of an issuer."""
BY_STRANGERS = frozenset({"login", "ceremony-started", "ceremony-succeeded", "answer-locked", "authenticator-closed"})
"""Kinds that somebody can cause again and again, with a password or a session alone."""
A_DAY_BY_STRANGERS, A_DAY_OF_CHANGES = 10, 20
"""Mails that one user gets a day (UTC) at most, of those kinds and of all others. What is more waits until the next."""
DROPPED_FIRST = ("login", "ceremony-started", "ceremony-succeeded")
"""What a full queue does without, in this order; then the newest of the rest."""


class ClaimedNotice(NamedTuple):
    """A notice that this process sends.

    Attributes:
        issuer, subject, kind: who is told, and of what.
        claim: names the claim; whoever's is no longer the row's writes nothing.
        id: the same for all tries.
        tries: how many there are, this one included.
        begun: when the first try was claimed (epoch seconds).
        times, since: how often it happened since the last notice, and the first time (epoch seconds).
        at, client_id, method, address, detail: the last time.
    """

    issuer: str
    subject: str
    kind: str
    claim: str
    tries: int
    id: str
    begun: float
    times: int
    since: float
    at: float
    client_id: str | None = None
    method: str | None = None
    address: str | None = None
    detail: str | None = None

    def mail(self) -> dict[str, Any]:
        """What stays the same for all tries."""
        return {name: value for name, value in self._asdict().items() if name not in _OF_THE_ROW}


_OF_THE_ROW = frozenset({"issuer", "subject", "kind", "claim", "tries"})
