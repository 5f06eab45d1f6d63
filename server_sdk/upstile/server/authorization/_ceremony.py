"""The state of a ceremony between two requests: immutable, JSON in the ephemeral store, secrets hashed or absent."""

from typing import Any

from upstile.protocol import Message
from upstile.server.authorization._acr import BaseFactors, Proof, complete, reached
from upstile.server.authorization._logins import BaseLogin

OUTLASTED = 30
"""Seconds for which a first factor is kept at least while a second one is asked for."""


class Ceremony(Message):
    """Everything that was settled when the ceremony started, and what was proved since.

    Attributes:
        login: the base login that the subject token stems from.
        subject_jti, subject_expires_at: the subject token; it must still be good when the code is issued.
        client_id, jkt, resource, scope, acr_values, max_age, code_challenge: what was asked; scope is what is granted.
        methods: what the client can do; `None` where it did not say.
        offered: what each method needs to judge its answer, by method.
        proofs: what was proved.
        wrong: wrong answers so far.
    """

    login: BaseLogin
    subject_jti: str
    subject_expires_at: int
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
    wrong: int = 0

    @property
    def base(self) -> BaseFactors:
        """What the base login may contribute."""
        return self.login.factors

    def with_proof(self, proof: Proof, now: float) -> "Ceremony":
        """The ceremony after one more proof; proofs that `max_age` has outrun are dropped."""
        window = None if self.max_age is None else max(self.max_age, OUTLASTED)
        kept = [old for old in self.proofs if window is None or now - old.at <= window]
        return self.model_copy(update={"proofs": (*kept, proof)})

    def complete(self, now: float) -> bool:
        """Whether nothing more is asked of the person."""
        return complete(self.acr_values, self.proofs, self.base, now)

    def reached(self, now: float) -> str | None:
        """The acr that the token will name."""
        return reached(self.acr_values, self.proofs, self.base, now)


class Grant(Message):
    """What an authorization code stands for."""

    ceremony: Ceremony
    acr: str | None = None
    granted_at: int
    used_jti: str | None = None
