"""A step-up by hand: an app, and its attacker, that know the wire protocol and nothing of upstile.

    python raw_client.py http://localhost:PORT [USERNAME PASSWORD] [--client-id ID] [--clock-url URL]

Drives a live bank through sign-in, enrolment, a TOTP and a WebAuthn step-up and a call that is confirmed for itself,
and attacks each on the way. One line for each exchange; exits 1 with one sentence when something does not hold.
Without `--clock-url` it waits for each fresh TOTP code. "Profile" in a comment is the upstile profile, version 1.
"""

import argparse
import hmac
import json
import re
import sys
import time
from base64 import b32decode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from secrets import token_bytes, token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 §5.6.2
QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'  # §5.6.4
PARAM = re.compile(f"({TOKEN})=({TOKEN}|{QUOTED})")  # §11.2, without the BWS that no sender may write
CHALLENGE = re.compile(f"({TOKEN}) +({PARAM.pattern}(?:[ \t]*,[ \t]*{PARAM.pattern})*)")  # §11.3
PROBLEM = "urn:upstile:problem:"
TRANSFER = {"to": "ACME", "amount": "50.00"}
ADDRESS = {"address": "1 New Street"}
UP, UV, AT = 0x01, 0x04, 0x40  # WebAuthn Level 3 §6.1


class Broken(Exception):
    """Something that the wire protocol promises does not hold."""


def expect(holds: bool, expected: str, came: object = "something else") -> None:
    """Go on only if it holds."""
    if not holds:
        raise Broken(f"expected {expected}; came {came}")


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def challenge(line: str) -> tuple[str, dict[str, str]]:
    """The one challenge of a header line, by what a sender may generate (RFC 9110 §11.6.1, §5.6.1.1)."""
    whole = CHALLENGE.fullmatch(line)
    expect(whole is not None, "one challenge by the grammar of RFC 9110 in a line", repr(line))
    assert whole is not None
    pairs = [(name.lower(), value) for name, value in PARAM.findall(whole[2])]
    params = {name: re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value for name, value in pairs}
    expect(len(params) == len(pairs), "each parameter of a challenge once", repr(line))
    expect(all(value[0] == '"' for name, value in pairs if name == "realm"), "realm quoted (§11.5)", repr(line))
    expect(all(value.isdigit() for name, value in pairs if name == "max_age"), "max_age unquoted", repr(line))
    return whole[1].lower(), params


def one_time_code(secret: bytes, step: int, *, digits: int = 6, algorithm: str = "sha1") -> str:
    """RFC 6238 §4, RFC 4226 §5.3."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), algorithm)
    start = mac[-1] & 15
    return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 10**digits:0{digits}}"


def claims_of(token: str) -> dict[str, Any]:
    """What the token says; its signature is the resource server's to judge."""
    header, claims, _ = token.split(".")
    expect(json.loads(unb64(header))["typ"].lower() == "at+jwt", "a token of type at+jwt (RFC 9068 §2.1)")
    return dict(json.loads(unb64(claims)))


class Key:
    """An ES256 key: of an app, or inside a passkey."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        numbers = self._private.public_key().public_numbers()
        self.x, self.y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        self.jwk = {"kty": "EC", "crv": "P-256", "x": b64(self.x), "y": b64(self.y)}
        self.thumbprint = b64(sha256(rfc8785.dumps(self.jwk)).digest())  # RFC 7638 §3

    def der(self, data: bytes) -> bytes:
        return self._private.sign(data, ec.ECDSA(SHA256()))

    def jws(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self.der(signed.encode()))
        return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back, and the checks that every answer of its kind has to pass."""

    request: str
    scheme: str
    http: httpx.Response

    def __str__(self) -> str:
        return f"{self.request} {self.http.status_code} {self.word}"

    @property
    def body(self) -> dict[str, Any]:
        is_json = re.fullmatch(r"application/(problem\+)?json(;.*)?", self.http.headers.get("content-type", ""))
        return self.http.json() if is_json else {}

    @property
    def challenges(self) -> list[tuple[str, dict[str, str]]]:
        return [challenge(line) for line in self.http.headers.get_list("www-authenticate")]

    @property
    def word(self) -> str:
        """The answer in one word, never a secret."""
        named = [params["error"] for _, params in self.challenges if "error" in params]
        named += [str(self.body[name]) for name in ("result", "error", "type", "state") if name in self.body]
        return re.sub(r"[^\w-]", "", named[0].removeprefix(PROBLEM))[:40] if named else "ok"

    def must(self, status: int, word: str, because: str) -> "Reply":
        came = f"{self.http.status_code} {self.word}"
        expect(came == f"{status} {word}", f"{status} {word} from {self.request}, as {because}", came)
        return self

    def ok(self, because: str) -> "Reply":
        expect(self.http.status_code == 200, f"200 from {self.request}, as {because}", self)
        return self

    def refused(self, error: str, because: str, *, status: int = 401, kind: str = "") -> dict[str, str]:
        """A refusal of a resource server: its one challenge, in the request's scheme (profile §1)."""
        self.must(status, error, because)
        expect([scheme for scheme, _ in self.challenges] == [self.scheme], f"one {self.scheme} challenge", self)
        params = self.challenges[0][1]
        expect("resource_metadata" in params, "resource_metadata in every challenge", self)
        expect(self.scheme != "dpop" or "ES256" in params["algs"].split(), "algs in every DPoP challenge", self)
        self.problem(kind or error.replace("_", "-"))
        if error == "insufficient_user_authentication":
            expect(self.body["acr_values"] == params["acr_values"].split(), "acr_values in the problem", self)
            expect(str(self.body.get("max_age")) == params.get("max_age", "None"), "max_age in the problem", self)
        return params

    def problem(self, kind: str) -> "Reply":
        """RFC 9457 §3.1 and profile §1."""
        body, media = self.body, self.http.headers.get("content-type", "").partition(";")[0]
        expect(media == "application/problem+json", f"a problem document from {self.request}", media or "no type")
        expect(body["type"] == PROBLEM + kind, f"problem type {kind} from {self.request}", body["type"])
        expect(body["status"] == self.http.status_code, "the problem's status to be the response's", body["status"])
        texts = [body.get(name, "") for name in ("title", "detail")]
        expect(bool(texts[0]) and all(isinstance(text, str) for text in texts), "a title in a problem", texts)
        expect(body["instance"].startswith("urn:uuid:"), "instance=urn:uuid:... in a problem")
        return self

    def step(self, because: str, word: str = "insufficient_authorization") -> dict[str, Any]:
        """A step of the ceremony (profile §3)."""
        body = self.must(403, word, because).body
        expect(body["error"] == "insufficient_authorization", "every step to be insufficient_authorization")
        expect(self.http.headers.get("cache-control") == "no-store", "Cache-Control: no-store on a step")
        expect(len(unb64(body["auth_session"])) >= 32, "an auth_session of 256 bits")
        expect(0 < body["expires_in"] <= 300 and body["attempts_left"] >= 1, "time and attempts left in a step")
        return body


class Wire:
    """Requests with proofs, one printed line each, on a clock that can be moved."""

    def __init__(self, url: str, clock_url: str) -> None:
        self.url, self.clock_url, self.ahead, self.key = url.rstrip("/"), clock_url, 0.0, Key()
        self.http = httpx.Client(trust_env=False, timeout=20)
        self.last = "nothing"

    def now(self) -> float:
        return time.time() + self.ahead

    def wait(self, seconds: int) -> None:
        if not self.clock_url:
            time.sleep(seconds)
            return
        theirs = self.http.post(self.clock_url, json={"advance": seconds}).raise_for_status().json()["now"]
        self.ahead += seconds
        expect(abs(theirs - self.now()) < 5, "the server's clock where the script's is", f"{theirs - self.now()} s off")

    def proof(self, method: str, url: str, token: str = "", *, key: Key | None = None, **lies: Any) -> str:
        """A DPoP proof (RFC 9449 §4.2)."""
        signer = key or self.key
        claims: dict[str, Any] = {"jti": token_urlsafe(), "htm": method, "htu": url, "iat": int(self.now())}
        claims |= {"ath": b64(sha256(token.encode()).digest())} if token else {}
        return signer.jws({"typ": "dpop+jwt", "alg": "ES256", "jwk": signer.jwk}, claims | lies)

    def send(
        self,
        method: str,
        where: str,
        token: str = "",
        *,
        proofs: list[str] | None = None,
        scheme: str = "DPoP",
        **body: Any,
    ) -> Reply:
        """One exchange; `proofs=[]` sends none, any other list is sent as it is."""
        url = where if "://" in where else self.url + where
        headers = [("Authorization", f"{scheme} {token}")] if token else []
        headers += [("DPoP", item) for item in (proofs if proofs is not None else [self.proof(method, url, token)])]
        headers += body.pop("headers", [])
        response = self.http.request(method, url, headers=headers, **body)
        reply = Reply(request=f"{method} {urlsplit(url).path}", scheme=scheme.lower(), http=response)
        self.last = reply.request
        sys.stdout.write(f"{reply}\n")
        return reply


class Phone:
    """An authenticator app: TOTP as its otpauth URI says."""

    def __init__(self, wire: Wire, uri: str) -> None:
        parts = urlsplit(uri)
        expect((parts.scheme, parts.netloc) == ("otpauth", "totp"), "an otpauth://totp/ URI", f"{parts.scheme}:")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.secret = b32decode(query["secret"] + "=" * (-len(query["secret"]) % 8))
        self.digits, self.period = int(query.get("digits", "6")), int(query.get("period", "30"))
        self.algorithm, self.wire = query.get("algorithm", "SHA1").lower(), wire
        expect(len(self.secret) >= 16, "a secret of at least 128 bits (RFC 4226 §4)", f"{len(self.secret)} bytes")
        expect(self.period == 30, "a period of 30 s (profile §7)", self.period)

    def code(self, ahead: int = 0) -> str:
        step = int(self.wire.now()) // self.period + ahead
        return one_time_code(self.secret, step, digits=self.digits, algorithm=self.algorithm)

    def fresh(self) -> str:
        """A code of a later step than any before; the clock then stands early in that step."""
        self.wire.wait(ceil(self.period - self.wire.now() % self.period) + 2)
        return self.code()

    def wrong(self) -> str:
        right = {self.code(step) for step in (-1, 0, 1)}
        return next(code for code in (f"{n:0{self.digits}}" for n in range(4)) if code not in right)


class Passkey:
    """A software authenticator with user verification and without attestation (WebAuthn Level 3 §6)."""

    def __init__(self, origin: str) -> None:
        self.origin, self.key, self.id, self.count, self.user = origin, Key(), token_bytes(32), 0, ""

    def register(self, options: dict[str, Any]) -> dict[str, Any]:
        """§6.5.1 attested credential data, §8.7 `none`; the CBOR (RFC 8949) is a map or two by hand."""
        self.user = options["user"]["id"]
        cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + self.key.x + b"\x22\x58\x20" + self.key.y
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data(options["rp"]["id"], UP | UV | AT) + credential
        attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + bytes([len(data)]) + data
        client = self._client_data("webauthn.create", options["challenge"])
        response = {
            "clientDataJSON": b64(client),
            "attestationObject": b64(attestation),
            "authenticatorData": b64(data),
        }
        return self._credential({**response, "transports": ["internal"], "publicKeyAlgorithm": -7})

    def sign(self, options: dict[str, Any], flags: int = UP | UV) -> str:
        """§6.3.3, as the JSON text of an AuthenticationResponseJSON."""
        self.count += 1
        data, client = self._data(options["rpId"], flags), self._client_data("webauthn.get", options["challenge"])
        parts = (data, client, self.key.der(data + sha256(client).digest()))
        names = ("authenticatorData", "clientDataJSON", "signature")
        response = {name: b64(part) for name, part in zip(names, parts, strict=True)}
        return json.dumps(self._credential({**response, "userHandle": self.user}))

    def _data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, text: str) -> bytes:
        return json.dumps({"type": kind, "challenge": text, "origin": self.origin, "crossOrigin": False}).encode()

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        whole = {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
        return {**whole, "authenticatorAttachment": "platform", "clientExtensionResults": {}}


class Story:
    """The app's day, and its attacker's."""

    def __init__(self, wire: Wire, client_id: str, username: str, password: str) -> None:
        self.wire, self.client_id = wire, client_id
        self.login = {"username": username, "password": password}
        self.passkey, self.stranger = Passkey(wire.url), Key()
        self.metadata: dict[str, Any] = {}
        self.base, self.verifier = "", ""

    def tell(self) -> None:
        self.sign_in()
        self.attack_the_guard()
        self.discover()
        self.enrol_phone()
        self.transfer()
        self.enrol_passkey()
        self.move_payouts()
        self.close_account()

    # --- 0 to 2: no token, sign-in, a call that needs nothing more

    def sign_in(self) -> None:
        basic = [("Authorization", "Basic YTpi")]
        for nothing in (self.wire.send("GET", "/balance", proofs=[], headers=more) for more in ([], basic)):
            nothing.must(401, "missing-token", "no token came").problem("missing-token")
            schemes = [scheme for scheme, _ in nothing.challenges]
            expect(schemes == ["bearer", "dpop"], "a Bearer line, then a DPoP line", schemes)
            (_, bearer), (_, dpop) = nothing.challenges
            expect("error" not in bearer and "error" not in dpop, "no error where there was no token", nothing)
            expect("realm" in bearer and "ES256" in dpop["algs"].split(), "realm and algs", nothing)
            expect("resource_metadata" in bearer and "resource_metadata" in dpop, "resource_metadata", nothing)
        token = self.wire.send("POST", "/login", json=self.login).ok("the password is right").body
        expect(token["token_type"].lower() == "dpop", "a bound token for a login with a proof", token["token_type"])
        self.base = token["access_token"]
        self.wire.send("GET", "/balance", self.base).ok("the balance asks for no more than a login")

    def attack_the_guard(self) -> None:
        wire, base, url = self.wire, self.base, f"{self.wire.url}/balance"
        used, honest = wire.proof("GET", url, base), wire.proof("GET", url, base)
        strange = wire.proof("GET", url, base, key=self.stranger)
        wire.send("GET", "/balance", base, proofs=[used]).ok("a proof is good once")
        faulty: dict[str, list[str]] = {
            "a proof counts once": [used],
            "a proof is needed": [],
            "there is one proof (RFC 9449 §4.3)": [honest, wire.proof("GET", url, base)],
            "htu is another": [wire.proof("GET", f"{wire.url}/transfers", base)],
            "htm is another": [wire.proof("POST", url, base)],
            "ath is of another token": [wire.proof("GET", url, "another")],
            "ath is missing": [wire.proof("GET", url)],
            "iat is too old": [wire.proof("GET", url, base, iat=int(wire.now()) - 90)],
            "iat is in the future": [wire.proof("GET", url, base, iat=int(wire.now()) + 90)],
            "the signature is another's": [honest.rpartition(".")[0] + "." + strange.rpartition(".")[2]],
        }
        for because, proofs in faulty.items():
            wire.send("GET", "/balance", base, proofs=proofs).refused("invalid_dpop_proof", because)
        by_another = wire.send("GET", "/balance", base, proofs=[strange])
        by_another.refused("invalid_token", "the proof is sound, but of another key than the token's")
        wire.send("GET", "/balance", base, scheme="Bearer").refused("invalid_token", "a bound token is no bearer token")
        wire.send("GET", "/balance", base[:-8]).refused("invalid_token", "the token is cut short")
        twice = wire.send("GET", "/balance", base, headers=[("Authorization", f"DPoP {base}")])
        twice.must(400, "invalid-request", "there are two Authorization headers").problem("invalid-request")

    # --- 3: discovery

    def discover(self) -> None:
        url, reply = self.wire.url, self.wire.send("POST", "/transfers", self.base, json=TRANSFER)
        params = reply.refused("insufficient_user_authentication", "a password is not enough for a transfer")
        expect((params["acr_values"], params["max_age"]) == ("mfa", "300"), "acr_values=mfa, max_age=300", params)
        expect("scope" not in params, "no scope where none is missing", params)
        where = params["resource_metadata"]
        expect(where == f"{url}/.well-known/oauth-protected-resource", "the place of RFC 9728 §3 for an origin", where)
        resource = self.wire.send("GET", where, proofs=[]).ok("the resource has metadata").body
        expect(resource["resource"] == url, "the resource to be the API's origin", resource["resource"])
        expect(resource["authorization_servers"] == [url], "the API's own origin as issuer")
        place = "/.well-known/oauth-authorization-server"
        self.metadata = about = self.wire.send("GET", place, proofs=[]).ok("the issuer has metadata").body
        expect(about["issuer"] == url, "the issuer to be the base URL", about["issuer"])
        needed = {"authorization_challenge_endpoint", "token_endpoint", "authenticators_endpoint", "jwks_uri"}
        # NOTE: authorization_endpoint and revocation_endpoint are judged where a server has them.
        for name in needed | {name for name in about if name.endswith("_endpoint")}:
            expect(str(about.get(name)).startswith(f"{url}/"), f"{name} on the issuer's origin", about.get(name))
        self.check_metadata_lists()

    def check_metadata_lists(self) -> None:
        wanted: dict[str, list[str]] = {
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "upstile_profile_versions_supported": ["1"],
        }
        for name, value in wanted.items():
            expect(self.metadata.get(name) == value, f"{name}={value}", self.metadata.get(name))
        some = {
            "acr_values": {"mfa", "phr"},
            "dpop_signing_alg_values": {"ES256"},
            "authn_methods": {"webauthn", "totp"},
        }
        for name, values in some.items():
            came = self.metadata.get(f"{name}_supported", [])
            expect(values <= set(came), f"{sorted(values)} in {name}_supported", came)

    # --- the ceremony

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

    # --- 4a: first enrolment

    def enrol_phone(self) -> None:
        where, wanted = self.metadata["authenticators_endpoint"], {"method": "totp", "name": "phone"}
        plain = self.wire.send("POST", "/login", proofs=[], json=self.login).ok("a proof at login is not a must").body
        thief = self.wire.send("POST", where, plain["access_token"], proofs=[], scheme="Bearer", json=wanted)
        thief.must(403, "first-enrolment", "a bearer token alone never enrols").problem("first-enrolment")
        entry = self.wire.send("POST", where, self.base, json=wanted).must(201, "pending", "an enrolment begins").body
        expect(entry["expires_in"] == 600, "600 s to verify", entry["expires_in"])
        self.phone, verify = Phone(self.wire, entry["otpauth_uri"]), f"{where}/{entry['id']}/verify"
        wrong = self.wire.send("POST", verify, self.base, json={"otp": self.phone.wrong()})
        wrong.must(400, "verification-failed", "the code is wrong").problem("verification-failed")
        listed = self.wire.send("GET", where, self.base).ok("a base token may list").body["authenticators"]
        expect([item["state"] for item in listed] == ["pending"], "a pending entry after a wrong code", listed)
        done = self.wire.send("POST", verify, self.base, json={"otp": self.phone.code()})
        expect(done.must(200, "active", "the code is right").body["method"] == "totp", "the entry", done)

    # --- 5: a transfer, with TOTP

    def transfer(self) -> None:
        self.attack_the_start()
        enrolled_with, step = self.phone.code(), self.start(acr_values="mfa", max_age="300")
        offered = [each["method"] for each in step["authn_methods"]]
        expect(offered == ["totp"], "totp offered, the one that is enrolled", offered)
        self.attack_the_answer(step)
        again = self.reject(step, enrolled_with, "the code that verified the enrolment counts as accepted")
        dead = self.answer(step, "totp", otp=self.phone.wrong())
        dead.must(400, "invalid_session", "every step kills the session before it")
        right = self.phone.fresh()
        again = self.reject(again, self.phone.wrong(), "the code is wrong")
        again = self.reject(again, self.phone.code(1), "the code is of the step to come")
        code = self.lost_reply(again, right)
        self.attack_the_code(code)
        token, claims = self.redeem(code, "mfa", {"pwd", "otp"})
        expect("single_use" not in claims, "a token for 300 s to be no single-use token")
        self.wire.send("POST", "/transfers", token, json=TRANSFER).ok("the step-up satisfies the route")
        self.wire.send("POST", "/transfers", token, json=TRANSFER).ok("the token holds for its life")
        entry = self.wire.send(
            "POST", self.metadata["authenticators_endpoint"], token, json={"method": "totp", "name": "second"}
        )
        params = entry.refused("insufficient_scope", "the token lacks only the scope", status=403)
        expect(params["scope"] == "authenticators", "the missing scope named", params)
        self.use_code_twice(code, token)
        self.reject(self.start(acr_values="mfa"), right, "a code is accepted once")

    def reject(self, step: dict[str, Any], otp: str, because: str) -> dict[str, Any]:
        after = self.answer(step, "totp", otp=otp).step(because, "rejected")
        left = (step["attempts_left"], after["attempts_left"])
        expect(left[1] < left[0], "fewer attempts_left after a wrong code", f"{left[1]} after {left[0]}")
        expect(after["auth_session"] != step["auth_session"], "a new auth_session in every step", "the old one")
        return after

    def lost_reply(self, step: dict[str, Any], otp: str) -> str:
        """The identical form with a fresh proof gets the stored reply: a lost response costs no code."""
        first, second = (self.answer(step, "totp", otp=otp).ok("the code is right") for _ in range(2))
        expect(first.body == second.body, "the stored reply to the identical form")
        return str(first.body["authorization_code"])

    def attack_the_start(self) -> None:
        endpoint, good = "authorization_challenge_endpoint", self.start_form(acr_values="mfa")
        faulty: dict[str, dict[str, str]] = {
            "invalid_client": {"client_id": "nobody"},
            "invalid_target": {"resource": "https://elsewhere.example"},
            "invalid_grant": {"subject_token": self.base[:-8]},
            "unmet_authentication_requirements": {"acr_values": "unheard-of"},
        }
        for error, change in faulty.items():
            self.post(endpoint, good | change).must(400, error, f"{', '.join(change)} is none of ours")
        both = self.post(endpoint, good | {"authn_method": "totp"})
        both.must(400, "invalid_request", "a request is a start or an answer")
        for name in ("response_type", "code_challenge", "code_challenge_method", "resource", "subject_token"):
            short = {key: value for key, value in good.items() if key != name}
            self.post(endpoint, short).must(400, "invalid_request", f"{name} is required")
        form_type = [("Content-Type", "application/x-www-form-urlencoded")]
        for name in ("client_id", "acr_values"):
            text = urlencode([*good.items(), (name, good[name])])
            twice = self.wire.send("POST", self.metadata[endpoint], content=text, headers=form_type)
            twice.must(400, "invalid_request", f"{name} is there twice")
        as_json = self.wire.send("POST", self.metadata[endpoint], json=good)
        as_json.must(400, "invalid_request", "the endpoint takes forms")
        self.post(endpoint, good, proofs=[]).must(400, "invalid_dpop_proof", "a start needs a proof")
        strange = [self.wire.proof("POST", self.metadata[endpoint], key=self.stranger)]
        self.post(endpoint, good, proofs=strange).must(400, "invalid_grant", "the token is bound to another key")

    def attack_the_answer(self, step: dict[str, Any]) -> None:
        """None of these is judged: the session lives on, with all its attempts."""
        url = self.metadata["authorization_challenge_endpoint"]
        used = self.wire.proof("POST", url)
        self.answer(step, "totp", {"proofs": [used]}).must(400, "invalid_request", "there is no otp")
        faulty = {
            "the proof was used": used,
            "htu is another": self.wire.proof("POST", self.metadata["token_endpoint"]),
            "htm is another": self.wire.proof("GET", url),
        }
        for because, proof in faulty.items():
            reply = self.answer(step, "totp", {"proofs": [proof]}, otp=self.phone.wrong())
            reply.must(400, "invalid_dpop_proof", because)
        strange = {"proofs": [self.wire.proof("POST", url, key=self.stranger)]}
        by_another = self.answer(step, "totp", strange, otp=self.phone.wrong())
        by_another.must(400, "invalid_session", "the session is bound to another key")
        unknown = self.answer({"auth_session": token_urlsafe(32)}, "totp", otp=self.phone.wrong())
        unknown.must(400, "invalid_session", "nobody knows that session")
        self.answer(step, "webauthn", authn_response="{}").must(400, "invalid_request", "webauthn was not offered")

    def attack_the_code(self, code: str) -> None:
        """Refused, and the code stays good."""
        verifier = self.token_form(code, code_verifier=token_urlsafe(48))
        self.post("token_endpoint", verifier).must(400, "invalid_grant", "the verifier is another")
        strange = [self.wire.proof("POST", self.metadata["token_endpoint"], key=self.stranger)]
        self.post("token_endpoint", self.token_form(code), proofs=strange).must(
            400, "invalid_grant", "the key is another"
        )
        nobody = self.post("token_endpoint", self.token_form(code, client_id="nobody"))
        nobody.must(400, "invalid_client", "the client is unknown")

    def use_code_twice(self, code: str, token: str) -> None:
        self.wire.send("GET", "/balance", token).ok("the token is alive until its code is used twice")
        self.post("token_endpoint", self.token_form(code)).must(400, "invalid_grant", "a code is redeemed once")
        until = time.monotonic() + 2
        while (reply := self.wire.send("GET", "/balance", token)).http.status_code == 200 and time.monotonic() < until:
            time.sleep(0.1)
        reply.refused("invalid_token", "a second use of its code revokes the token within 2 s")

    # --- 4b: a passkey, by step-up

    def enrol_passkey(self) -> None:
        where, wanted = self.metadata["authenticators_endpoint"], {"method": "webauthn", "name": "passkey"}
        refused = self.wire.send("POST", where, self.base, json=wanted)
        params = refused.refused("insufficient_user_authentication", "a change wants the strongest proof there is")
        asked = {name: params[name] for name in ("acr_values", "max_age", "scope")}
        expect(asked == {"acr_values": "mfa", "max_age": "60", "scope": "authenticators"}, "mfa, 60 s, scope", asked)
        token, claims = self.totp_token(**asked)
        expect("authenticators" in claims["scope"].split(), "the scope authenticators granted", claims["scope"])
        entry = self.wire.send("POST", where, token, json=wanted).must(201, "pending", "the step-up suffices").body
        options = entry["options"]
        expect(options["authenticatorSelection"]["userVerification"] == "required", "required at registration")
        expect({"type": "public-key", "alg": -7} in options["pubKeyCredParams"], "ES256 among the algorithms")
        made = {"registration_response": self.passkey.register(options)}
        done = self.wire.send("POST", f"{where}/{entry['id']}/verify", token, json=made)
        done.must(200, "active", "the registration is sound")
        listed = self.wire.send("GET", where, self.base).ok("a base token may list").body["authenticators"]
        methods = sorted((item["method"], item["state"]) for item in listed)
        expect(methods == [("totp", "active"), ("webauthn", "active")], "both authenticators, active", methods)
        members = {"id", "method", "name", "created", "last_used", "state"}
        expect(all(members <= item.keys() for item in listed), f"{sorted(members)} in every entry")

    # --- 6: a payout address, with the passkey

    def move_payouts(self) -> None:
        reply = self.wire.send("PUT", "/payout-address", self.base, json=ADDRESS)
        params = reply.refused("insufficient_user_authentication", "a new address wants a passkey")
        expect(params["acr_values"] == "phr", "acr_values=phr", params)
        asked = {name: params[name] for name in ("acr_values", "max_age") if name in params}
        step = self.start(**asked)
        self.answer(step, "webauthn", authn_response="{").must(400, "invalid_request", "that is no JSON")
        weak = self.passkey.sign(self.bound_options(step), UP)
        after = self.answer(step, "webauthn", authn_response=weak).step("phr wants user verification", "rejected")
        expect(after["authn_methods"][0]["nonce"] != step["authn_methods"][0]["nonce"], "a fresh nonce", "the old one")
        signed = self.passkey.sign(self.bound_options(after))
        done = self.answer(after, "webauthn", authn_response=signed).ok("the assertion is sound")
        token, _ = self.redeem(done.body["authorization_code"], "phr", {"swk"})
        self.wire.send("PUT", "/payout-address", token, json=ADDRESS).ok("the step-up satisfies the route")
        replay = self.answer(self.start(acr_values="phr"), "webauthn", authn_response=signed)
        replay.step("an assertion is for its own step", "rejected")

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

    # --- 7: closing the account, confirmed for that very call

    def close_account(self) -> None:
        reply = self.wire.send("DELETE", "/account", self.base)
        params = reply.refused("insufficient_user_authentication", "closing asks for this very call")
        asked = {name: params[name] for name in ("acr_values", "max_age")}
        expect(asked == {"acr_values": "mfa", "max_age": "0"}, "acr_values=mfa, max_age=0", asked)
        token, claims = self.totp_token(**asked, authn_methods_supported="totp")
        expect(claims.get("single_use") is True, "single_use=true in a token for max_age=0", claims.get("single_use"))
        self.wire.send("GET", "/balance", token).refused("invalid_token", "it serves max_age=0 routes only")
        form = self.start_form(acr_values="mfa") | {"subject_token": token}
        nobody = self.post("authorization_challenge_endpoint", form)
        nobody.must(400, "invalid_grant", "a single-use token names nobody")
        self.wire.send("DELETE", "/account", token).ok("it was not consumed elsewhere")
        used = self.wire.send("DELETE", "/account", token)
        used.refused("insufficient_user_authentication", "a token for one call serves once", kind="token-used")
        self.wire.send("GET", "/balance", token).refused("invalid_token", "it serves max_age=0 routes only")


def digest_of(bound: dict[str, Any]) -> bytes:
    """The WebAuthn challenge for what it is bound to (profile §3, RFC 8785)."""
    return sha256(b"upstile/1\x00" + rfc8785.dumps(bound)).digest()


def main() -> int:
    parser = argparse.ArgumentParser(description="Drive a live server by the wire protocol alone.")
    parser.add_argument("url")
    parser.add_argument("username", nargs="?", default="ada")
    parser.add_argument("password", nargs="?", default="correct horse")
    parser.add_argument("--client-id", default="bank-cli")
    parser.add_argument("--clock-url", default="")
    said = parser.parse_args()
    wire = Wire(said.url, said.clock_url)
    try:
        Story(wire, said.client_id, said.username, said.password).tell()
    except Broken as broken:
        sys.stdout.write(f"BROKEN: {broken}\n")
    except (LookupError, TypeError, ValueError, AttributeError, httpx.HTTPError) as error:
        came = f"{type(error).__name__}: {error}, after {wire.last}"
        sys.stdout.write(f"BROKEN: expected an answer that the profile describes; came {came}\n")
    else:
        sys.stdout.write("everything held\n")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
