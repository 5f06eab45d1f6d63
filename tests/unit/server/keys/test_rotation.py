"""Rotation of signing keys: nodes with clocks of their own, one store, and no token that is refused."""

import asyncio
import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

import jwt
import pytest

from support.memory_ledger import MemoryLedger
from upstile.protocol import base64url_decode
from upstile.server.keys._rotation import PUBLISHED_AHEAD, ROTATED_AFTER, VERIFIES_AFTER
from upstile.server.keys._seal import Seal
from upstile.server.keys._secret_keys import new_key
from upstile.server.keys._signing import SigningKeys
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._jwt import SignedTokens
from upstile.server.resource.tokens._keys import VerificationKeys
from upstile.server.resource.tokens._verifier import InvalidToken, verify_or_look

ISSUER = "https://bank.example"
NOW = 1_800_000_000
HOUR = 3600
BASE_LOGIN = 12 * HOUR


def claims(now: float, life: int = BASE_LOGIN) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": "ada",
        "client_id": "cli",
        "jti": "1",
        "iat": int(now),
        "exp": int(now) + life,
    }


def kid_of(token: str) -> str:
    return str(json.loads(base64url_decode(token.partition(".")[0]))["kid"])


@dataclass
class Node:
    """One process: its clock is `skew` seconds off, and it looks at the store `after` seconds into each minute."""

    ledger: MemoryLedger
    seal: Seal
    skew: float = 0
    after: float = 0
    ticks: bool = True
    signing: SigningKeys = field(init=False)
    verifier: SignedTokens = field(init=False)

    def __post_init__(self) -> None:
        self.signing = SigningKeys(self.ledger, self.seal, ISSUER)
        self.verifier = SignedTokens(
            issuer=Issuer(identifier=ISSUER),
            audience=frozenset({ISSUER}),
            keys=self.signing.verification,
            leeway=60,
            look=self.signing.look,
        )

    async def start(self, now: float) -> "Node":
        await self.signing.prepare(now + self.skew)
        return self

    async def tick(self, now: float) -> None:
        if self.ticks and now % 60 >= self.after:
            await self.signing.tick(now + self.skew)

    def sign(self, now: float) -> str:
        return self.signing.sign(claims(now + self.skew), now + self.skew)

    async def verify(self, token: str, now: float) -> None:
        """As the careful path does: a `kid` that is not known is looked for."""
        await verify_or_look(self.verifier, token, now + self.skew)


async def three_nodes(ledger: MemoryLedger, *, ticks: bool = True) -> list[Node]:
    seal = Seal([new_key()])
    places = [(-5, 0, True), (0, 20, True), (5, 40, ticks)]
    nodes = [Node(ledger, seal, skew, after, ticking) for skew, after, ticking in places]
    await asyncio.gather(*(node.start(NOW) for node in nodes))
    return nodes


def test_during_rotations_no_token_is_refused_by_any_node() -> None:
    async def run() -> None:
        ledger, chance = MemoryLedger(), Random(7)  # noqa: S311 - no secret
        nodes = await three_nodes(ledger, ticks=False)
        alive: list[tuple[float, str]] = []
        kids: set[str] = set()
        cached = VerificationKeys(nodes[0].signing.jwks()["keys"])
        ours = Issuer(identifier=ISSUER)
        outside = SignedTokens(issuer=ours, audience=frozenset({ISSUER}), keys=lambda: cached, leeway=60)
        for step in range(40 * HOUR // 20):
            now = NOW + step * 20
            await asyncio.gather(*(node.tick(now) for node in nodes))
            if step % (10 * HOUR // 20) == 100:
                await nodes[step % 2].signing.rotate(now + nodes[step % 2].skew)
            # Every 20 s around a rotation and its turn, else now and then.
            if step % (10 * HOUR // 20) < 160 or step % 50 == 0:
                signed = [node.sign(now) for node in nodes]
                alive = [(until, token) for until, token in alive if until > now]
                alive += [(now + BASE_LOGIN - 10, token) for token in signed]
                if step % 15 == 0:  # somebody else's API, which fetches our JWK Set every five minutes
                    cached = VerificationKeys(nodes[0].signing.jwks()["keys"])
                for token in signed:
                    outside.verify(token, now + 10)
                for token in (*signed, chance.choice(alive)[1], alive[0][1]):
                    await asyncio.gather(*(node.verify(token, now) for node in nodes))
                kids |= {kid_of(token) for token in signed}
        assert len(kids) == 5
        assert len(ledger.keys) <= 3

    asyncio.run(run())


def test_a_node_that_has_not_seen_a_new_key_looks_once_and_finds_it() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        nodes = await three_nodes(ledger)
        await nodes[0].signing.rotate(NOW)
        later = NOW + PUBLISHED_AHEAD + 10
        token = nodes[0].sign(later)
        before = ledger.calls["change_signing_keys"]
        await asyncio.gather(*(nodes[2].verify(token, later) for _ in range(50)))
        await nodes[2].verify(nodes[0].sign(later), later)
        assert ledger.calls["change_signing_keys"] - before == 1

    asyncio.run(run())


def test_invented_names_make_a_node_read_at_most_once_a_second() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        [node, *_] = await three_nodes(ledger)
        before = ledger.calls["change_signing_keys"]
        for tenth in range(100):
            tokens = [f"{tenth:02}{number:041}" for number in range(10)]
            found = await asyncio.gather(*(node.signing.look(kid, NOW + tenth / 10) for kid in tokens))
            assert not any(found)
        assert ledger.calls["change_signing_keys"] - before == 10
        assert not await node.signing.look("no thumbprint", NOW + 100)
        assert ledger.calls["change_signing_keys"] - before == 10

    asyncio.run(run())


def test_after_a_clock_was_set_back_a_look_is_possible_again() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        nodes = await three_nodes(ledger)
        await nodes[2].signing.look("x" * 43, NOW + HOUR)
        await nodes[0].signing.rotate(NOW)
        assert await nodes[2].signing.look(ledger.keys[0].kid, NOW)

    asyncio.run(run())


def test_who_hangs_up_ends_nobody_elses_look() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        nodes = await three_nodes(ledger)
        await nodes[0].signing.rotate(NOW)
        kid = ledger.keys[0].kid
        impatient = asyncio.create_task(nodes[2].signing.look(kid, NOW))
        patient = asyncio.create_task(nodes[2].signing.look(kid, NOW))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient

    asyncio.run(run())


def test_a_key_that_is_gone_takes_its_tokens_with_it() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        nodes = await three_nodes(ledger)
        forever = nodes[0].signing.sign(claims(NOW, life=ROTATED_AFTER), NOW)
        await nodes[0].signing.rotate(NOW)
        end = NOW + PUBLISHED_AHEAD + VERIFIES_AFTER
        await nodes[1].tick(end - 10)
        await nodes[1].verify(forever, end - 10)
        for node in nodes:
            await node.signing.tick(end + 60)
            with pytest.raises(InvalidToken, match="no key of the issuer"):
                await node.verify(forever, end + 60)
            assert [key["kid"] for key in node.signing.jwks()["keys"]] == [ledger.keys[0].kid]

    asyncio.run(run())


def test_a_new_key_is_published_ten_minutes_before_it_signs() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        [node, *_] = await three_nodes(ledger)
        old = kid_of(node.sign(NOW))
        await node.signing.rotate(NOW)
        [new, _] = [key["kid"] for key in node.signing.jwks()["keys"]]
        signed = [kid_of(node.signing.sign(claims(at), at)) for at in (NOW, NOW + 599, NOW + 600)]
        assert signed == [old, old, new] != [new, new, new]
        assert all("d" not in key for key in node.signing.jwks()["keys"])

    asyncio.run(run())


def test_rotations_at_once_make_one_new_key() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        nodes = await three_nodes(ledger)
        await asyncio.gather(*(node.signing.rotate(NOW + node.skew) for node in nodes * 5))
        assert len(ledger.keys) == 2
        old_enough = NOW + ROTATED_AFTER + PUBLISHED_AHEAD + 30
        await asyncio.gather(*(node.signing.tick(old_enough + node.skew) for node in nodes))
        assert len({key.kid for key in ledger.keys}) == len(ledger.keys) == 2

    asyncio.run(run())


def test_of_many_first_starts_one_makes_the_key_and_it_signs_at_once() -> None:
    async def run() -> None:
        ledger, seal = MemoryLedger(), Seal([new_key()])
        nodes = [Node(ledger, seal, skew=skew) for skew in range(-5, 6)]
        await asyncio.gather(*(node.start(NOW) for node in nodes))
        assert {kid_of(node.sign(NOW)) for node in nodes} == {key.kid for key in ledger.keys}
        assert len(ledger.keys) == 1

    asyncio.run(run())


def test_a_key_is_replaced_by_age_only_if_the_deployment_wants_it() -> None:
    async def run() -> None:
        ledger, seal = MemoryLedger(), Seal([new_key()])
        aged = SigningKeys(ledger, seal, ISSUER, rotate_after=86_400)
        never = SigningKeys(ledger, seal, ISSUER, rotate_after=None)
        await aged.prepare(NOW)
        await never.prepare(NOW)
        await aged.tick(NOW + 86_399)
        await never.tick(NOW + 900_000)
        assert len(ledger.keys) == 1
        await aged.tick(NOW + 86_460)
        assert len(ledger.keys) == 2

    asyncio.run(run())


def test_the_tokens_are_what_pyjwt_reads() -> None:
    async def run() -> None:
        [node, *_] = await three_nodes(MemoryLedger())
        signed = node.signing.sign({**claims(NOW), "sub": "Ådâ \u0000\u2028"}, NOW)
        key = jwt.PyJWK.from_dict(node.signing.jwks()["keys"][0])
        options: Any = {"verify_exp": False, "verify_iat": False}
        read = jwt.decode(signed, key, algorithms=["ES256"], audience=ISSUER, options=options)
        assert read == {**claims(NOW), "sub": "Ådâ \u0000\u2028"}
        assert jwt.get_unverified_header(signed) == {"alg": "ES256", "typ": "at+jwt", "kid": kid_of(signed)}

    asyncio.run(run())
