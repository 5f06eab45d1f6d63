"""What verifying costs: a token, a proof, a whole guard."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWK

from benchmarks.interleaved import measure, ratio
from benchmarks.table import Row
from upstile.protocol import base64url_decode, create_proof, es256_jwk, jwk_thumbprint, token_hash
from upstile.server import Issuer, JWTVerifier, Requirement, VerificationKeys
from upstile.server._http import HttpRequest
from upstile.server._replay import ReplaySet
from upstile.server.resource._guard import Guard
from upstile.server.resource._refusal import Refusals
from upstile.server.resource._token_cache import TokenCache
from upstile.server.storage import Revocations, SqliteEphemeralStore

URL = "https://api.example.com"
ISSUER = Issuer(identifier=URL, satisfies={"phr": {"mfa"}}, marks_single_use=True)
POOL = 500


@dataclass(frozen=True)
class Tokens:
    """Distinct tokens of one key, and three ways to check them."""

    alg: str
    key: Any
    jwk: dict[str, Any]
    texts: list[str]

    @classmethod
    def make(cls, alg: str, **claims: Any) -> "Tokens":
        """A pool of tokens."""
        key = (
            ec.generate_private_key(ec.SECP256R1())
            if alg == "ES256"
            else rsa.generate_private_key(65537, key_size=2048)
        )
        jwk = jwt.get_algorithm_by_name(alg).to_jwk(key.public_key(), as_dict=True)
        jwk |= {"kid": "k", "alg": alg, "use": "sig"}
        texts = [_token(alg, key, **claims) for _ in range(POOL)]
        return cls(alg, key, jwk, texts)

    def signatures(self) -> list[tuple[bytes, bytes]]:
        """Signing input and signature of each, as the bare check wants them."""
        pairs: list[tuple[bytes, bytes]] = []
        for text in self.texts:
            signing_input, _, signature = text.rpartition(".")
            raw = base64url_decode(signature)
            if self.alg == "ES256":
                raw = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            pairs.append((signing_input.encode(), raw))
        return pairs


def verify_rows(rounds: int) -> Iterator[Row]:
    """A token seen for the first time, and again."""
    for alg, target in (("ES256", 1.25), ("RS256", 1.5)):
        tokens = Tokens.make(alg)
        keys = VerificationKeys([tokens.jwk])
        now = time()

        def fresh(keys: VerificationKeys = keys) -> JWTVerifier:
            return JWTVerifier(issuer=ISSUER, audience=frozenset({URL}), keys=lambda: keys, cache=TokenCache())

        known = fresh()
        for text in tokens.texts:
            known.verify(text, now)
        public, pyjwk = tokens.key.public_key(), PyJWK.from_dict(tokens.jwk)
        signatures = tokens.signatures()

        def bare(times: int, signatures: Any = signatures, public: Any = public, alg: str = alg) -> None:
            for signing_input, signature in signatures[:times]:
                if alg == "ES256":
                    public.verify(signature, signing_input, ec.ECDSA(SHA256()))
                else:
                    public.verify(signature, signing_input, padding.PKCS1v15(), SHA256())

        def ours(times: int, tokens: Tokens = tokens, fresh: Any = fresh, now: float = now) -> None:
            verifier = fresh()
            for text in tokens.texts[:times]:
                verifier.verify(text, now)

        def again(times: int, tokens: Tokens = tokens, known: JWTVerifier = known, now: float = now) -> None:
            for text in tokens.texts[:times]:
                known.verify(text, now)

        def pyjwt(times: int, tokens: Tokens = tokens, pyjwk: PyJWK = pyjwk, alg: str = alg) -> None:
            for text in tokens.texts[:times]:
                jwt.decode(text, pyjwk, algorithms=[alg], audience=URL, issuer=URL)

        seconds = measure({"bare": bare, "ours": ours, "again": again, "pyjwt": pyjwt}, times=200, rounds=rounds)
        yield Row(f"verify a token, {alg}, new", "bare signature check", ratio(seconds, "ours", "bare"), target)
        yield Row(f"  PyJWT {jwt.__version__}", "bare signature check", ratio(seconds, "pyjwt", "bare"), None)
        yield Row(f"verify a token, {alg}, seen before", "bare signature check", ratio(seconds, "again", "bare"), 0.1)


def guard_rows(rounds: int) -> Iterator[Row]:
    """The whole guard on a verified token, as bearer and bound to a key."""
    with TemporaryDirectory() as folder:
        yield from asyncio.run(_guard_rows(Path(folder), rounds))


async def _guard_rows(folder: Path, rounds: int) -> list[Row]:
    key = ec.generate_private_key(ec.SECP256R1())
    jkt = jwk_thumbprint(es256_jwk(key.public_key()))
    store = SqliteEphemeralStore(str(folder / "state.db"))
    await store.prepare()
    bearer, bound = Tokens.make("ES256"), Tokens.make("ES256", cnf={"jkt": jkt})
    recent = Requirement(acr="mfa", max_age=300)
    guards = {"bearer": _guard(bearer, store), "bound": _guard(bound, store)}
    call = HttpRequest(method="GET", path="/x", headers=[(b"authorization", f"Bearer {bearer.texts[0]}".encode())])
    now = time()

    def proofs() -> Iterator[HttpRequest]:
        text = bound.texts[0]
        while True:
            proof = create_proof(key, htm="GET", htu=URL + "/x", now=now, jti=token_urlsafe(8), access_token=text)
            yield HttpRequest(
                method="GET",
                path="/x",
                headers=[(b"authorization", f"DPoP {text}".encode()), (b"dpop", proof.encode())],
            )

    calls = proofs()
    pool = [next(calls) for _ in range(200 * (rounds + 2))]
    unused = iter(pool)
    signed = cycle([request.headers[1][1].decode() for request in pool[:200]])

    async def admit(guard: Guard, request: HttpRequest) -> None:
        await guard.require(await guard.authenticate(request, now), recent, now)

    def run(guard: Guard, request: HttpRequest) -> None:
        coroutine = admit(guard, request)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        raise RuntimeError("the guard waited")

    def ours(times: int) -> None:
        for _ in range(times):
            run(guards["bearer"], call)

    def with_proof(times: int) -> None:
        for _ in range(times):
            run(guards["bound"], next(unused))

    public = key.public_key()

    def bare(times: int) -> None:
        for _ in range(times):
            signing_input, _, signature = next(signed).rpartition(".")
            raw = base64url_decode(signature)
            der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            public.verify(der, signing_input.encode(), ec.ECDSA(SHA256()))

    def by_hand(times: int) -> None:
        for _ in range(times):
            proof = next(signed)
            jwk = PyJWK.from_dict(jwt.get_unverified_header(proof)["jwk"] | {"alg": "ES256"})
            claims = jwt.decode(proof, jwk, algorithms=["ES256"])
            if claims["ath"] != token_hash(bound.texts[0]):
                raise RuntimeError("ath")

    work = {"bare": bare, "ours": ours, "with_proof": with_proof, "by_hand": by_hand}
    seconds = measure(work, times=200, rounds=rounds)
    await store.aclose()
    microseconds = sorted(seconds["ours"])[len(seconds["ours"]) // 2] * 1e6
    return [
        Row("require on a verified token", "bare ECDSA check", ratio(seconds, "ours", "bare"), None),
        Row("  the same, in µs", "5 µs", microseconds / 5, 1.0),
        Row("a DPoP-bound call, whole guard", "bare ECDSA check", ratio(seconds, "with_proof", "bare"), 1.25),
        Row("  PyJWT by hand, proof only", "bare ECDSA check", ratio(seconds, "by_hand", "bare"), None),
    ]


def _guard(tokens: Tokens, store: SqliteEphemeralStore) -> Guard:
    keys = VerificationKeys([tokens.jwk])
    return Guard(
        verifier=JWTVerifier(issuer=ISSUER, audience=frozenset({URL}), keys=lambda: keys),
        url=URL,
        refusals=Refusals(realm="benchmark", resource_metadata=URL),
        replays=ReplaySet(),
        revocations=Revocations(store, refresh_every=3600),
        store=store,
    )


def _token(alg: str, key: Any, **claims: Any) -> str:
    now = int(time())
    standard = {"iss": URL, "aud": URL, "sub": "ada", "client_id": "cli", "iat": now, "exp": now + 3600}
    members = {**standard, "jti": token_urlsafe(16), "scope": "payments", "acr": "mfa", "amr": ["pwd", "otp", "mfa"]}
    return jwt.encode({**members, "auth_time": now, **claims}, key, alg, headers={"typ": "at+jwt", "kid": "k"})
