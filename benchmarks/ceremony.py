"""What the embedded authorization server adds to the cryptography that a ceremony cannot do without."""

import asyncio
import hmac
import json
from base64 import b32decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha1, sha256
from itertools import cycle
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from threading import Event
from time import process_time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn import verify_authentication_response

from benchmarks.interleaved import measure, ratio
from benchmarks.table import Row
from upstile.client import WebAuthn as ClientWebAuthn
from upstile.client.methods import Moment
from upstile.client.testing import ScriptedPrompter, VirtualKey
from upstile.protocol import (
    ACCESS_TOKEN_TYPE,
    FORM_TYPE,
    AnswerRequest,
    EnrollResponse,
    VerifyRequest,
    base64url_decode,
    code_challenge,
    create_proof,
    serialize_form,
)
from upstile.server import App
from upstile.server._http import HttpRequest, HttpResponse
from upstile.server.authorization.ceremony._overload import Overload
from upstile.server.authorization.methods import MethodContext, Purpose, Secrets, Wanted, WebAuthn
from upstile.server.fastapi import StepUp
from upstile.server.keys._seal import Seal
from upstile.server.keys._secret_keys import new_key
from upstile.server.storage import AuthenticatorRecord, User

URL = "http://localhost:8000"
NOON = 1_800_000_000.0
APART = 61.0
"""Seconds between two ceremonies: the clock is moved, so that there is a fresh code and the budget of starts lasts."""
TIMES = 10
_ES256 = ec.ECDSA(SHA256())
_START, _TOKEN, AUTHENTICATORS = "/stepup/challenge", "/stepup/token", "/stepup/authenticators"


def ceremony_rows(rounds: int) -> Iterator[Row]:
    """One answer of a security key, and a whole TOTP step-up."""
    yield from _webauthn_rows(rounds)
    yield from _totp_rows(rounds)


def _webauthn_rows(rounds: int) -> Iterator[Row]:
    """What judging an assertion costs beside the signature and the hash in it."""
    secrets = Secrets(Seal([new_key().decode()]))
    context = MethodContext(issuer=URL, name="Bank", rp_id="localhost", webauthn_origins=[URL], secrets=secrets)
    method = WebAuthn().bind(context)
    moment = Moment(prompter=ScriptedPrompter(pin="2468"), cancel=Event(), webauthn_origin=URL)
    key = VirtualKey(pin="2468", algorithms=[-7])
    device, user = ClientWebAuthn(devices=lambda: [key]), User(URL, "ada")
    new = asyncio.run(method.enroll(Wanted(user=user, id="a", account="ada")))
    pending = EnrollResponse(id="a", state="pending", **new.members)
    proof = VerifyRequest.from_members(dict(device.enroll(pending, moment)))
    record = AuthenticatorRecord(id="a", method="webauthn", name="key", state="pending", created=0, data=new.data)
    kept = asyncio.run(method.confirm(user, record, method.read_first(proof), NOON))
    if kept is None:
        raise RuntimeError("the key was not enrolled")
    enrolled = [replace(record, state="active", data=kept.data, counter=kept.counter)]
    purpose = Purpose(client_id="cli", jkt=None, resource=URL)
    answers: list[tuple[AnswerRequest, Mapping[str, Any]]] = []
    for _ in range(20):
        offered = method.offer(enrolled, purpose, user_verification=True, before={})
        form = {"client_id": "cli", "auth_session": "s", "authn_method": "webauthn"}
        answers.append((AnswerRequest(**form, **device.answer(offered.offers[0], moment)), offered.state))

    def ours(times: int) -> None:
        for answer, state in answers[:times]:
            try:
                method.verify(method.read(answer), state, user, enrolled, NOON).send(None)  # it waits for nothing
            except StopIteration as end:
                if end.value is None:
                    raise RuntimeError("not accepted") from None

    def library(times: int) -> None:
        for answer, state in answers[:times]:
            verify_authentication_response(
                credential=answer.authn_response or "",
                expected_challenge=base64url_decode(state["challenge"]),
                expected_rp_id="localhost",
                expected_origin=URL,
                credential_public_key=base64url_decode(str(kept.data["public_key"])),
                credential_current_sign_count=0,
            )

    seconds = measure({"ours": ours, "library": library, "bare": _bare_signature()}, times=20, rounds=rounds)
    yield Row("a security key's answer, judged", "bare ECDSA check and hash", ratio(seconds, "ours", "bare"), 2.5)
    yield Row("  py_webauthn by itself", "bare ECDSA check and hash", ratio(seconds, "library", "bare"), None)


def _bare_signature() -> Any:
    key, message = ec.generate_private_key(ec.SECP256R1()), token_urlsafe(100).encode()
    public, signature = key.public_key(), key.sign(message, _ES256)

    def bare(times: int) -> None:
        for _ in range(times):
            sha256(message).digest()
            public.verify(signature, message, _ES256)

    return bare


def _totp_rows(rounds: int) -> Iterator[Row]:
    """A whole TOTP step-up in process: start, answer, token."""
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        app = CeremonyApp(f"sqlite:///{Path(folder) / 'state.db'}")
        # While the others take their turn this loop stands still, which would look like a server that is overloaded.
        Overload.lets_in = lambda _: True  # type: ignore[method-assign, assignment]
        runner.run(app.enroll())
        due = iter([app.prepared() for _ in range(TIMES * (rounds + 1))])

        def ours(times: int) -> None:
            runner.run(run_all([next(due) for _ in range(times)]))

        seconds = measure({"ours": ours, "bare": limit()}, times=TIMES, rounds=rounds, clock=process_time)
        runner.run(app.server._deployment.aclose())
    beside = "its three proofs, one signature, hashes"
    yield Row("a whole TOTP step-up at the server", beside, ratio(seconds, "ours", "bare"), 5.1)


async def run_all(ceremonies: "list[Ceremony]") -> None:
    """One after the other."""
    for ceremony in ceremonies:
        await ceremony.run()


class CeremonyApp:
    """The app's side of the line; what it signs is signed before the clock of the benchmark runs."""

    def __init__(self, storage: str, one_time: str | None = None) -> None:
        self.now = NOON
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.server = StepUp.embedded(
            url=URL,
            storage=storage,
            one_time=one_time,
            secret_keys=[new_key()],
            clients=[App("cli", scopes={"payments"})],
            clock=lambda: self.now,
            allow_insecure_loopback=True,
        )
        self.routes = {route.path: route for route in self.server._deployment.routes}
        self.token, self.seed = "", b""

    async def sign_in(self) -> None:
        """Begin a base login."""
        sign_in = HttpRequest(method="POST", path="/login", headers=[self.proof("POST", "/login")])
        login = await self.server._deployment.own.start_session(
            "ada", amr=["pwd"], request=sign_in, client_id=None, account="ada@example.com"
        )
        self.token = login.access_token

    async def enroll(self) -> None:
        """Sign in and enrol an authenticator app."""
        await self.sign_in()
        pending = await self.call(AUTHENTICATORS, {"method": "totp", "name": "phone"})
        self.seed = b32decode(parse_qs(urlsplit(pending["otpauth_uri"]).query)["secret"][0])
        await self.call(f"{AUTHENTICATORS}/{{id}}/verify", {"otp": self.code()}, id=pending["id"])

    def prepared(self, acr: str = "mfa", apart: float = APART) -> "Ceremony":
        """The next ceremony, so many seconds later; nothing of it has been sent."""
        self.now += apart
        return Ceremony(self, acr)

    def code(self) -> str:
        """What the authenticator app shows."""
        mac = hmac.digest(self.seed, (int(self.now) // 30).to_bytes(8, "big"), "sha1")
        start = mac[-1] & 15
        return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"

    def proof(self, method: str, path: str, token: str | None = None) -> tuple[bytes, bytes]:
        """A DPoP header."""
        proof = create_proof(
            self.key, htm=method, htu=URL + path, now=self.now, jti=token_urlsafe(12), access_token=token
        )
        return b"dpop", proof.encode()

    async def call(self, path: str, body: Mapping[str, Any], **parameters: str) -> Any:
        actual = path.format(**parameters)
        headers = [
            (b"authorization", f"DPoP {self.token}".encode()),
            self.proof("POST", actual, self.token),
            (b"content-type", b"application/json"),
        ]
        request = HttpRequest(method="POST", path=actual, headers=headers, body=json.dumps(body).encode())
        return json.loads((await self.routes[path].answer(request, parameters)).body)


class Ceremony:
    """One step-up, with everything the app computes computed before: what it has to learn comes last in its forms."""

    def __init__(self, app: CeremonyApp, acr: str = "mfa") -> None:
        self._app, self._now = app, app.now
        verifier = token_urlsafe(48)
        self._proofs = [app.proof("POST", path) for path in (_START, _START, _TOKEN)]
        start = {
            "response_type": "code",
            "client_id": "cli",
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
            "acr_values": acr,
            "max_age": "300",
            "scope": "payments",
            "resource": URL,
            "subject_token": app.token,
            "subject_token_type": ACCESS_TOKEN_TYPE,
        }
        answer = {"client_id": "cli", "authn_method": "totp", "otp": app.code()}
        token = {"grant_type": "authorization_code", "code_verifier": verifier, "client_id": "cli"}
        self._start, self._answer, self._token = (serialize_form(form) for form in (start, answer, token))

    async def run(self) -> None:
        """Start, answer, redeem."""
        session = _member(await self.begin(), b"auth_session")
        await self.finish(self._answer + b"&auth_session=" + session)

    async def begin(self) -> HttpResponse:
        """Start."""
        self._app.now = self._now
        return await self._post(_START, self._start)

    async def finish(self, answer: bytes) -> None:
        """Answer, redeem."""
        self._app.now = self._now
        code = _member(await self._post(_START, answer), b"authorization_code")
        if (await self._post(_TOKEN, self._token + b"&code=" + code)).status != 200:
            raise RuntimeError("no token")

    async def _post(self, path: str, body: bytes) -> HttpResponse:
        headers = [(b"content-type", FORM_TYPE.encode()), self._proofs.pop(0)]
        return await self._app.routes[path].answer(
            HttpRequest(method="POST", path=path, headers=headers, body=body), {}
        )


def _member(response: HttpResponse, name: bytes) -> bytes:
    """A text in a reply, cut out: reading JSON is the app's work, not the server's."""
    return response.body.split(b'"' + name + b'":"', 1)[1].split(b'"', 1)[0]


def limit() -> Any:
    """The limit: three proofs are checked, one token is signed, verifier and code are hashed."""
    key = ec.generate_private_key(ec.SECP256R1())
    messages = cycle([token_urlsafe(300).encode() for _ in range(50)])
    public = key.public_key()
    signed = {message: key.sign(message, _ES256) for message in (next(messages) for _ in range(50))}

    def bare(times: int) -> None:
        for _ in range(times):
            for message in (next(messages), next(messages), next(messages)):
                public.verify(signed[message], message, _ES256)
            message = next(messages)
            key.sign(message, _ES256)
            for _ in range(2):
                sha256(message).digest()
                hmac.digest(message, message, sha1)

    return bare
