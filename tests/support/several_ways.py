"""An authorization server with sent codes, recovery codes and a password, on a `Desk`: wire protocol §3, to the letter.

Its state is one ceremony's: the session that is alive, what was sent where, how many answers are left. What a client
does against the protocol becomes a sentence in `violations`, which each test asserts to be empty.
"""

import re
from collections.abc import Sequence
from typing import Any

import httpx

from support.desk import Desk, Sent, server_metadata

MAIL = {"method": "otp", "id": "em1", "channel": "email", "hint": "a•••@example.com"}
TEXT = {"method": "otp", "id": "sm1", "channel": "sms", "hint": "•••12"}
TOTP = {"method": "totp"}
RECOVERY = {"method": "recovery_code"}
PASSWORD = {"method": "password"}
CODES = ("7QKM-0ZCD-1A9W-0E1X", "0000-1111-2222-3333")
CODE_LIFE = 600
RESEND_AFTER = 30


class SeveralWays:
    """The server.

    Args:
        desk: what it answers.
        offers: what each step offers.

    Attributes:
        sent: the codes that went out, with their destinations.
        not_sent: destinations that cannot be reached.
        refuses_sends: whether the budget of sends is used up; seconds after which it is not.
        digits: how long a code is.
        password: the right one.
        recovery_codes: those that are left.
        violations: what the client did against the protocol.
    """

    def __init__(self, desk: Desk, offers: Sequence[dict[str, Any]]) -> None:
        self.desk = desk
        self.sent: list[tuple[str, str]] = []
        self.not_sent: set[str] = set()
        self.refuses_sends: int | None = None
        self.digits = 8
        self.password = "correct horse"
        self.recovery_codes = list(CODES)
        self.violations: list[str] = []
        self.factors = 1
        self._offers = list(offers)
        self._alive: dict[str, tuple[str, float]] = {}
        self._session = ""
        self._left = 5
        desk.offers = lambda sent: [*self._offers]
        desk.always("start", self._start)
        desk.always("answer", self._answer)
        document = server_metadata(authenticators_endpoint="https://api.example.com/authenticators")
        desk.always("server", lambda _: httpx.Response(200, json=document))

    @property
    def last_code(self) -> str:
        """What was sent last."""
        return self.sent[-1][1]

    def _start(self, sent: Sent) -> httpx.Response:
        self._alive, self._left = {}, 5
        return self._step(sent)

    def _step(self, sent: Sent, **beside: Any) -> httpx.Response:
        reply = self.desk.step(sent, attempts_left=self._left, **beside)
        self._session = reply.json()["auth_session"]
        return reply

    def _answer(self, sent: Sent) -> httpx.Response:
        form = sent.form
        if form.get("auth_session") != self._session:
            self.violations.append("an answer to a session that is not alive")
        method, where = form["authn_method"], form.get("authn_id")
        offered = [(each["method"], each.get("id")) for each in self._offers]
        if (method, where) not in offered:
            self.violations.append(f"{method} {where} was not offered")
        known = {"client_id", "auth_session", "authn_method", "authn_id", "otp", "password"}
        if set(form) - known:
            self.violations.append(f"members that nobody knows: {set(form) - known}")
        if method == "otp" and "otp" not in form:
            return self._send(sent, str(where))
        return self._judge(sent, method, where, form)

    def _send(self, sent: Sent, where: str) -> httpx.Response:
        if self.refuses_sends is not None:
            headers = {"retry-after": str(self.refuses_sends)}
            return httpx.Response(429, json={"error": "slow_down"}, headers=headers)
        if where in self.not_sent:
            return self._step(sent, result="not_sent")
        code = f"{len(self.sent) + 1:0{self.digits}}"
        self.sent.append((where, code))
        channel = {each["id"]: each.get("channel") for each in self._offers if each["method"] == "otp"}
        others = {name: known for name, known in self._alive.items() if channel[name] != channel[where]}
        self._alive = {**others, where: (code, self.desk.monotonic())}
        return self._step(sent, result="sent", resend_after=RESEND_AFTER)

    def _judge(self, sent: Sent, method: str, where: str | None, form: dict[str, str]) -> httpx.Response:
        beside: dict[str, Any] = {}
        if method == "otp":
            code, at = self._alive.get(str(where), ("", 0.0))
            right = form["otp"] == code and self.desk.monotonic() - at < CODE_LIFE
        elif method == "recovery_code":
            plain = re.sub("[^0-9A-Z]", "", form["otp"].upper())
            right = any(plain == code.replace("-", "") for code in self.recovery_codes)
            if right:
                self.recovery_codes = [code for code in self.recovery_codes if code.replace("-", "") != plain]
                beside["recovery_codes_left"] = len(self.recovery_codes)
        else:
            right = form.get("password") == self.password if method == "password" else form["otp"] == "123456"
        if not right:
            self._left -= 1
            if not self._left:
                return httpx.Response(429, json={"error": "temporarily_locked"}, headers={"retry-after": "30"})
            return self._step(sent, result="rejected")
        self.factors -= 1
        if self.factors:
            self._offers = [each for each in self._offers if each["method"] != method]
            return self._step(sent, result="accepted", **beside)
        return httpx.Response(200, json={"authorization_code": "CODE-SECRET", **beside})
