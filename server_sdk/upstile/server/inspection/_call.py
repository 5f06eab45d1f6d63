"""A call that an application answers, and what it asks of the caller."""

from typing import NamedTuple

from upstile.protocol import Requirement

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
"""Methods that are to change nothing (RFC 9110 §9.2.1, RFC 10008)."""


class DeclaredCall(NamedTuple):
    """A route of an application, with what its guards ask.

    Attributes:
        path: its template, from the root of the outermost application.
        methods: in upper case; `*` for any, none for a websocket.
        requirements: one for each guard that the route declares; none where it declares no guard. A guard that a
            dependency or a handler calls by hand is not seen.
        optional: one for each optional guard: asked of callers with a token of ours, and of nobody else.
    """

    path: str
    methods: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    optional: tuple[Requirement, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether a call may change something: by its method; a websocket may."""
        return not self.methods or not SAFE.issuperset(self.methods)

    def __str__(self) -> str:
        return f"{','.join(self.methods) or 'websocket'} {self.path}"


def asked(requirement: Requirement) -> str:
    """What a requirement asks, in a few words, its scopes and its reason among them."""
    words = [str(requirement) if requirement.authenticates else "a token"]
    if requirement.scope:
        words.append(f"scope {' '.join(requirement.scope)}")
    if requirement.settled:
        words.append("not soon after a reset")
    if requirement.reason is not None:
        words.append(f"“{requirement.reason}”")
    return ", ".join(words)
