"""Auth sessions: a random name for a step that is good for one answer (upstile profile §3).

live → answering → answered

`answering` belongs to the request whose mark it bears: it alone writes what follows. It keeps the session for ten
seconds; then the identical form may be judged again, uncounted, because who had it is gone. `answered` keeps the
reply for a minute, sealed with the session's own name, so that a response that was lost can be had again.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes
from typing import Literal

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic_core import from_json

from upstile.protocol import json_compact
from upstile.server._http import HttpResponse
from upstile.server.authorization._json import Json
from upstile.server.authorization._lives import CLAIM_LIFE, REPLY_KEPT
from upstile.server.authorization.ceremony._ceremony import CEREMONY, Ceremony
from upstile.server.authorization.user._budgets import Charged
from upstile.server.storage import Record

SKEW = 60
"""Seconds by which the clocks of two nodes may differ."""
_NONCE = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """An answer that is, or was, judged.

    Attributes:
        mark: random; tells the request that judges from any other.
        form: what an identical form is recognised by.
        at: since when (epoch seconds).
        charged: what was counted for it; an answer that is judged again is not counted again.
        counted_at: when it was counted; `None` for `at`. An answer that is judged again is judged as of then: otherwise
            each time would hold one counted guess against another code.
    """

    mark: str
    form: str
    at: float
    charged: Charged
    counted_at: float | None = None

    @property
    def judged_at(self) -> float:
        """The time that the answer is held against (epoch seconds)."""
        return self.at if self.counted_at is None else self.counted_at

    def holds(self, now: float) -> bool:
        """Whether it keeps others away. Clocks of two nodes may differ; one that was set back far keeps nobody."""
        return -SKEW < now - self.at < CLAIM_LIFE


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What is known of a session before its body is read.

    Attributes:
        client_id, jkt: whom it belongs to.
        tries: answers that were counted against this ceremony.
        claim: the answer that is, or was, judged.
    """

    state: Literal["live", "answering", "answered"] = "live"
    client_id: str
    jkt: str | None = None
    tries: int = 0
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is kept: a head, and a body that most writes pass on as it is.

    Attributes:
        body: the ceremony, or the sealed reply.
    """

    head: Head
    body: bytes
    expires_at: float

    @classmethod
    def open(cls, ceremony: Ceremony, until: float) -> "Session":
        """A step that waits for its answer until then (epoch seconds)."""
        head = Head(client_id=ceremony.client_id, jkt=ceremony.jkt, tries=ceremony.wrong)
        return cls(head, CEREMONY.write(ceremony), until)

    @classmethod
    def read(cls, record: Record | None, client_id: str, jkt: str | None) -> "Session | None":
        """The session in a record, if it belongs to this client and key."""
        if record is None:
            return None
        head, _, body = record.value.partition(b"\n")
        session = cls(_head.read(head), body, record.expires_at)
        return session if (session.head.client_id, session.head.jkt) == (client_id, jkt) else None

    @property
    def ceremony(self) -> Ceremony:
        """The ceremony, of a session that was not answered."""
        return CEREMONY.read(self.body)

    def meets(self, form: str, now: float) -> Literal["open", "judging", "answered"] | None:
        """What an answer meets: a step that is open to it, itself being judged, its own reply, or nothing.

        A step is open again where who judged its answer is gone.
        """
        claim = self.head.claim
        if claim is None:
            return "open"
        if self.head.state == "answering" and not claim.holds(now):
            return "open"
        if claim.form != form:
            return None
        return "judging" if self.head.state == "answering" else "answered"

    def claimed(self, claim: Claim, *, tries: int) -> "Session":
        """Taken for judging one answer."""
        return Session(self._head("answering", claim, tries), self.body, self.expires_at)

    def belongs_to(self, claim: Claim) -> bool:
        """Whether this request still has it: nobody else took it over in the meantime."""
        held = self.head.claim
        return self.head.state == "answering" and held is not None and held.mark == claim.mark

    def closed(self, sealed_reply: bytes, now: float) -> "Session":
        """Judged: its reply can be had again for a minute."""
        return Session(self._head("answered", self.head.claim, self.head.tries), sealed_reply, now + REPLY_KEPT)

    def record(self) -> Record:
        """The record to keep."""
        return Record(value=_head.write(self.head) + b"\n" + self.body, expires_at=self.expires_at)

    def _head(self, state: Literal["answering", "answered"], claim: Claim | None, tries: int) -> Head:
        return Head(state=state, client_id=self.head.client_id, jkt=self.head.jkt, tries=tries, claim=claim)


_head = Json(Head)


def form_mark(name: str, body: bytes) -> str:
    """What an identical form is recognised by.

    It is keyed by the session's own name, which is stored nowhere: there may be a password in the form.
    """
    return hmac.digest(name.encode("utf-8", "surrogatepass"), body, sha256).hex()


def seal_reply(name: str, reply: HttpResponse) -> bytes:
    """A reply that only the session's own name opens."""
    nonce = token_bytes(_NONCE)
    head = json_compact([reply.status, reply.headers])
    return nonce + _box(name).encrypt(nonce, head + b"\n" + reply.body, None)


def open_reply(name: str, sealed: bytes) -> HttpResponse:
    """The reply."""
    head, _, body = _box(name).decrypt(sealed[:_NONCE], sealed[_NONCE:], None).partition(b"\n")
    status, headers = from_json(head)
    return HttpResponse(status=status, headers=tuple((key, value) for key, value in headers), body=body)


def _box(name: str) -> AESGCM:
    return AESGCM(sha256(b"upstile reply\x00" + name.encode("utf-8", "surrogatepass")).digest())
