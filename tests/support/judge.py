"""A server that takes proofs of the last minute only, and says what time it is."""

from email.utils import formatdate
from typing import Any

import httpx

from support.desk import NOW, Desk, Sent, challenged
from upstile.client.testing import Clock

REFUSED = 'DPoP error="invalid_dpop_proof", algs="ES256"'


class Judge(Desk):
    """The desk as a server that takes proofs of the last minute, and says what time it is.

    Attributes:
        says: how far what the API says of the time is off.
        date: what it says instead.
    """

    def __init__(self, says: int = 0, date: str | None = None) -> None:
        super().__init__()
        self.says, self.date = says, date
        self.time = Clock(NOW)

    def stamped(self, reply: httpx.Response, *, says: int = 0, date: str | None = None) -> httpx.Response:
        """A reply with the time."""
        stamp = formatdate(self.time() + says, usegmt=True) if date is None else date
        if stamp:
            reply.headers["date"] = stamp
        return reply

    def good(self, sent: Sent) -> bool:
        """Whether a proof is of the last minute."""
        return bool(abs(sent.proof["iat"] - self.time()) <= 60)

    def _call(self, sent: Sent) -> httpx.Response:
        if not self.good(sent):
            return self.stamped(challenged(REFUSED), says=self.says, date=self.date)
        return self.stamped(super()._call(sent), says=self.says, date=self.date)

    def _start(self, sent: Sent) -> httpx.Response:
        return self._authority(sent, super()._start)

    def _answer(self, sent: Sent) -> httpx.Response:
        return self._authority(sent, super()._answer)

    def _token(self, sent: Sent) -> httpx.Response:
        return self._authority(sent, super()._token)

    def _authority(self, sent: Sent, answer: Any) -> httpx.Response:
        reply = answer(sent) if self.good(sent) else httpx.Response(400, json={"error": "invalid_dpop_proof"})
        return self.stamped(reply)
