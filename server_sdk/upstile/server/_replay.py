"""DPoP proofs seen by this node: each is accepted once (RFC 9449 §11.1)."""

from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from time import monotonic

from upstile.protocol import PROOF_LEEWAY, DPoPProof
from upstile.server._errors import StorageUnavailable

MEMORY = 2 * PROOF_LEEWAY
"""Seconds for which a proof must be remembered: `iat` may lie one leeway ahead and one behind."""


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
        self._current: set[bytes] = set()
        self._previous: set[bytes] = set()
        self._began = elapsed()
        self._lock = Lock()  # an application may call its guards from several threads

    def first_use(self, proof: DPoPProof) -> bool:
        """Whether this proof was not seen before; it is remembered from now on.

        Raises:
            StorageUnavailable: the set is full.
        """
        mark = blake2b(f"{proof.jkt}\x00{proof.jti}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
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

    def _turn(self, now: float) -> None:
        self._previous = self._current if now - self._began < 2 * MEMORY else set()
        self._current = set()
        self._began = now
