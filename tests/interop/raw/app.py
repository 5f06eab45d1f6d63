"""The app: its login, and the verbs of a ceremony."""

from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

import rfc8785

from interop.raw.devices import Passkey, Phone
from interop.raw.wire import Key, Reply, Wire, b64, claims_of, expect, unb64


class App:
    """One user's app at one server; `stranger` is the key of somebody else."""

    def __init__(self, wire: Wire, client_id: str, username: str, password: str) -> None:
        self.wire, self.client_id = wire, client_id
        self.login = {"username": username, "password": password}
        self.passkey, self.stranger = Passkey(wire.url), Key()
        self.metadata: dict[str, Any] = {}
        self.base, self.verifier = "", ""
        self.phone: Phone

    def post(self, endpoint: str, form: dict[str, str], **how: Any) -> Reply:
        return self.wire.send("POST", self.metadata[endpoint], data=form, **how)

    def start_form(self, **asked: str) -> dict[str, str]:
        self.verifier = token_urlsafe(48)
        return {
            "response_type": "code",
            "client_id": self.client_id,
            "code_challenge": b64(sha256(self.verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "resource": self.wire.url,
            "subject_token": self.base,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "authn_methods_supported": "webauthn totp",
            **asked,
        }

    def start(self, **asked: str) -> dict[str, Any]:
        return self.post("authorization_challenge_endpoint", self.start_form(**asked)).step(
            "a start is answered with a step"
        )

    def answer(self, step: dict[str, Any], method: str, how: dict[str, Any] | None = None, **proof: str) -> Reply:
        session = {"client_id": self.client_id, "auth_session": step["auth_session"], "authn_method": method}
        return self.post("authorization_challenge_endpoint", session | proof, **(how or {}))

    def token_form(self, code: str, **changes: str) -> dict[str, str]:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": self.verifier}
        return {**form, "client_id": self.client_id, **changes}

    def redeem(self, code: str, acr: str, amr: set[str]) -> tuple[str, dict[str, Any]]:
        """The elevated token and its claims (profile §3 "Success", §4)."""
        reply = self.post("token_endpoint", self.token_form(code)).ok("the code is good")
        body, claims = reply.body, claims_of(reply.body["access_token"])
        expect(reply.http.headers.get("cache-control") == "no-store", "no-store on a token response (RFC 6749 §5.1)")
        expect((body["token_type"], body["acr"]) == ("DPoP", acr), f"a DPoP token of acr {acr}", body["acr"])
        expect(abs(body["auth_time"] - self.wire.now()) <= 60, "an auth_time of now", body["auth_time"])
        expect(0 < body["expires_in"] <= 300 and "refresh_token" not in body, "300 s and no refresh token")
        same = {name: body[name] for name in ("acr", "auth_time", "scope")}
        same |= {"iss": self.wire.url, "client_id": self.client_id, "cnf": {"jkt": self.wire.key.thumbprint}}
        for name, value in same.items():
            expect(claims.get(name) == value, f"the claim {name}={value}", claims.get(name))
        expect(claims["aud"] in (self.wire.url, [self.wire.url]), "aud to be exactly the one resource", claims["aud"])
        expect(amr <= set(claims["amr"]), f"{sorted(amr)} in amr", claims["amr"])
        expect({"sub", "jti", "iat", "exp"} <= claims.keys(), "sub, jti, iat and exp in a token (RFC 9068 §2.2)")
        return body["access_token"], claims

    def totp_token(self, **asked: str) -> tuple[str, dict[str, Any]]:
        done = self.answer(self.start(**asked), "totp", otp=self.phone.fresh()).ok("the code is right")
        return self.redeem(done.body["authorization_code"], "mfa", {"pwd", "otp"})

    def bound_options(self, step: dict[str, Any]) -> dict[str, Any]:
        """The options, once the challenge is known to be made of what it is for (profile §3)."""
        (offer,) = step["authn_methods"]
        options: dict[str, Any] = offer["options"]
        bound = {
            "nonce": offer["nonce"],
            "iss": self.wire.url,
            "client_id": self.client_id,
            "authorization_details": [],
        }
        bound |= {"jkt": self.wire.key.thumbprint, "resource": self.wire.url}
        expect(offer["method"] == "webauthn" and len(unb64(offer["nonce"])) == 32, "webauthn with 32 random bytes")
        expect(unb64(options["challenge"]) == digest_of(bound), "the challenge bound to what it is for")
        expect(options["userVerification"] == "required", "user verification required for phr")
        allowed = [each["id"] for each in options["allowCredentials"]]
        expect(allowed == [b64(self.passkey.id)], "the user's one passkey allowed", f"{len(allowed)} credentials")
        expect(options["rpId"] == urlsplit(self.wire.url).hostname, "rpId to be the issuer's host", options["rpId"])
        return options


def digest_of(bound: dict[str, Any]) -> bytes:
    """The WebAuthn challenge for what it is bound to (profile §3, RFC 8785)."""
    return sha256(b"upstile/1\x00" + rfc8785.dumps(bound)).digest()
