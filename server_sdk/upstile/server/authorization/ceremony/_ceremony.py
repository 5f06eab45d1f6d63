"""The state of a ceremony between two requests: immutable, JSON in the one-time store, secrets hashed or absent."""

from dataclasses import dataclass
from typing import Any

from upstile.server._changed import changed
from upstile.server.authorization._acr import BaseFactors, Proof, best_base, complete, reached
from upstile.server.authorization._json import Json
from upstile.server.authorization.user._logins import BaseLogin

OUTLASTED = 30
"""Seconds for which a first factor is kept at least while a second one is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceremony:
    """Everything that was settled when the ceremony started, and what was proved since.

    Attributes:
        login: the base login that the subject token stems from.
        subject_jti, subject_expires_at: the subject token; it must still be good when the code is issued.
        subject_sealed: its text, encrypted, where another issuer made it: that is asked again.
        generation: the user's generation of proofs; when that goes up, the ceremony has ended.
        client_id, jkt, resource, scope, acr_values, max_age, code_challenge: what was asked; scope is what is granted.
        methods: what the client can do; `None` where it did not say.
        offered: what each method needs to judge its answer, by method.
        proofs: what was proved.
        authenticators: what it was proved with.
        succeeded: whether a right answer was a success, so that the key is known when this ends.
        wrong: wrong answers so far.
        asked_at: when the person was asked last (epoch seconds).
        id: random; what the audit knows it by, its token included.
        instance: the correlation id that the app says the challenge had; for the audit alone.
        settled_at: until when (epoch seconds) some things stay closed to the user after a reset.
    """

    login: BaseLogin
    subject_jti: str
    subject_expires_at: float
    subject_sealed: str | None = None
    generation: int = 0
    client_id: str
    jkt: str | None = None
    resource: str
    scope: frozenset[str]
    acr_values: tuple[str, ...]
    max_age: int | None = None
    code_challenge: str
    methods: tuple[str, ...] | None = None
    offered: dict[str, dict[str, Any]]
    proofs: tuple[Proof, ...] = ()
    authenticators: tuple[str, ...] = ()
    succeeded: bool = False
    wrong: int = 0
    asked_at: float = 0
    id: str = ""
    instance: str | None = None
    settled_at: int | None = None

    @property
    def base(self) -> BaseFactors:
        """What the base login may contribute."""
        return self.login.factors

    def with_best_login(self, now: float) -> "Ceremony":
        """The same after the strongest sign-in that there could be."""
        best = best_base(now)
        return changed(self, login=changed(self.login, amr=best.amr, auth_time=best.auth_time))

    def with_proof(self, proof: Proof, now: float, authenticator: str | None = None) -> "Ceremony":
        """The ceremony after one more proof; proofs that `max_age` has outrun are dropped."""
        used = () if authenticator is None else (authenticator,)
        return changed(self, proofs=self._after((proof,), now), authenticators=(*self.authenticators, *used))

    def complete(self, now: float) -> bool:
        """Whether nothing more is asked of the person."""
        return complete(self.acr_values, self.proofs, self.base, now)

    def would_complete(self, proofs: tuple[Proof, ...], now: float) -> bool:
        """Whether nothing more would be asked after these proofs."""
        return complete(self.acr_values, self._after(proofs, now), self.base, now)

    def reached(self, now: float) -> str | None:
        """The acr that the token will name."""
        return reached(self.acr_values, self.proofs, self.base, now)

    def _after(self, proofs: tuple[Proof, ...], now: float) -> tuple[Proof, ...]:
        window = None if self.max_age is None else max(self.max_age, OUTLASTED)
        return (*(old for old in self.proofs if window is None or now - old.at <= window), *proofs)


CEREMONY = Json(Ceremony)
