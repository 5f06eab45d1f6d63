"""Speaks the wire profile to the bank in process, step by step, so that a test can do any of the steps wrong."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI
from webauthn.helpers import base64url_to_bytes, encode_cbor

from examples.bank.api import create_app
from support.clocks import NOON as NOON
from support.clocks import Clock
from support.clocks import SettableClock as SettableClock
from support.totp import code_at, seed_in
from upstile.protocol import (
    ACCESS_TOKEN_TYPE,
    base64url_encode,
    code_challenge,
    create_proof,
    es256_jwk,
    jwk_thumbprint,
    parse_challenges,
)

URL = "http://localhost:8000"


@dataclass
class Started:
    """A ceremony: its verifier, and the last reply."""

    verifier: str
    reply: httpx.Response

    @property
    def auth_session(self) -> str:
        """The newest session."""
        return str(self.reply.json()["auth_session"])

    def offer(self, method: str) -> dict[str, Any]:
        """What the step offers for a method."""
        offers: list[dict[str, Any]] = self.reply.json()["authn_methods"]
        return next(offer for offer in offers if offer["method"] == method)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def thumbprint(key: ec.EllipticCurvePrivateKey) -> str:
    """Its RFC 7638 thumbprint."""
    return jwk_thumbprint(es256_jwk(key.public_key()))


@dataclass
class WireApp:
    """One installation of the app: its key, its token, its enrolled authenticators."""

    http: httpx.AsyncClient
    clock: Clock
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    client_id: str = "bank-cli"
    token: str = ""
    seed: bytes = b""
    passkey: "Passkey | None" = None
    url: str = URL

    def proof(self, method: str, path: str, token: str | None = None, **changed: Any) -> str:
        """A DPoP proof for one request."""
        members: dict[str, Any] = {
            "htm": method,
            "htu": self.url + path,
            "now": self.clock(),
            "jti": token_urlsafe(),
            "access_token": token,
        }
        return create_proof(self.key, **{**members, **changed})

    async def call(self, method: str, path: str, *, token: str | None = None, **request: Any) -> httpx.Response:
        """A request with token and proof; `token=""` sends none."""
        presented = self.token if token is None else token
        headers = {"Authorization": f"DPoP {presented}", "DPoP": self.proof(method, path, presented)}
        return await self.http.request(method, path, headers=headers if presented else {}, **request)

    async def post(self, path: str, form: Mapping[str, Any], **changed: Any) -> httpx.Response:
        """A form with a proof, as the authorization server wants it."""
        return await self.http.post(path, data=form, headers={"DPoP": self.proof("POST", path, **changed)})

    async def sign_in(self, username: str = "ada", password: str = "correct horse") -> str:
        """Sign in, keep the base token."""
        body = {"username": username, "password": password}
        headers = {"DPoP": self.proof("POST", "/login")}
        reply = await self.http.post("/login", json=body, headers=headers)
        self.token = reply.json()["access_token"]
        return self.token

    async def enroll_totp(self, name: str = "phone", **extra: Any) -> httpx.Response:
        """Enrol an authenticator app; its seed is kept. The clock moves one step, so that a fresh code is there."""
        reply = await self.call("POST", "/stepup/authenticators", json={"method": "totp", "name": name, **extra})
        if reply.status_code != 201:
            return reply
        code = self.first_code(reply.json()["otpauth_uri"])
        verified = await self.call("POST", f"/stepup/authenticators/{reply.json()['id']}/verify", json={"otp": code})
        self.clock.now += 30
        return verified

    async def enroll_passkey(self, token: str | None = None) -> httpx.Response:
        """Enrol a software passkey."""
        wanted = {"method": "webauthn", "name": "blue key"}
        reply = await self.call("POST", "/stepup/authenticators", token=token, json=wanted)
        if reply.status_code != 201:
            return reply
        self.passkey = Passkey()
        path = f"/stepup/authenticators/{reply.json()['id']}/verify"
        response = self.passkey.register(reply.json()["options"])
        return await self.call("POST", path, token=token, json={"registration_response": response})

    def first_code(self, key_uri: str) -> str:
        """The authenticator app takes over the seed of a key URI and shows its first code."""
        self.seed = seed_in(parse_qs(urlsplit(key_uri).query)["secret"][0])
        return self.code()

    def code(self, steps: int = 0) -> str:
        """The authenticator app's code, now or some steps away."""
        return code_at(self.seed, int(self.clock()) // 30 + steps)

    def start_form(self, verifier: str, **changed: Any) -> dict[str, Any]:
        """The form of a start; a member that is changed to `None` is left out."""
        form: dict[str, Any] = {
            "response_type": "code",
            "client_id": self.client_id,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
            "acr_values": "mfa",
            "max_age": "300",
            "scope": "payments",
            "resource": self.url,
            "subject_token": self.token,
            "subject_token_type": ACCESS_TOKEN_TYPE,
            "authn_methods_supported": "webauthn totp",
        }
        return {name: value for name, value in {**form, **changed}.items() if value is not None}

    async def start(self, **changed: Any) -> Started:
        """Start a ceremony."""
        verifier = token_urlsafe(48)
        return Started(verifier, await self.post("/stepup/challenge", self.start_form(verifier, **changed)))

    def answer_form(self, started: Started, **members: Any) -> dict[str, Any]:
        """The form of an answer."""
        form = {"client_id": self.client_id, "auth_session": started.auth_session, "authn_method": "totp"}
        return {**form, **members}

    async def answer(self, started: Started, **members: Any) -> httpx.Response:
        """Answer a step; a step in reply becomes the ceremony's newest."""
        reply = await self.post("/stepup/challenge", self.answer_form(started, **members))
        if reply.status_code == 403:
            started.reply = reply
        return reply

    async def assert_passkey(self, started: Started, passkey: "Passkey | None" = None, **how: Any) -> httpx.Response:
        """Answer with the passkey."""
        passkey = passkey or self.passkey
        assert passkey is not None
        response = passkey.sign(started.offer("webauthn")["options"], **how)
        return await self.answer(started, authn_method="webauthn", authn_response=json.dumps(response))

    def token_form(self, started: Started, code: str, /, **changed: Any) -> dict[str, Any]:
        """The form of a token request."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": started.verifier}
        return {**form, "client_id": self.client_id, **changed}

    async def redeem(self, started: Started, code: str, /, **changed: Any) -> httpx.Response:
        """Redeem a code."""
        return await self.post("/stepup/token", self.token_form(started, code, **changed))

    async def elevate(self, **changed: Any) -> str:
        """A whole TOTP ceremony; the clock moves one step afterwards."""
        started = await self.start(**changed)
        assert started.reply.status_code == 403, started.reply.text
        if self.passkey is not None:
            reply = await self.assert_passkey(started)
        else:
            reply = await self.answer(started, otp=self.code())
        assert reply.status_code == 200, reply.text
        token = await self.redeem(started, reply.json()["authorization_code"])
        assert token.status_code == 200, token.text
        self.clock.now += 30
        return str(token.json()["access_token"])


@asynccontextmanager
async def bank_app(folder: Path, clock: SettableClock | None = None) -> AsyncGenerator[WireApp]:
    """The app against a fresh bank in process; nobody is signed in yet."""
    clock = clock or SettableClock()
    bank: FastAPI = create_app(url=URL, storage=f"sqlite:///{folder / 'bank.db'}", clock=clock)
    async with bank.router.lifespan_context(bank):
        transport = httpx.ASGITransport(bank, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            yield WireApp(http, clock)


@asynccontextmanager
async def enrolled_app(folder: Path) -> AsyncGenerator[WireApp]:
    """The app, signed in, with an authenticator app enrolled."""
    async with bank_app(folder) as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        yield app


async def with_passkey(app: WireApp) -> None:
    """Enrol a passkey beside the authenticator app."""
    token = await app.elevate(scope="authenticators", max_age="60")
    assert (await app.enroll_passkey(token)).status_code == 200


def error_of(response: httpx.Response) -> str | None:
    """The error of the response's only challenge."""
    (line,) = response.headers.get_list("www-authenticate")
    (challenge,) = parse_challenges(line)
    return challenge.params.get("error")


def problem_of(response: httpx.Response) -> str:
    """The name of the response's problem."""
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["type"]).removeprefix("urn:upstile:problem:")


async def heard(app: WireApp) -> None:
    """Wait until the app's server has heard that its token was ended by another process."""
    with anyio.fail_after(10):
        while (await app.call("GET", "/balance")).status_code == 200:
            await anyio.sleep(0.05)


class Passkey:
    """A software passkey that answers with the JSON forms of WebAuthn, and can be told to lie."""

    def __init__(self) -> None:
        self.key = new_key()
        self.id = token_urlsafe(16).encode()
        self.count = 0
        self.handle = b""

    def register(self, options: Mapping[str, Any], *, flags: int = 0x45, **client: Any) -> dict[str, Any]:
        """The `RegistrationResponseJSON` with a `none` attestation; flags: UP, UV and attested data.

        `client` are members of the client data that are lies.
        """
        self.handle = base64url_to_bytes(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        cose = encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        attested = b"\x00" * 16 + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data(options["rp"]["id"], flags) + attested
        statement = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = _client_data("webauthn.create", options["challenge"], URL, **client)
        return self._response({"clientDataJSON": client_data, "attestationObject": statement})

    def sign(self, options: Mapping[str, Any], *, origin: str = URL, flags: int = 0x05, **lies: Any) -> dict[str, Any]:
        """The `AuthenticationResponseJSON`; flags: UP and UV."""
        self.count = lies.get("count", self.count + 1)
        data = self._data(lies.get("rp_id", options["rpId"]), flags)
        client_data = _client_data(
            "webauthn.get", lies.get("challenge", options["challenge"]), origin, **lies.get("client", {})
        )
        signature = self.key.sign(data + sha256(client_data).digest(), ec.ECDSA(SHA256()))
        members = {"clientDataJSON": client_data, "authenticatorData": data, "signature": signature}
        return self._response({**members, "userHandle": lies.get("handle", self.handle)})

    def _data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _response(self, members: Mapping[str, bytes]) -> dict[str, Any]:
        id = base64url_encode(self.id)
        response = {name: base64url_encode(value) for name, value in members.items()}
        return {"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {}}


def _client_data(type_: str, challenge: str, origin: str, **more: Any) -> bytes:
    return json.dumps({"type": type_, "challenge": challenge, "origin": origin, "crossOrigin": False, **more}).encode()
