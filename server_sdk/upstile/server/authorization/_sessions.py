"""Auth sessions: a random name for a ceremony that is good for one answer (upstile profile §3).

live → answering → answered

`answering` is entered by one request alone, so that an answer is judged once. `answered` keeps the reply for a minute,
sealed with the session's own name: a client whose response was lost repeats the identical form and gets it again.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Literal

from cryptography.fernet import Fernet
from pydantic import Field

from upstile.protocol import Message
from upstile.server._http import HttpResponse
from upstile.server.authorization._ceremony import Ceremony
from upstile.server.storage import EphemeralStore, Record

SESSION_LIFE = 300
"""Seconds for which a step waits for its answer."""
REPLY_KEPT = 60
"""Seconds for which a reply can be had again."""


class _State(Message):
    state: Literal["live", "answering", "answered"]
    ceremony: Ceremony
    form: str = ""
    reply: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeat:
    """The identical answer came before; `reply` is what it got, or `None` while it is still being judged."""

    reply: HttpResponse | None


class Sessions:
    """Opens, claims and closes auth sessions.

    Args:
        store: where all processes of the deployment keep them.
    """

    def __init__(self, store: EphemeralStore) -> None:
        self._store = store

    async def open(self, ceremony: Ceremony, now: float) -> str:
        """Begin a step; returns its `auth_session` of 256 random bits."""
        name = token_urlsafe(32)
        record = _record(_State(state="live", ceremony=ceremony), now + SESSION_LIFE)
        await self._store.update(_key(name), lambda _: (record, None), now)
        return name

    async def look(self, name: str, client_id: str, jkt: str | None, form: str, now: float) -> Ceremony | Repeat | None:
        """What an answer meets: a live ceremony, its own earlier copy, or nothing that is open to this caller."""
        found = await self._store.get(_key(name), now)
        state = _State.from_json(found.value) if found else None
        if state is None or (state.ceremony.client_id, state.ceremony.jkt) != (client_id, jkt):
            return None
        if state.state == "live":
            return state.ceremony
        if state.form != form:
            return None
        return Repeat(reply=_unseal(name, state.reply) if state.state == "answered" else None)

    async def claim(self, name: str, form: str, now: float) -> bool:
        """Take a live session for judging this one answer; one caller succeeds."""

        def claimed(found: Record | None) -> tuple[Record | None, bool]:
            state = _State.from_json(found.value) if found else None
            if found is None or state is None or state.state != "live":
                return found, False
            return _record(state.model_copy(update={"state": "answering", "form": form}), found.expires_at), True

        return await self._store.update(_key(name), claimed, now)

    async def release(self, name: str, now: float) -> None:
        """Give a claimed session back: nothing was judged."""

        def live(found: Record | None) -> tuple[Record | None, None]:
            if found is None:
                return None, None
            state = _State.from_json(found.value).model_copy(update={"state": "live", "form": ""})
            return _record(state, found.expires_at), None

        await self._store.update(_key(name), live, now)

    async def close(self, name: str, form: str, ceremony: Ceremony, reply: HttpResponse, now: float) -> None:
        """The answer was judged: the session is dead, its reply can be had again for a minute."""
        state = _State(state="answered", ceremony=ceremony, form=form, reply=_seal(name, reply))
        record = _record(state, now + REPLY_KEPT)
        await self._store.update(_key(name), lambda _: (record, None), now)


def form_mark(body: bytes) -> str:
    """What an identical form is recognised by."""
    return sha256(body).hexdigest()


class _Reply(Message):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str = Field(repr=False)


def _seal(name: str, reply: HttpResponse) -> str:
    stored = _Reply(status=reply.status, headers=reply.headers, body=reply.body.decode())
    return _box(name).encrypt(stored.to_json()).decode()


def _unseal(name: str, sealed: str) -> HttpResponse:
    stored = _Reply.from_json(_box(name).decrypt(sealed))
    return HttpResponse(status=stored.status, headers=stored.headers, body=stored.body.encode())


def _box(name: str) -> Fernet:
    return Fernet(urlsafe_b64encode(sha256(b"upstile reply\x00" + name.encode()).digest()))


def _record(state: _State, expires_at: float) -> Record:
    return Record(value=state.to_json(), expires_at=expires_at)


def _key(name: str) -> str:
    return "session:" + sha256(name.encode()).hexdigest()
