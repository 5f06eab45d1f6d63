"""The tokens that a client holds: one base token, and elevated ones."""

import logging
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from inspect import isawaitable, iscoroutine
from threading import Lock
from typing import TYPE_CHECKING

from upstile.client._errors import ConfigurationError, StoreError
from upstile.client.flow.tokens._dead_ends import DeadEnds
from upstile.client.flow.tokens._elevated import ElevatedTokens, elevated_token
from upstile.client.flow.tokens._kept import Kept, Refresh, check_subject
from upstile.client.flow.tokens._logins import (
    BaseToken,
    Caller,
    ElevatedToken,
    Granted,
    Login,
    SignedIn,
    SignedInAt,
    TokenSource,
)
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.stores._entry import Entry, StoredLogin
from upstile.protocol import Requirement

if TYPE_CHECKING:
    from upstile.protocol import TokenResponse

_log = logging.getLogger("upstile.client")


class Tokens:
    """Finds the right token for a call.

    Args:
        source: the base token, or where it comes from; `None` if it comes from the store, or from a sign-in.
        kept: the store.
        key: the app's own key; by default that of the store, or a fresh one.

    Attributes:
        elevated: what came out of ceremonies.
        ready: whether the store was read; where it was not, whoever asks for anything waits until it is.
        learned: what a call was challenged for, by its method and path.
    """

    def __init__(self, source: TokenSource, kept: Kept, key: ProofKey | None) -> None:
        self._source = BaseToken(access_token=source) if isinstance(source, str) else source
        self._kept = kept
        self._monotonic = kept.monotonic
        self._lock, self._loading = Lock(), Lock()
        self._own_key = key is not None
        self._key = key or ProofKey(kept.clock)
        self._stored: StoredLogin | None = None
        self._subject: str | None = None
        self._key_is_known = False
        self._sign_ins = 0
        self.elevated = ElevatedTokens(kept.monotonic)
        self._caller: Caller | None = None
        self._dead_ends = DeadEnds(kept.monotonic)
        self.ready = source is not None

    @property
    def key(self) -> ProofKey:
        """The key of whoever is signed in."""
        self.load()
        return self._key

    def load(self) -> None:
        """Read the store, unless that was done.

        Raises:
            StoreError: it cannot be read.
        """
        if self.ready:
            return
        with self._loading:
            if not self.ready:
                self._adopt(self._kept.read())
                self.ready = True

    def current(self) -> Caller:
        """Who is signed in now. A callable is asked each time, in the caller's own thread, so that it may refresh.

        Raises:
            ConfigurationError: the callable has to be awaited.
        """
        if self.ready and self._caller is not None:
            return self._caller
        self.load()
        seen = self._sign_ins, self._key  # read first: a sign-in meanwhile makes this an old one
        found = self._source() if callable(self._source) else self._source
        if isawaitable(found):
            if iscoroutine(found):
                found.close()
            raise ConfigurationError("token= is an async def: use AsyncClient, or a plain function")
        caller = self._named(found, *seen)
        with self._lock:
            if not callable(self._source) and self.is_current(caller.login):
                self._caller = caller
        return caller

    async def awaited(self) -> Caller:
        """The same in async code, where the callable may be an `async def`; the store was read before."""
        if not callable(self._source):
            return self.current()
        seen = self._sign_ins, self._key
        found = self._source() if callable(self._source) else self._source
        return self._named(await found if isawaitable(found) else found, *seen)

    def signed_in(self) -> SignedIn | None:
        """Who is signed in through this client; `None` where nobody is, or where a callable of the app's says it."""
        self.load()
        base, stored = self._source, self._stored
        expires = None if stored is None or stored.refresh_token is not None else stored.expires_at
        if not isinstance(base, BaseToken) or (expires is not None and expires <= self._kept.clock()):
            return None
        return SignedIn(subject=base.subject, expires=expires, bound=base.token_type.lower() == "dpop")

    def is_current(self, login: Login) -> bool:
        """Whether nobody has signed in since."""
        return login[0] == self._sign_ins

    @property
    def account(self) -> str | None:
        """What to call who is signed in, as far as that is known."""
        return self._subject if self._stored is not None else None

    def identity(self, caller: Caller) -> str | None:
        """Who a caller is at the issuer: as its ID token said, else as the app has named whose token it is."""
        stored = self._stored if self.is_current(caller.login) else None
        if stored is not None and stored.identity is not None:
            return stored.identity
        return None if caller.base is None else caller.base.subject

    def doubt(self, base: BaseToken) -> None:
        """The API does not take the base token: another process may have signed in anew, so look again next time."""
        if self._stored is not None and base is self._source:
            self.ready = False

    def key_for(self, subject: str | None) -> ProofKey:
        """The key that a user signs in with: a new one for another user than the last. Raises as `check_subject`."""
        check_subject(subject)
        self.load()
        same = self._own_key or not self._key_is_known or subject == self._subject
        return self._key if same else ProofKey(self._kept.clock)

    def sign_in(
        self, response: "TokenResponse", key: ProofKey, subject: str | None, at: SignedInAt | None = None
    ) -> None:
        """Hold the token of a new base login, and forget what the old one led to.

        Raises:
            StoreError: it could not be kept; then all is as it was.
        """
        stored = self._kept.sign_in(response, key, subject, at)
        with self._lock:
            self._begin(stored, key, subject)
            self.ready = True

    def can_renew(self, login: Login) -> bool:
        """Whether a login is the sign-in that is kept, and there is something to renew it with."""
        return self._stored is not None and self._stored.refresh_token is not None and self.is_current(login)

    def renew(self, caller: Caller, refresh: Refresh) -> Caller | None:
        """Replace a caller's dead token; `None` if the sign-in is lost. It blocks. Raises as `Kept.renew`."""
        stored, base = self._stored, caller.base
        if stored is None or base is None or not self.is_current(caller.login):
            return None
        new = self._kept.renew(stored.id, base.access_token, refresh)
        with self._lock:
            if self._stored is not stored:
                return None  # somebody has signed in or out meanwhile
            if new is not None and new.id == stored.id:
                self._renewed(new)
                return self._caller
            self._begin(None, self._key, self._subject)
            self.ready = new is None  # another process has signed in: whoever calls next is that one
        return None

    def _renewed(self, stored: StoredLogin) -> None:
        """Go on with a new token of the same sign-in; what it led to stays."""
        base = BaseToken(access_token=stored.access_token, token_type=stored.token_type, subject=self._subject)
        self._source, self._stored = base, stored
        self._caller = self._named(base, self._sign_ins, self._key)

    @property
    def stored(self) -> StoredLogin | None:
        """The sign-in that is kept."""
        return self._stored

    def leaving(self) -> Caller | None:
        """Whose sign-in ends by a sign-out; `None` where nobody is signed in.

        Raises:
            ConfigurationError: it is the app's own.
        """
        self.load()
        if self._stored is None and self._source is not None:
            raise ConfigurationError("token= is the app's own sign-in: end it where it came from")
        return None if self._stored is None else self.current()

    def sign_out(self, *, forget: bool) -> None:
        """Forget the sign-in, and what it led to; with `forget` the key, too.

        Raises:
            StoreError: it could not be removed from the store; from this process it is.
        """
        with self._lock:
            stored, key = self._stored, self._key
            self._begin(None, ProofKey(self._kept.clock) if forget and not self._own_key else key, self._subject)
            self._key_is_known = self._key_is_known and not forget
            self.ready = True
        if forget:
            self._kept.forget()
        elif stored is not None:
            self._kept.sign_out(stored.id)

    def look_again(self, login: Login) -> None:
        """Take over what another process of this terminal session has obtained meanwhile for the same sign-in."""
        if self._stored is None or not self.is_current(login):
            return
        with suppress(StoreError):
            entry = self._kept.read()
            with self._lock:
                if entry.login is not None and entry.login.id == self._stored.id:
                    self._take(entry, login)

    def keep(
        self, granted: Granted, requirement: Requirement, resource: str, login: Login, *, hold: bool = True
    ) -> ElevatedToken:
        """A new elevated token: for later calls, too, with `hold`, unless it is for a single one."""
        token = elevated_token(granted, requirement, resource, login, self._monotonic())
        with self._lock:
            held = hold and not requirement.for_this_call and self.is_current(login)
            if held:
                self.elevated.add(token)
        if held:
            self._store(login, lambda id: self._kept.add(id, token, self.elevated.refused))
        return token

    def is_dead_end(self, login: Login, kind: str) -> bool:
        """Whether the last ceremony of this kind was not honoured, a moment ago."""
        return self._dead_ends.stands(login, kind)

    def remember_dead_end(self, login: Login, kind: str) -> None:
        """A ceremony of this kind was not honoured."""
        dead_end = self._dead_ends.add(login, kind)
        self._store(login, lambda id: self._kept.keep_dead_end(id, kind, dead_end))

    def forget_dead_end(self, login: Login, kind: str) -> None:
        """A call of this kind was served."""
        if self._dead_ends.remove(login, kind):
            self._store(login, lambda id: self._kept.keep_dead_end(id, kind, None))

    def _named(self, found: str | BaseToken | None, sign_ins: int, key: ProofKey) -> Caller:
        base = BaseToken(access_token=found) if isinstance(found, str) else found
        whose = None if base is None else base.subject
        if whose is None and base is not None and callable(self._source):
            whose = sha256(base.access_token.encode()).hexdigest()
        return Caller(base=base, login=(sign_ins, whose), key=key)

    def _adopt(self, entry: Entry) -> None:
        """Be who the store says is signed in."""
        with self._lock:
            known, stored = self._stored, entry.login
            if (known and known.id) != (stored and stored.id) or not self._key_is_known:
                key = self._kept.key_in(entry) or self._key
                self._begin(stored, key, entry.subject)
                self._key_is_known = entry.key is not None
            if stored is not None:
                if stored != self._stored:
                    self._renewed(stored)  # by another process
                self._take(entry, (self._sign_ins, entry.subject))

    def _begin(self, stored: StoredLogin | None, key: ProofKey, subject: str | None) -> None:
        base = None
        if stored is not None:
            self._key_is_known = True
            base = BaseToken(access_token=stored.access_token, token_type=stored.token_type, subject=subject)
        self._sign_ins, self._caller = self._sign_ins + 1, None
        self._source, self._stored, self._key, self._subject = base, stored, key, subject
        self.elevated.clear()
        self._dead_ends.clear()

    def _take(self, entry: Entry, login: Login) -> None:
        self.elevated.take(self._kept.elevated(entry, login))
        self._dead_ends.take(login, self._kept.dead_ends(entry))

    def _store(self, login: Login, change: Callable[[str], None]) -> None:
        """Change the store for this sign-in; losing what it would have kept costs a prompt, and no more."""
        stored = self._stored
        if stored is None or not self.is_current(login):
            return
        try:
            change(stored.id)
        except StoreError as error:
            _log.warning("%s", error)
