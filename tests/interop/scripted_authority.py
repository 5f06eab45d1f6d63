"""The authorization server's half of the scripted server: login, metadata, ceremony, token endpoint."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import rfc8785
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from interop import scripted_checks as checks
from interop.scripted_checks import Violation, b64url, member, require
from interop.scripted_state import Ceremony, Login, Refusal, Reply, State, Token, no_store

METHODS = {"webauthn", "totp", "otp", "recovery_code"}
REACHES = {"webauthn": ("phr", "mfa"), "totp": ("mfa",)}  # strongest method and strongest acr first
DEAD = "the auth_session is not the newest of its ceremony"


class Authority(State):
    """Sections 2 and 3 of the wire protocol."""

    async def resource_metadata(self, request: Request) -> Response:
        foreign = self.ends_with("foreign-issuer", "an issuer that is not configured")
        return JSONResponse(
            {
                "resource": self.origin,
                "authorization_servers": [self.elsewhere if foreign else self.origin],
                "bearer_methods_supported": ["header"],
                "dpop_signing_alg_values_supported": ["ES256"],
            }
        )

    async def server_metadata(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.origin,
                "authorization_challenge_endpoint": f"{self.origin}/challenge",
                "token_endpoint": f"{self.origin}/token",
                "authorization_endpoint": f"{self.origin}/authorize",
                "jwks_uri": f"{self.origin}/jwks",
                "revocation_endpoint": f"{self.origin}/revoke",
                "authenticators_endpoint": f"{self.origin}/authenticators",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "acr_values_supported": ["phr", "mfa"],
                "dpop_signing_alg_values_supported": ["ES256"],
                "authorization_details_types_supported": [],
                "authorization_response_iss_parameter_supported": True,
                "authn_methods_supported": ["webauthn", "totp"],
                "upstile_profile_versions_supported": ["1"],
            }
        )

    async def login(self, request: Request) -> Response:
        checks.media_type(request.headers, "application/json")
        sent = checks.json_object(await request.body(), "the body")
        jkt, now = self.proof(request), self.clock()
        if (sent.get("username"), sent.get("password")) != (self.username, self.password):
            raise Refusal(no_store({"error": "access_denied"}, 400))
        return self._issue(Token(Login(jkt), now + 3600, now), {})

    def _issue(self, token: Token, beside: dict[str, Any]) -> Response:
        name = secrets.token_urlsafe(32)
        self.tokens[name] = token
        life = int(token.expires - self.clock())
        return no_store({"access_token": name, "token_type": "DPoP", "expires_in": life, "scope": "accounts", **beside})

    async def token(self, request: Request) -> Response:
        sent = checks.form(request.headers, await request.body())
        self.not_ended()
        jkt, code = self.proof(request), member(sent, "code")
        require(member(sent, "grant_type") == "authorization_code", "another grant_type", "unsupported_grant_type")
        require(member(sent, "client_id") == self.client_id, "another client_id", "invalid_client")
        require("redirect_uri" not in sent, "a redirect_uri in the token request", "invalid_grant")
        ceremony = self.codes.get(code)
        if ceremony is None or code in self.spent:
            raise Violation("a code that is unknown or was sent before", "invalid_grant")
        require(jkt == ceremony.login.jkt, "a token request by another key", "invalid_grant")
        checks.verifier_matches(sent, ceremony.code_challenge)
        self.spent.add(code)
        return self._elevated(ceremony)

    def _elevated(self, ceremony: Ceremony) -> Response:
        token = Token(ceremony.login, self.clock() + 300, ceremony.auth_time, ceremony.acr)
        token.single_use = ceremony.max_age == 0
        if self.misbehave == "wrong-acr":
            token.acr, token.poison = "urn:example:another", "it has another acr than asked"
        if self.misbehave == "stale-auth-time":
            token.auth_time, token.poison = token.auth_time - 3600, "its auth_time is an hour ago"
        return self._issue(token, {"acr": token.acr, "auth_time": int(token.auth_time)})

    async def challenge(self, request: Request) -> Response:
        sent = checks.form(request.headers, await request.body())
        self.not_ended()
        jkt = self.proof(request)
        require(member(sent, "client_id") == self.client_id, "another client_id", "invalid_client")
        require(("response_type" in sent) != ("authn_method" in sent), "neither a start nor an answer, or both")
        return self._start(sent, jkt) if "response_type" in sent else self._answer(request, sent, jkt)

    def _start(self, sent: dict[str, str], jkt: str) -> Response:
        checks.start_parameters(sent, resource=self.origin, known_methods=METHODS)
        login = self._subject(member(sent, "subject_token"), jkt)
        asked = (sent.get("acr_values"), sent.get("max_age"))
        require(not login.asked or asked in login.asked, f"asks for {asked}, but the API asked for {login.asked}")
        require(sent["code_challenge"] not in self.spent, "a code_challenge is used a second time")
        self.spent.add(sent["code_challenge"])
        acr_values = sent.get("acr_values", "").split()
        able = sent.get("authn_methods_supported", "webauthn totp").split()
        usable = [method for method in REACHES if method in able and (self.keys or method != "webauthn")]
        offered = [method for method in usable if not acr_values or set(acr_values) & set(REACHES[method])]
        if not offered:
            raise Refusal(no_store({"error": "unmet_authentication_requirements"}, 400))
        max_age = int(sent["max_age"]) if "max_age" in sent else None
        return self._step(Ceremony(login, sent["code_challenge"], acr_values, max_age, offered))

    def _subject(self, name: str, jkt: str) -> Login:
        token = self.tokens.get(name)
        if token is None or token.acr:
            raise Violation("subject_token is not the token of the base login", "invalid_grant")
        require(jkt == token.login.jkt, "the proof is by another key than the subject token's", "invalid_grant")
        if token.expires <= self.clock():
            raise Refusal(no_store({"error": "invalid_grant"}, 400))
        return token.login

    def _step(self, ceremony: Ceremony, **beside: object) -> Response:
        ceremony.session, ceremony.expires = secrets.token_urlsafe(32), self.clock() + 300
        self.sessions[ceremony.session] = ceremony
        methods = [self._webauthn(ceremony) if name == "webauthn" else {"method": name} for name in ceremony.offered]
        step: dict[str, object] = {"error": "insufficient_authorization", "auth_session": ceremony.session}
        step |= {"expires_in": 300, "attempts_left": ceremony.attempts_left, "account": "ad•@example.com"}
        return no_store({**step, "authn_methods": methods, **beside}, 403)

    def _webauthn(self, ceremony: Ceremony) -> dict[str, object]:
        relayed = self.ends_with("relayed-challenge", "a challenge bound to another issuer")
        nonce = b64url(secrets.token_bytes(32))
        bound = {
            "nonce": nonce,
            "iss": self.elsewhere if relayed else self.origin,
            "client_id": self.client_id,
            "jkt": ceremony.login.jkt,
            "resource": self.origin,
            "authorization_details": [],
        }
        ceremony.challenge = b64url(hashlib.sha256(b"upstile/1\x00" + rfc8785.dumps(bound)).digest())
        options = {
            "challenge": ceremony.challenge,
            "rpId": "localhost",
            "allowCredentials": [{"type": "public-key", "id": b64url(key)} for key in self.keys],
            "userVerification": "required" if self._needs_verification(ceremony) else "preferred",
        }
        return {"method": "webauthn", "nonce": nonce, "options": options}

    def _needs_verification(self, ceremony: Ceremony) -> bool:
        return bool(ceremony.asked) and "mfa" not in ceremony.asked

    def _answer(self, request: Request, sent: dict[str, str], jkt: str) -> Response:
        session = member(sent, "auth_session")
        if session in self.replies:
            return self._again(request, self.replies[session], sent, jkt)
        ceremony = self.sessions.get(session)
        if ceremony is None or ceremony.session != session:
            raise Violation(DEAD, "invalid_session")
        require(jkt == ceremony.login.jkt, "an answer by another key than the start's", "invalid_session")
        if ceremony.expires <= self.clock():
            raise Refusal(no_store({"error": "invalid_session"}, 400))
        response = self._judge(ceremony, sent)
        lost = self.once("lost-answer")
        self.replies[session] = Reply(sent, jkt, self.clock() + 60, response, lost)
        return self.lost() if lost else response

    def _again(self, request: Request, reply: Reply, sent: dict[str, str], jkt: str) -> Response:
        same = (reply.form, reply.jkt) == (sent, jkt) and self.clock() < reply.until
        require(same, DEAD, "invalid_session")
        if not reply.lost:
            self.blame(request, "an answer was repeated though its reply was not lost")
        reply.lost = False
        return reply.response

    def _judge(self, ceremony: Ceremony, sent: dict[str, str]) -> Response:
        method = sent["authn_method"]
        require(method in ceremony.offered, f"{method} was not offered")
        if method == "totp":
            reached = REACHES["totp"] if self._code_is_right(member(sent, "otp")) else ()
        else:
            reached = REACHES["webauthn"] if self._assertion(ceremony, sent) else ("mfa",)
        if not reached:
            return self._rejected(ceremony)
        ceremony.acr = next((acr for acr in ceremony.asked if acr in reached), reached[0])
        ceremony.auth_time, ceremony.session, code = self.clock(), "", secrets.token_urlsafe(32)
        self.codes[code] = ceremony
        return no_store({"authorization_code": code})

    def _assertion(self, ceremony: Ceremony, sent: dict[str, str]) -> bool:
        return checks.assertion(
            member(sent, "authn_response"),
            challenge=ceremony.challenge,
            origin=self.origin,
            keys=self.keys,
            user_handle=self.user_handle,
            verification_required=self._needs_verification(ceremony),
        )

    def _code_is_right(self, otp: str) -> bool:
        """RFC 6238 §5.2: at most one step back, none forward, none twice."""
        now = int(self.clock()) // 30
        for step in (now - 1, now):
            right = checks.totp(self.totp_secret, step) == otp.replace("-", "").replace(" ", "")
            if right and step > self.last_step and not self.once("reject-first"):
                self.last_step = step
                return True
        return False

    def _rejected(self, ceremony: Ceremony) -> Response:
        ceremony.attempts_left -= 1
        if ceremony.attempts_left:
            return self._step(ceremony, result="rejected")
        ceremony.session = ""
        response = no_store({"error": "temporarily_locked"}, 429)
        response.headers["Retry-After"] = "1"
        return response
