"""A step-up by hand: an app that knows the wire protocol and nothing of upstile.

    python raw_client.py http://localhost:PORT http://localhost:PORT/_clock

Drives a live bank through sign-in, enrolment, a TOTP and a WebAuthn step-up and a call that is confirmed for itself,
and attacks each on the way. Prints one line for each exchange; exits 1 with a sentence when something does not hold.
"""

import hmac
import json
import re
import sys
import time
from base64 import b32decode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from secrets import token_bytes, token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT_ID = "bank-cli"
PARAM = re.compile(r'([A-Za-z0-9_]+)=("(?:[^"\\]|\\.)*"|[A-Za-z0-9_.~+/-]+)(?:, |$)')


class Broken(Exception):
    """Something that the wire protocol promises does not hold."""


def expect(holds: bool, sentence: str) -> None:
    """Go on only if it holds."""
    if not holds:
        raise Broken(sentence)


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(key: ec.EllipticCurvePrivateKey) -> tuple[bytes, bytes]:
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")


def challenge(line: str) -> tuple[str, dict[str, str]]:
    """One challenge of one line, in the spelling that servers should send (RFC 9110 §11.6.1)."""
    scheme, _, rest = line.partition(" ")
    params = {name: value.strip('"') for name, value in PARAM.findall(rest)}
    expect(PARAM.sub("", rest) == "", f"the challenge cannot be read: {line}")
    return scheme, params


class Wire:
    """Requests with proofs, one printed line each."""

    def __init__(self, url: str, clock_url: str) -> None:
        self.url, self.clock_url = url, clock_url
        self.http = httpx.Client(base_url=url, trust_env=False)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.ahead = 0.0
        x, y = point(self.key)
        self.jwk = {"crv": "P-256", "kty": "EC", "x": b64(x), "y": b64(y)}
        self.jkt = b64(sha256(json.dumps(self.jwk, separators=(",", ":"), sort_keys=True).encode()).digest())

    def now(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.http.post(self.clock_url, json={"advance": seconds}).raise_for_status()
        self.ahead += seconds

    def proof(self, method: str, path: str, token: str = "", **lies: Any) -> str:
        """A DPoP proof (RFC 9449 §4.2)."""
        claims: dict[str, Any] = {"jti": token_urlsafe(), "htm": method, "htu": self.url + path, "iat": int(self.now())}
        if token:
            claims["ath"] = b64(sha256(token.encode()).digest())
        signer = lies.pop("key", self.key)
        parts = [{"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk}, {**claims, **lies}]
        signed = ".".join(b64(json.dumps(part).encode()) for part in parts)
        r, s = decode_dss_signature(signer.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def call(self, method: str, path: str, token: str = "", proof: str | None = None, **request: Any) -> httpx.Response:
        headers = {"DPoP": proof or self.proof(method, path, token)}
        headers |= {"Authorization": f"DPoP {token}"} if token else {}
        reply = self.http.request(method, path, headers={**headers, **request.pop("headers", {})}, **request)
        sys.stdout.write(f"{method} {path} {reply.status_code}\n")
        return reply

    def form(self, path: str, proof: str | None = None, **form: Any) -> httpx.Response:
        return self.call("POST", path, proof=proof, data=form)


class Authenticators:
    """An authenticator app and a passkey in a few lines each."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.seed = b""
        self.passkey = ec.generate_private_key(ec.SECP256R1())
        self.id = token_bytes(16)
        self.count = 0

    def code(self) -> str:
        """RFC 6238; the clock is moved so that it is a fresh one."""
        self.wire.advance(30)
        return self.code_now()

    def code_now(self) -> str:
        mac = hmac.digest(self.seed, (int(self.wire.now()) // 30).to_bytes(8, "big"), "sha1")
        start = mac[19] & 15
        return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"

    def register(self, options: dict[str, Any]) -> dict[str, Any]:
        """A registration with a `none` attestation (WebAuthn Level 3 §6.5, §8.7)."""
        x, y = point(self.passkey)
        cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y
        data = self.data(options["rp"]["id"], 0x45) + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        size = b"\x58" + bytes([len(data)])
        statement = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData" + size + data
        client_data = self.client_data("webauthn.create", options["challenge"])
        return self.response(clientDataJSON=client_data, attestationObject=statement)

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """An assertion (WebAuthn Level 3 §6.3.3)."""
        self.count += 1
        data = self.data(options["rpId"], 0x05)
        client_data = self.client_data("webauthn.get", options["challenge"])
        signature = self.passkey.sign(data + sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self.response(clientDataJSON=client_data, authenticatorData=data, signature=signature)

    def data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def client_data(self, kind: str, text: str) -> bytes:
        return json.dumps({"type": kind, "challenge": text, "origin": self.wire.url, "crossOrigin": False}).encode()

    def response(self, **members: bytes) -> dict[str, Any]:
        encoded = {name: b64(value) for name, value in members.items()}
        return {
            "id": b64(self.id),
            "rawId": b64(self.id),
            "type": "public-key",
            "response": encoded,
            "clientExtensionResults": {},
        }


class Story:
    """The app's day, and its attacker's."""

    def __init__(self, url: str, clock_url: str) -> None:
        self.wire = Wire(url, clock_url)
        self.own = Authenticators(self.wire)
        self.base = ""
        self.server: dict[str, Any] = {}

    def tell(self) -> None:
        self.sign_in()
        self.discover()
        self.enroll_totp()
        self.transfer()
        self.enroll_passkey()
        self.move_payouts()
        self.close_account()

    def sign_in(self) -> None:
        reply = self.wire.http.get("/balance")
        lines = [challenge(line) for line in reply.headers.get_list("www-authenticate")]
        expect([scheme for scheme, _ in lines] == ["Bearer", "DPoP"], "no token: a Bearer and a DPoP line")
        expect(all("error" not in params for _, params in lines), "no token: no error")
        expect(lines[1][1]["algs"] == "ES256", "no token: the DPoP line names algs")
        expect(reply.headers["content-type"] == "application/problem+json", "no token: a problem document")
        expect(reply.json()["type"] == "urn:upstile:problem:missing-token", "no token: type missing-token")
        token = self.wire.call("POST", "/login", json={"username": "ada", "password": "correct horse"}).json()
        expect(token["token_type"] == "DPoP", "a sign-in with a proof gives a bound token")
        self.base = token["access_token"]
        expect(self.wire.call("GET", "/balance", self.base).status_code == 200, "the balance is readable")
        self.attack_the_guard()

    def attack_the_guard(self) -> None:
        used, wire, base = self.wire.proof("GET", "/balance", self.base), self.wire, self.base
        expect(wire.call("GET", "/balance", base, proof=used).status_code == 200, "a proof is good once")
        faulty = {
            "replayed": used,
            "htu": wire.proof("GET", "/transfers", base),
            "htm": wire.proof("POST", "/balance", base),
            "ath": wire.proof("GET", "/balance", "another token"),
            "key": wire.proof("GET", "/balance", base, key=ec.generate_private_key(ec.SECP256R1())),
            "iat": wire.proof("GET", "/balance", base, iat=int(wire.now()) - 90),
        }
        for what, proof in faulty.items():
            reply = wire.call("GET", "/balance", base, proof=proof)
            error = challenge(reply.headers["www-authenticate"])[1]["error"]
            expect((reply.status_code, error) == (401, "invalid_dpop_proof"), f"a proof with a wrong {what} is refused")
        reply = wire.http.get("/balance", headers={"Authorization": f"Bearer {base}"})
        error = challenge(reply.headers["www-authenticate"])[1]["error"]
        expect((reply.status_code, error) == (401, "invalid_token"), "a bound token is no bearer token")

    def discover(self) -> None:
        reply = self.wire.call("POST", "/transfers", self.base, json={"to": "ACME", "amount": "50.00"})
        scheme, params = challenge(reply.headers["www-authenticate"])
        expect((reply.status_code, scheme) == (401, "DPoP"), "the transfer is challenged in the scheme of the request")
        expect(params["error"] == "insufficient_user_authentication", "the transfer wants a step-up")
        expect((params["acr_values"], params["max_age"]) == ("mfa", "300"), "the transfer wants mfa, 300")
        expect("max_age=300" in reply.headers["www-authenticate"], "max_age is not quoted")
        resource = self.wire.http.get(params["resource_metadata"]).json()
        expect(resource["resource"] == self.wire.url, "the resource is the API's origin")
        expect(resource["authorization_servers"] == [self.wire.url], "the issuer is the API's origin")
        self.server = self.wire.http.get("/.well-known/oauth-authorization-server").json()
        expect(self.server["issuer"] == self.wire.url, "the issuer names itself")
        for name in ("authorization_challenge_endpoint", "token_endpoint", "authenticators_endpoint", "jwks_uri"):
            expect(self.server[name].startswith(self.wire.url + "/"), f"{name} is on the issuer's origin")

    def path(self, name: str) -> str:
        return str(urlsplit(self.server[name]).path)

    def enroll_totp(self) -> None:
        where = self.path("authenticators_endpoint")
        plain = self.wire.http.post("/login", json={"username": "ada", "password": "correct horse"}).json()
        refused = self.wire.http.post(
            where,
            json={"method": "totp", "name": "thief"},
            headers={"Authorization": f"Bearer {plain['access_token']}"},
        )
        expect(refused.json()["type"].endswith(":first-enrolment"), "a bearer token alone never enrols")
        entry = self.wire.call("POST", where, self.base, json={"method": "totp", "name": "phone"})
        expect((entry.status_code, entry.json()["state"]) == (201, "pending"), "an enrolment begins pending")
        uri = parse_qs(urlsplit(entry.json()["otpauth_uri"]).query)
        self.own.seed = b32decode(uri["secret"][0] + "=" * (-len(uri["secret"][0]) % 8))
        done = self.wire.call(
            "POST", f"{where}/{entry.json()['id']}/verify", self.base, json={"otp": self.own.code_now()}
        )
        expect((done.status_code, done.json()["state"]) == (200, "active"), "the first code makes it active")

    def start(self, verifier: str, **asked: str) -> httpx.Response:
        form = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "code_challenge": b64(sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "resource": self.wire.url,
            "subject_token": self.base,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "authn_methods_supported": "webauthn totp",
        }
        return self.wire.form(self.path("authorization_challenge_endpoint"), **form, **asked)

    def answer(self, step: httpx.Response, **members: str) -> httpx.Response:
        expect(step.status_code == 403, f"a step is 403, not {step.status_code}: {step.text}")
        expect(step.headers["cache-control"] == "no-store", "a step is not cached")
        session = {"client_id": CLIENT_ID, "auth_session": step.json()["auth_session"]}
        return self.wire.form(self.path("authorization_challenge_endpoint"), **{**session, **members})

    def redeem(self, code: str, verifier: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "client_id": CLIENT_ID}
        return self.wire.form(self.path("token_endpoint"), **form)

    def elevated(self, answer: httpx.Response, verifier: str, acr: str) -> str:
        expect(answer.status_code == 200, f"a right answer ends in a code, not {answer.status_code}: {answer.text}")
        token = self.redeem(answer.json()["authorization_code"], verifier).json()
        expect((token["acr"], token["token_type"]) == (acr, "DPoP"), "the token says what was reached")
        expect(abs(token["auth_time"] - self.wire.now()) < 60, "the token says when")
        return str(token["access_token"])

    def transfer(self) -> None:
        verifier, order = token_urlsafe(48), {"to": "ACME", "amount": "50.00"}
        self.attack_the_start(verifier)
        step = self.start(verifier, acr_values="mfa", max_age="300")
        expect([offer["method"] for offer in step.json()["authn_methods"]] == ["totp"], "totp is offered")
        wrong = self.answer(step, authn_method="totp", otp="000000")
        expect((wrong.status_code, wrong.json()["result"]) == (403, "rejected"), "a wrong code is rejected")
        expect(wrong.json()["attempts_left"] == step.json()["attempts_left"] - 1, "a wrong code costs an attempt")
        expect(wrong.json()["auth_session"] != step.json()["auth_session"], "each step has a new session")
        dead = self.answer(step, authn_method="totp", otp="111111")
        expect(dead.json()["error"] == "invalid_session", "the old session is dead")
        code = self.own.code()
        right = self.answer(wrong, authn_method="totp", otp=code)
        grant = right.json()["authorization_code"]
        stolen = self.redeem(grant, token_urlsafe(48))
        expect(stolen.json()["error"] == "invalid_grant", "a code needs its verifier")
        token = self.elevated(right, verifier, "mfa")
        expect(self.wire.call("POST", "/transfers", token, json=order).status_code == 200, "the transfer succeeds")
        again = self.answer(self.start(token_urlsafe(48), acr_values="mfa"), authn_method="totp", otp=code)
        expect(again.json()["result"] == "rejected", "a code is accepted once")
        expect(self.redeem(grant, verifier).json()["error"] == "invalid_grant", "a grant is redeemed once")
        expect(
            self.wire.call("POST", "/transfers", token, json=order).status_code == 401, "a second use ends the token"
        )

    def attack_the_start(self, verifier: str) -> None:
        endpoint, wire = self.path("authorization_challenge_endpoint"), self.wire
        both = self.start(verifier, acr_values="mfa", authn_method="totp")
        expect(both.json()["error"] == "invalid_request", "a start is no answer")
        twice = urlencode([("response_type", "code"), ("client_id", CLIENT_ID), ("client_id", CLIENT_ID)])
        form_type = {"content-type": "application/x-www-form-urlencoded"}
        repeated = wire.call("POST", endpoint, content=twice, headers=form_type)
        expect(repeated.json()["error"] == "invalid_request", "a parameter stands once")
        as_json = wire.call("POST", endpoint, json={"response_type": "code"})
        expect(as_json.json()["error"] == "invalid_request", "a form is a form")
        nobody = wire.form(endpoint, client_id=CLIENT_ID, auth_session="x", authn_method="totp", otp="1")
        expect(nobody.json()["error"] == "invalid_session", "an unknown session is refused")
        unproven = wire.http.post(endpoint, data={"client_id": CLIENT_ID, "auth_session": "x", "authn_method": "totp"})
        expect(unproven.json()["error"] == "invalid_dpop_proof", "a ceremony needs a proof")

    def enroll_passkey(self) -> None:
        where, wanted = self.path("authenticators_endpoint"), {"method": "webauthn", "name": "passkey"}
        refused = self.wire.call("POST", where, self.base, json=wanted)
        _, params = challenge(refused.headers["www-authenticate"])
        expect((refused.status_code, params["acr_values"]) == (401, "mfa"), "a change wants the strongest proof")
        verifier = token_urlsafe(48)
        step = self.start(verifier, acr_values="mfa", max_age="60", scope="authenticators")
        token = self.elevated(self.answer(step, authn_method="totp", otp=self.own.code()), verifier, "mfa")
        entry = self.wire.call("POST", where, token, json=wanted).json()
        response = {"registration_response": self.own.register(entry["options"])}
        done = self.wire.call("POST", f"{where}/{entry['id']}/verify", token, json=response)
        expect((done.status_code, done.json()["state"]) == (200, "active"), f"the passkey is enrolled: {done.text}")
        listed = self.wire.call("GET", where, self.base).json()["authenticators"]
        expect([item["method"] for item in listed] == ["totp", "webauthn"], "both are listed")

    def move_payouts(self) -> None:
        body, verifier = {"address": "1 New Street"}, token_urlsafe(48)
        reply = self.wire.call("PUT", "/payout-address", self.base, json=body)
        expect(challenge(reply.headers["www-authenticate"])[1]["acr_values"] == "phr", "the address wants phr")
        step = self.start(verifier, acr_values="phr")
        (offer,) = step.json()["authn_methods"]
        expect(offer["options"]["userVerification"] == "required", "phr wants user verification")
        self.check_binding(offer)
        signed = json.dumps(self.own.sign(offer["options"]))
        token = self.elevated(self.answer(step, authn_method="webauthn", authn_response=signed), verifier, "phr")
        moved = self.wire.call("PUT", "/payout-address", token, json=body)
        expect(moved.status_code == 200, "the address is changed")
        other = self.start(token_urlsafe(48), acr_values="phr")
        replayed = self.answer(other, authn_method="webauthn", authn_response=signed)
        expect(replayed.json()["result"] == "rejected", "an assertion is for its own step")

    def check_binding(self, offer: dict[str, Any]) -> None:
        """Upstile profile §3: the challenge is made of what it is for."""
        bound = {
            "nonce": offer["nonce"],
            "iss": self.wire.url,
            "client_id": CLIENT_ID,
            "jkt": self.wire.jkt,
            "resource": self.wire.url,
            "authorization_details": [],
        }
        digest = sha256(b"upstile/1\x00" + rfc8785.dumps(bound)).digest()
        expect(unb64(offer["options"]["challenge"]) == digest, "the challenge is bound to its purpose")
        expect(len(unb64(offer["nonce"])) == 32, "the nonce has 32 bytes")

    def close_account(self) -> None:
        verifier = token_urlsafe(48)
        reply = self.wire.call("DELETE", "/account", self.base)
        expect(challenge(reply.headers["www-authenticate"])[1]["max_age"] == "0", "closing is for this very call")
        step = self.start(verifier, acr_values="mfa", max_age="0")
        token = self.elevated(self.answer(step, authn_method="totp", otp=self.own.code()), verifier, "mfa")
        elsewhere = self.wire.call("GET", "/balance", token)
        error = challenge(elsewhere.headers["www-authenticate"])[1]["error"]
        expect((elsewhere.status_code, error) == (401, "invalid_token"), "a token for one call serves nothing else")
        expect(self.wire.call("DELETE", "/account", token).status_code == 200, "it serves its call")
        again = self.wire.call("DELETE", "/account", token)
        expect(again.json()["type"] == "urn:upstile:problem:token-used", "it serves once")


def main() -> int:
    try:
        Story(sys.argv[1], sys.argv[2]).tell()
    except Broken as broken:
        sys.stdout.write(f"BROKEN: {broken}\n")
        return 1
    sys.stdout.write("everything held\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
