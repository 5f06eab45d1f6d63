"""What goes over the wire: keys and proofs, requests, and what every answer of its kind has to be."""

import json
import re
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

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
