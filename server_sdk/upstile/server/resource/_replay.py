"""DPoP proofs seen by this node: each is accepted once (RFC 9449 §11.1)."""

from collections.abc import Callable
from threading import Lock
from time import monotonic

from upstile.protocol import PROOF_LEEWAY, DPoPProof
from upstile.server._errors import StorageUnavailable

MEMORY = 2 * PROOF_LEEWAY + 1
"""Seconds for which a proof must be remembered: `iat` may lie one leeway ahead and one behind, both included."""


class ReplaySet:
    """The identifiers of recent proofs, in two generations that are dropped whole.

    Args:
        bound: the most proofs that are remembered in one generation. Beyond it nothing is accepted any more until
            the generation ends: forgetting early would let a recorded proof in again.
        elapsed: seconds that only go forward; the time of day may be set, and would make the set forget too early.
    """

    def __init__(self, bound: int = 500_000, elapsed: Callable[[], float] = monotonic) -> None:
        self._bound = bound
        self._elapsed = elapsed
        self._current: set[int] = set()
        self._previous: set[int] = set()
        self._began = elapsed()
        self._lock = Lock()  # an application may call its guards from several threads

    def first_use(self, proof: DPoPProof) -> bool:
        """Whether this proof was not seen before; it is remembered from now on.

        Raises:
            StorageUnavailable: the set is full.
        """
        # Python's own hash: 64 bits of SipHash under a key that this process drew. Among a million it takes one proof
        # in 2**44 for another, and refuses it. A digest would take and weigh three times as much.
        mark = hash(f"{proof.jkt}\x00{proof.jti}")
        with self._lock:
            now = self._elapsed()
            if now - self._began >= MEMORY:
                self._turn(now)
            if mark in self._current or mark in self._previous:
                return False
            if len(self._current) >= self._bound:
                raise StorageUnavailable("more DPoP proofs in a minute than this node can remember")
            self._current.add(mark)
            return True

    def forked(self) -> None:
        """Be usable in a forked process, whoever held the lock in its parent."""
        self._lock = Lock()

    def _turn(self, now: float) -> None:
        self._previous = self._current if now - self._began < 2 * MEMORY else set()
        self._current = set()
        self._began = now
