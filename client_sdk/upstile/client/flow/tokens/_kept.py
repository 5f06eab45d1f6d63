"""One client's entry in its store: what goes there, what comes back, and for how long it is good.

In a process ages are measured by the monotonic clock, in a store by the wall clock: the one is not kept, and means
nothing after a restart.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Literal

from upstile.client._errors import ConfigurationError
from upstile.client.flow.tokens._dead_ends import DeadEnd
from upstile.client.flow.tokens._logins import ElevatedToken, Login, SignedInAt
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.stores._entry import Entry, StoredDeadEnd, StoredLogin, StoredToken, damaged
from upstile.client.stores._store import EntryName, Store
from upstile.client.stores._terminal import terminal_session
from upstile.protocol import AUTHENTICATORS_SCOPE, Requirement

if TYPE_CHECKING:
    from upstile.protocol import TokenResponse

LONGEST_KEPT = 300.0
"""Seconds that an elevated token is good in a store, however long it lives."""
_MOST_KEPT = 16
_STRONG = frozenset({"phr", "phrh"})

KeepElevated = bool | Literal["all"]
Refresh = Callable[[str, str | None], "TokenResponse | None"]
"""Exchanges a refresh token, for a resource, for a token; `None` where it is not taken."""


def may_be_kept(token: ElevatedToken, keep: KeepElevated) -> bool:
    """Whether an elevated token may go into a store, where another program of the same user may find it.

    Never one that serves once, and never one that any key may use. Without `all`, none that a security key was asked
    for, none that can change authenticators, and none of which nobody says what it is.
    """
    if keep is False or token.requirement.for_this_call or token.token_type.lower() != "dpop":
        return False
    reached = token.requirement.acr if token.acr is None else (token.acr,)
    harmless = bool(reached) and _STRONG.isdisjoint(reached) and AUTHENTICATORS_SCOPE not in token.scope
    return keep == "all" or harmless


def is_a_name(text: str) -> bool:
    """Whether a subject or a profile can be kept, and read again, as it is."""
    return 0 < len(text) <= 255 and text.isprintable()


def check_subject(subject: str | None) -> None:
    """Raise `ConfigurationError` for a name that could not be kept."""
    if subject is not None and not is_a_name(subject):
        raise ConfigurationError("subject= is a printable name of at most 255 characters")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The entry.

    Attributes:
        store, name: where it is.
        clock: the time in epoch seconds.
        monotonic: the time that a process measures by.
        keep: which elevated tokens go there.
    """

    store: Store
    name: EntryName
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    keep: KeepElevated

    @property
    def where(self) -> str:
        """Where it lies, for the person."""
        return self.store.where(self.name)

    def read(self) -> Entry:
        """The entry as it is now.

        Raises:
            StoreError: it cannot be read.
        """
        return Entry.read(self.store.read(self.name), self.name, self.where)

    def key_in(self, entry: Entry) -> ProofKey | None:
        """The key of an entry.

        Raises:
            StoreError: what is there is no key.
        """
        try:
            return None if entry.key is None else ProofKey.imported(self.clock, entry.key)
        except ValueError:
            raise damaged(self.where) from None

    def sign_in(
        self, response: "TokenResponse", key: ProofKey, subject: str | None, at: SignedInAt | None = None
    ) -> StoredLogin:
        """Keep a new sign-in; what the last one led to is gone."""
        login = StoredLogin(
            id=token_urlsafe(16),
            access_token=response.access_token,
            token_type=response.token_type,
            expires_at=self._end_of(response),
            refresh_token=None if at is None else response.refresh_token,
            identity=None if at is None else at.identity,
            resource=None if at is None else at.resource,
        )
        new = Entry(name=self.name.parts, key=key.exported(), subject=subject, login=login)
        self._change(lambda entry: new)
        return login

    def renew(self, id: str, dead: str, refresh: Refresh) -> StoredLogin | None:
        """Replace the dead token of a sign-in by a new one, with nobody in between.

        Args:
            id: of the sign-in.
            dead: the token that is not taken any more. Another one in the entry is newer: another process was faster.
            refresh: asks for a new one, while the entry is locked; `None` where the refresh token was refused, and so
                the sign-in is lost.

        Returns:
            The sign-in as it is kept now; `None` if there is none any more.

        Raises:
            StoreError: what came could not be kept, and so is not used.
        """
        found: list[StoredLogin | None] = []

        def rule(entry: Entry) -> Entry:
            login = entry.login
            if login is None or login.id != id or login.access_token != dead or login.refresh_token is None:
                found.append(login)
                return entry
            response = refresh(login.refresh_token, login.resource)
            if response is None:
                found.append(None)
                return replace(entry, login=None, elevated=(), dead_ends=())
            new = replace(
                login,
                access_token=response.access_token,
                token_type=response.token_type,
                expires_at=self._end_of(response),
                refresh_token=response.refresh_token or login.refresh_token,
            )
            found.append(new)
            return replace(entry, login=new)

        self._change(rule)
        return found[-1]

    def _end_of(self, response: "TokenResponse") -> float | None:
        return None if response.expires_in is None else self.clock() + response.expires_in

    def sign_out(self, id: str) -> None:
        """Forget a sign-in, and keep the key."""
        self._change_of(id, lambda entry: replace(entry, login=None, elevated=(), dead_ends=()))

    def forget(self) -> None:
        """Remove all, also what cannot be read."""
        self.store.change(self.name, lambda text: None)

    def add(self, id: str, token: ElevatedToken, refused: frozenset[str]) -> None:
        """Keep an elevated token of this sign-in, if that may be, and drop those that were refused or are too old."""
        terminal = terminal_session() if may_be_kept(token, self.keep) else None
        if terminal is None:
            return
        now, tick = self.clock(), self.monotonic()
        new = StoredToken(
            access_token=token.access_token,
            resource=token.resource,
            scope=tuple(sorted(token.scope)),
            asked=token.requirement.acr,
            acr=token.acr,
            proved_at=None if token.proved_at is None else now - (tick - token.proved_at),
            kept_at=now,
            expires_at=now + min(token.expires_at - tick, LONGEST_KEPT),
            terminal=terminal,
        )

        def rule(entry: Entry) -> Entry:
            others = [old for old in entry.elevated if _is_good(old, now) and old.access_token not in refused]
            return replace(entry, elevated=(new, *others)[:_MOST_KEPT])

        self._change_of(id, rule)

    def elevated(self, entry: Entry, login: Login) -> list[ElevatedToken]:
        """The tokens of an entry that are good in this terminal session, by the monotonic clock from now on."""
        terminal = terminal_session() if entry.elevated and self.keep is not False else None
        if terminal is None:
            return []
        now, tick = self.clock(), self.monotonic()
        good = (kept for kept in entry.elevated if kept.terminal == terminal and _is_good(kept, now))
        return [_token(kept, login, now, tick) for kept in good]

    def keep_dead_end(self, id: str, kind: str, dead_end: DeadEnd | None) -> None:
        """Keep that a kind of ceremony was not honoured, or that it was."""
        wall = self.clock() - self.monotonic()

        def rule(entry: Entry) -> Entry:
            ends = [old for old in entry.dead_ends if old.kind != kind]
            if dead_end is not None:
                ends.insert(0, StoredDeadEnd(kind=kind, times=dead_end.times, until=dead_end.until + wall))
            return replace(entry, dead_ends=tuple(ends[:_MOST_KEPT]))

        self._change_of(id, rule)

    def dead_ends(self, entry: Entry) -> dict[str, DeadEnd]:
        """Those of an entry, by the monotonic clock from now on."""
        wall = self.clock() - self.monotonic()
        return {kept.kind: DeadEnd.kept(kept.times, kept.until - wall, self.monotonic()) for kept in entry.dead_ends}

    def _change_of(self, id: str, rule: Callable[[Entry], Entry]) -> None:
        """Change the entry while it is that of this sign-in: another process may have signed in as somebody else."""
        self._change(lambda entry: entry if entry.login is None or entry.login.id != id else rule(entry))

    def _change(self, rule: Callable[[Entry], Entry]) -> None:
        def on_text(text: str | None) -> str | None:
            before = Entry.read(text, self.name, self.where)
            after = rule(before)
            return text if after is before else after.written()

        self.store.change(self.name, on_text)


def _is_good(kept: StoredToken, now: float) -> bool:
    """Whether it is young enough; one that is from the future is not: the clock was set back."""
    return kept.kept_at <= now < _end(kept)


def _end(kept: StoredToken) -> float:
    """When it is good no more, whatever the entry claims."""
    return min(kept.expires_at, kept.kept_at + LONGEST_KEPT)


def _token(kept: StoredToken, login: Login, now: float, tick: float) -> ElevatedToken:
    return ElevatedToken(
        access_token=kept.access_token,
        token_type="DPoP",  # noqa: S106 - a name
        requirement=Requirement(acr=kept.asked, scope=kept.scope),
        resource=kept.resource,
        login=login,
        scope=frozenset(kept.scope),
        acr=kept.acr,
        proved_at=None if kept.proved_at is None else tick - max(0.0, now - kept.proved_at),
        expires_at=tick + _end(kept) - now,
    )
