"""What both halves of the scripted server share: tokens, ceremonies, the script's faults, the client's faults."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from interop import scripted_checks as checks
from interop.scripted_checks import require


@dataclass
class Login:
    jkt: str
    asked: set[tuple[str | None, str | None]] = field(default_factory=set)
    """The (acr_values, max_age) of each challenge that the API has sent to this login."""


@dataclass
class Token:
    login: Login
    expires: float
    auth_time: float
    acr: str | None = None
    single_use: bool = False
    used: bool = False
    poison: str | None = None
    """Why a client that checks the token response never sends this token."""


@dataclass
class Ceremony:
    login: Login
    code_challenge: str
    asked: list[str]
    max_age: int | None
    offered: list[str]
    session: str = ""
    expires: float = 0
    challenge: str = ""
    attempts_left: int = 5
    acr: str = ""
    auth_time: float = 0


@dataclass
class Reply:
    form: dict[str, str]
    jkt: str
    until: float
    response: Response
    lost: bool


class Refusal(Exception):
    """A refusal that is not the client's fault."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def no_store(content: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(content, status, {"Cache-Control": "no-store"})


class State:
    """What both halves share."""

    origin: str  # resource identifier and issuer; set by `run`

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.violations: list[str] = []
        self.misbehave: str | None = None
        self.elsewhere = "https://elsewhere.example"  # the other origin, of redirects and of whatever is foreign
        self.clock = clock
        self.client_id, self.username, self.password = "scripted-app", "ada", "correct horse"
        self.totp_secret, self.user_handle = secrets.token_bytes(20), b"ada"
        self.keys: dict[bytes, tuple[bytes, bytes]] = {}
        self.tokens: dict[str, Token] = {}
        self.sessions: dict[str, Ceremony] = {}
        self.codes: dict[str, Ceremony] = {}
        self.replies: dict[str, Reply] = {}  # by the auth_session of the answer
        self.spent: set[str] = set()  # jti, code challenges, codes: once and never again
        self.nonces: dict[str, str] = {}
        self.done: set[str] = set()  # faults that happen once and have happened
        self.ended: dict[str | None, str] = {}  # faults that end the client's road, and what ended it
        self.last_step = -1

    def add_key(self, credential_id: bytes, x: bytes, y: bytes) -> None:
        """Enrol a WebAuthn key of the user: ES256, coordinates of 32 bytes each."""
        self.keys[credential_id] = (x, y)

    def code_now(self) -> str:
        """The user's TOTP of this moment; it is accepted once."""
        return checks.totp(self.totp_secret, int(self.clock()) // 30)

    def blame(self, request: Request, sentence: str) -> None:
        self.violations.append(f"{request.method} {request.url.path}: {sentence}")

    def once(self, fault: str) -> bool:
        """Whether this fault is switched on and happens now, for its first time."""
        due = self.misbehave == fault and fault not in self.done
        if due:
            self.done.add(fault)
        return due

    def ends_with(self, fault: str, what: str) -> bool:
        """Whether this fault is switched on; if so, the client must not go on from here."""
        if self.misbehave == fault:
            self.ended[fault] = what
        return self.misbehave == fault

    def not_ended(self) -> None:
        require(self.misbehave not in self.ended, f"went on after {self.ended.get(self.misbehave)}", "access_denied")

    def lost(self) -> Response:
        """A response that never arrives."""
        raise NotImplementedError

    def proof(self, request: Request, token: str | None = None) -> str:
        """Verify the request's DPoP proof; return the thumbprint of its key."""
        headers, url = request.headers.getlist("dpop"), self.origin + request.scope["raw_path"].decode()
        jkt, nonce = checks.proof(
            headers, method=request.method, url=url, now=self.clock(), seen=self.spent, token=token
        )
        if self.misbehave == "dpop-nonce" and request.url.path != "/login":
            self._demand_nonce("api" if token else "authority", nonce)
        return jkt

    def _demand_nonce(self, side: str, nonce: str | None) -> None:
        if side not in self.nonces:
            self.nonces[side] = secrets.token_urlsafe()
            raise Refusal(self.want_nonce(side, {"DPoP-Nonce": self.nonces[side]}))
        # NOTE: both sides share an origin, so the API takes the newer nonce of the authorization server as well.
        good = list(self.nonces.values()) if side == "api" else [self.nonces[side]]
        require(nonce in good, f"the DPoP nonce is {nonce!r} after one was demanded", "invalid_dpop_proof")

    def want_nonce(self, side: str, headers: dict[str, str]) -> Response:
        return JSONResponse({"error": "use_dpop_nonce"}, 400, headers)
