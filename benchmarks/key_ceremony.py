"""A whole step-up with a security key at the server. What the key does is the app's, and is not timed."""

import asyncio
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import process_time
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.ceremony import AUTHENTICATORS, TIMES, URL, Ceremony, CeremonyApp, limit
from benchmarks.interleaved import ratio
from benchmarks.table import Row
from upstile.client import WebAuthn
from upstile.client.methods import Moment
from upstile.client.testing import ScriptedPrompter, VirtualKey
from upstile.protocol import EnrollResponse, Step
from upstile.server._http import HttpResponse
from upstile.server.authorization.ceremony._overload import Overload


class KeyApp(CeremonyApp):
    """The app of somebody with a security key."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        key = VirtualKey(pin="2468", algorithms=[-7])
        self._device = WebAuthn(devices=lambda: [key])
        self._moment = Moment(prompter=ScriptedPrompter(pin="2468"), cancel=Event(), webauthn_origin=URL)

    async def enroll(self) -> None:
        """Sign in and enrol the key."""
        await self.sign_in()
        pending = EnrollResponse.from_members(await self.call(AUTHENTICATORS, {"method": "webauthn", "name": "key"}))
        proof = dict(self._device.enroll(pending, self._moment))
        await self.call(f"{AUTHENTICATORS}/{{id}}/verify", proof, id=pending.id)

    def signed(self, reply: HttpResponse) -> bytes:
        """The form that answers a step."""
        step = Step.from_json(reply.body)
        (offer,) = step.authn_methods
        answer = self._device.answer(offer, self._moment)
        form = {"client_id": "cli", "authn_method": "webauthn", "auth_session": step.auth_session, **answer}
        return "&".join(f"{name}={quote(str(value))}" for name, value in form.items()).encode()


def key_rows(rounds: int) -> Iterator[Row]:
    """Begun, then signed, then finished: the key's own work would leave the caches cold."""
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    bare = _limit()
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        app = KeyApp(f"sqlite:///{Path(folder) / 'state.db'}")
        Overload.lets_in = lambda _: True  # type: ignore[method-assign, assignment]
        runner.run(app.enroll())
        for _ in range(rounds + 1):
            app.now += 600  # a key has ten starts in ten minutes; a step waits for five
            due = [app.prepared("phr", apart=20) for _ in range(TIMES)]
            began = process_time()
            replies = runner.run(_begun(due))
            took = process_time() - began
            answers = [app.signed(reply) for reply in replies]
            bare(TIMES)  # warm again
            began = process_time()
            runner.run(_finished(due, answers))
            seconds["ours"].append((took + process_time() - began) / TIMES)
            began = process_time()
            bare(TIMES)
            seconds["bare"].append((process_time() - began) / TIMES)
        runner.run(app.server._deployment.aclose())
    kept = {name: values[1:] for name, values in seconds.items()}  # the first round warmed up
    beside = "its three proofs, the assertion, one signature, hashes"
    yield Row("a whole security-key step-up at the server", beside, ratio(kept, "ours", "bare"), 5.7)


async def _begun(due: list[Ceremony]) -> list[HttpResponse]:
    return [await ceremony.begin() for ceremony in due]


async def _finished(due: list[Ceremony], answers: list[bytes]) -> None:
    for ceremony, answer in zip(due, answers, strict=True):
        await ceremony.finish(answer)


def _limit() -> Any:
    """What a TOTP step-up cannot do without, and the assertion's own signature and hash."""
    others, key, message = limit(), ec.generate_private_key(ec.SECP256R1()), b"m" * 100
    public, signature = key.public_key(), key.sign(message, ec.ECDSA(SHA256()))

    def bare(times: int) -> None:
        others(times)
        for _ in range(times):
            sha256(message).digest()
            public.verify(signature, message, ec.ECDSA(SHA256()))

    return bare
