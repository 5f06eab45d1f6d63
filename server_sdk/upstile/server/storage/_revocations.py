"""What ended before its time (RFC 7009, RFC 6749 §4.1.2, upstile profile §8), in memory, without a look at the store on
each call.

The log lies in the durable store. A thread of each process reads what is newer, each second; what this process revokes
itself holds at once.
"""

from collections.abc import Callable, Collection, Sequence
from threading import Lock
from time import monotonic
from typing import Literal, Protocol

from upstile.server.storage._records import ENDS_AFTER, GRACE, Account, Revocation, Row, User
from upstile.server.storage._stores import DurableStore

SKEW = 60
"""Seconds by which the clock of another issuer may be ahead of ours."""
BOUND = 10.0
"""Seconds for which the last known list holds while the store cannot be read."""
_PRUNE_EVERY = 60.0
_NOTHING_ENDED = (0, 0, 0)
_NOT_SPARED = (0, 0)


class _Token(Protocol):
    """As much of an access token as matters here."""

    @property
    def issuer(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def jti(self) -> str: ...
    @property
    def sid(self) -> str | None: ...
    @property
    def auth_time(self) -> float | None: ...


class Revocations:
    """The revoked tokens, base logins and generations of one issuer.

    Args:
        store: where the log is.
        issuer: our issuer identifier.
        bound: seconds for which the list may be used without having been read.
        elapsed: seconds that only go forward.
        elsewhere: other issuers at which our users sign in; their tokens name them as we do.
    """

    def __init__(
        self,
        store: DurableStore,
        issuer: str,
        *,
        bound: float = BOUND,
        elapsed: Callable[[], float] = monotonic,
        elsewhere: Collection[str] = (),
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._bound = bound
        self._elapsed = elapsed
        self._elsewhere = frozenset(elsewhere)
        self._lock = Lock()
        self._pruned_at = elapsed()
        self._read_at: float | None = None
        self._anew = False
        self._last = 0
        self._dead: dict[str, int] = {}
        self._ended: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._spared: dict[str, tuple[int, int]] = {}
        self._signed_out: dict[str, int] = {}

    @property
    def usable(self) -> bool:
        """Whether the list was read lately; while it is not, no guarded call is accepted."""
        return self._read_at is not None and self._elapsed() - self._read_at <= self._bound

    def covers(self, token: _Token) -> bool:
        """Whether a token, its base login, or its generation is revoked."""
        dead = self._dead  # one frame, and no new object, for nearly every token: each guarded call asks
        if token.jti in dead or token.sid in dead:
            return True
        ended = self._ended.get((token.issuer, token.subject))
        if ended is not None and self._is_of_earlier(token.jti, token.sid, ended):
            return True
        return token.issuer in self._elsewhere and self._is_before_an_end(token)

    def names(self, jti: str, sid: str | None, user: User) -> bool:
        """The same of what a token says."""
        ended = self._ended.get(user)
        return jti in self._dead or sid in self._dead or (ended is not None and self._is_of_earlier(jti, sid, ended))

    def outdates(self, account: Account, token: _Token) -> bool:
        """Whether a token is of a generation that has ended by what the account itself says.

        That is exact, while the list may be a second old. Only that another node has spared the token may be unknown
        here: then look, and ask again.
        """
        return self._is_of_earlier(token.jti, token.sid, (account.logins, account.proofs, 0))

    def first_good(self, user: User) -> tuple[int, int]:
        """The generations of logins and of proofs that have not ended, as far as the list says."""
        return self._ended.get(user, _NOTHING_ENDED)[:2]

    async def revoke(
        self, kind: Literal["token", "login"], name: str, expires_at: float, rows: Sequence[Row] = ()
    ) -> bool:
        """Revoke a token (`jti`) or a base login (`sid`) until it is dead anyway (epoch seconds), and tell of it.

        Whether that is new: of many who revoke the same, one tells.
        """
        entry = Revocation(kind=kind, name=name, expires_at=int(expires_at) + 1)
        new = await self._store.revoke(entry, rows)
        self._apply(entry)
        return new

    def ended(
        self, account: Account, expires_at: float, spared: str | None = None, signed_out_at: float | None = None
    ) -> None:
        """Note at once which generations of a user are still good; the store has written it to the log.

        Args:
            account: with its generations as they are now.
            expires_at: when everything of earlier ones is dead anyway (epoch seconds).
            spared: the `jti` of the one elevated token that goes on.
            signed_out_at: when all sign-ins of the user were ended, if they were (epoch seconds).
        """
        name, until = account.user.subject, int(expires_at)
        if signed_out_at is not None:  # before the number: see `look`
            self._note_end(name, int(signed_out_at))
        if spared is not None:
            self._apply(Revocation(kind="spared", name=spared, below=account.proofs, expires_at=until))
        self._apply(Revocation(kind="logins", name=name, below=account.logins, expires_at=until))
        self._apply(Revocation(kind="proofs", name=name, below=account.proofs, expires_at=until))

    def forked(self) -> None:
        """Be usable in a forked process, whoever held the lock in its parent, once the log was read here."""
        self._lock = Lock()
        self._read_at = None

    def closed(self) -> None:
        """Be unusable until the whole log was read again: the store that is opened next may be another one."""
        self._read_at = None
        self._anew = True

    def look(self, now: float) -> None:
        """Read what is newer. For a thread: it may wait.

        Raises:
            StorageUnavailable: the store cannot be read.
        """
        began = self._elapsed()
        if self._anew:
            self._know_nothing()
            self._anew = False
        for entry in self._store.revocations_after(self._last, now):
            if entry.kind == "logins":  # the time before the number: who sees the number does not look again
                self._note_end(entry.name, entry.expires_at - ENDS_AFTER)
            self._apply(entry)
            self._last = entry.number
        self._read_at = began
        if began - self._pruned_at >= _PRUNE_EVERY:
            self._pruned_at = began
            self._prune(now)

    def _know_nothing(self) -> None:
        with self._lock:
            self._last, self._dead, self._ended, self._spared = 0, {}, {}, {}
            self._signed_out = {}

    def _apply(self, entry: Revocation) -> None:
        with self._lock:
            if entry.kind in ("token", "login"):
                self._dead[entry.name] = entry.expires_at
                return
            if entry.kind == "spared":
                self._spared[entry.name] = max(
                    self._spared.get(entry.name, _NOT_SPARED), (entry.below, entry.expires_at)
                )
                return
            if entry.kind == "settling":  # which tokens themselves say
                return
            user = User(self._issuer, entry.name)
            logins, proofs, until = self._ended.get(user, _NOTHING_ENDED)
            if entry.kind == "logins":
                logins = max(logins, entry.below)
            else:
                proofs = max(proofs, entry.below)
            self._ended[user] = (logins, proofs, max(until, entry.expires_at))

    def _note_end(self, name: str, at: int) -> None:
        with self._lock:
            self._signed_out[name] = max(self._signed_out.get(name, 0), at)

    def _prune(self, now: float) -> None:
        with self._lock:
            self._dead = {name: expires_at for name, expires_at in self._dead.items() if expires_at > now - GRACE}
            self._ended = {user: ended for user, ended in self._ended.items() if ended[2] > now - GRACE}
            self._signed_out = {name: at for name, at in self._signed_out.items() if at + ENDS_AFTER > now - GRACE}
            self._spared = {jti: spared for jti, spared in self._spared.items() if spared[1] > now - GRACE}

    def _is_before_an_end(self, token: _Token) -> bool:
        """Whether all sign-ins of a user were ended after the one, at another issuer, that a token stems from.

        Their number is no other issuer's business, so the time tells; one that is not said is before any end.
        """
        at = self._signed_out.get(token.subject)
        return at is not None and (token.auth_time is None or token.auth_time <= at + SKEW)

    def _is_of_earlier(self, jti: str, sid: str | None, ended: tuple[int, int, int]) -> bool:
        """Whether a token, or its base login, is of a generation that has ended; a later end reaches a spared one."""
        logins, proofs, _ = ended
        if sid is not None and generation_of(sid) < logins:
            return True
        return "." in jti and generation_of(jti) < proofs and self._spared.get(jti, _NOT_SPARED)[0] < proofs


def generation_of(identifier: str) -> int:
    """The generation that a `sid` or an elevated `jti` begins with; 0 for one that has none."""
    number, dot, _ = identifier.partition(".")
    return int(number) if dot and number.isdecimal() and number.isascii() else 0
