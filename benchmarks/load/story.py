"""What one person does: start, answer, token; or one call of a guarded route. What was signed was signed before."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from secrets import token_urlsafe
from time import monotonic, time

from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.load.connections import Connection, Connections, Reply
from benchmarks.load.deployment import URL, Person
from upstile.protocol import ACCESS_TOKEN_TYPE, FORM_TYPE, code_challenge, create_proof, serialize_form

CHALLENGE, TOKEN = "/stepup/challenge", "/stepup/token"


@dataclass(kw_only=True)
class Counts:
    """What became of the stories; times in seconds.

    Attributes:
        offered, timed_out, broken: how many.
        refused: starts that were answered 503, and how quickly.
        done: those that went through, and how long each took.
        other: replies that nobody expected, by step and status.
        late: by how much each was begun too late: the load's own fault.
        seconds, cpu: how long all took, and what this process computed.
    """

    offered: int = 0
    timed_out: int = 0
    broken: int = 0
    refused: list[float] = field(default_factory=list[float])
    done: list[float] = field(default_factory=list[float])
    other: dict[str, int] = field(default_factory=dict[str, int])
    late: list[float] = field(default_factory=list[float])
    seconds: float = 0
    cpu: float = 0

    def unexpected(self, step: str, reply: Reply) -> None:
        """Count a reply that ends the story."""
        name = f"{step} {reply.status}"
        self.other[name] = self.other.get(name, 0) + 1


class StepUpStory:
    """One step-up of one person.

    Args:
        person: who.
        now: about when, in epoch seconds: the proofs are made for it.
        patience: seconds for which each reply is waited for.
    """

    def __init__(self, person: Person, now: float, patience: float) -> None:
        self._patience = patience
        self._seed = bytes.fromhex(person.seed)
        key = ec.derive_private_key(person.key, ec.SECP256R1())
        verifier = token_urlsafe(48)
        start = {
            "response_type": "code",
            "client_id": "cli",
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
            "acr_values": "mfa",
            "max_age": "300",
            "scope": "payments",
            "resource": URL,
            "subject_token": person.token,
            "subject_token_type": ACCESS_TOKEN_TYPE,
        }
        self._start = _request(_head(key, CHALLENGE, now), serialize_form(start))
        self._answer = _head(key, CHALLENGE, now)
        self._token = _head(key, TOKEN, now)
        token = {"grant_type": "authorization_code", "code_verifier": verifier, "client_id": "cli"}
        self._redeem = serialize_form(token)

    async def __call__(self, connections: Connections, counts: Counts) -> None:
        """Start, answer, redeem."""
        with connections.returning(await connections.take()) as connection:
            await self._told(connection, counts)

    async def _told(self, connection: Connection, counts: Counts) -> None:
        began = monotonic()
        reply = await connection.exchange(self._start, self._patience)
        if reply.status == 503:
            counts.refused.append(reply.seconds)
            return
        if reply.status != 403 or b'"auth_session"' not in reply.body:
            counts.unexpected("start", reply)
            return
        answer = b"client_id=cli&authn_method=totp&otp=" + _code(self._seed) + b"&auth_session="
        answer += _member(reply.body, b"auth_session")
        reply = await connection.exchange(_request(self._answer, answer), self._patience)
        if reply.status != 200:
            counts.unexpected("answer", reply)
            return
        redeem = self._redeem + b"&code=" + _member(reply.body, b"authorization_code")
        reply = await connection.exchange(_request(self._token, redeem), self._patience)
        if reply.status != 200:
            counts.unexpected("token", reply)
            return
        counts.done.append(monotonic() - began)


def guarded_story(token: str, patience: float) -> Callable[[Connections, Counts], Awaitable[None]]:
    """A call that is let through, with a bearer token."""
    request = f"GET /guarded HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n".encode()

    async def call(connections: Connections, counts: Counts) -> None:
        with connections.returning(await connections.take()) as connection:
            reply = await connection.exchange(request, patience)
        if reply.status == 200:
            counts.done.append(reply.seconds)
        else:
            counts.unexpected("guarded", reply)

    return call


def _head(key: ec.EllipticCurvePrivateKey, path: str, now: float) -> bytes:
    proof = create_proof(key, htm="POST", htu=URL + path, now=now, jti=token_urlsafe(12))
    lines = (f"POST {path} HTTP/1.1", "host: localhost", f"content-type: {FORM_TYPE}", f"dpop: {proof}")
    return "\r\n".join((*lines, "content-length: ")).encode()


def _request(head: bytes, form: bytes) -> bytes:
    return b"%b%d\r\n\r\n%b" % (head, len(form), form)


def _member(body: bytes, name: bytes) -> bytes:
    """A text in a reply, cut out: reading JSON costs the load more."""
    return body.split(b'"' + name + b'":"', 1)[1].split(b'"', 1)[0]


def _code(seed: bytes) -> bytes:
    """What the authenticator app shows now."""
    mac = hmac.digest(seed, (int(time()) // 30).to_bytes(8, "big"), "sha1")
    start = mac[-1] & 15
    return b"%06d" % ((int.from_bytes(mac[start : start + 4], "big") & 0x7FFFFFFF) % 1_000_000)
