"""Signing keys that cannot be opened, and a store that is away."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from support.memory_ledger import MemoryLedger
from upstile.server import ConfigurationError, StorageUnavailable
from upstile.server.keys._configured import find_seal
from upstile.server.keys._seal import Seal
from upstile.server.keys._secret_keys import new_key
from upstile.server.keys._signing import REFRESH, SigningKeys
from upstile.server.storage._stores import DecideKeys

T = TypeVar("T")
CALLS_OF_TWO_STARTS = 3
ISSUER = "https://bank.example"
NOW = 1_800_000_000
OLD, NEW = new_key(), new_key()


async def started(ledger: MemoryLedger, *keys: bytes, issuer: str = ISSUER) -> SigningKeys:
    signing = SigningKeys(ledger, Seal(keys), issuer)
    await signing.prepare(NOW)
    return signing


def test_a_secret_key_that_is_gone_is_named_at_start_up() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        await started(ledger, OLD)
        with pytest.raises(ConfigurationError, match=f"signing-key that needs the secret key {Seal([OLD]).current}"):
            await started(ledger, NEW)
        await started(ledger, NEW, OLD)

    asyncio.run(run())


@pytest.mark.parametrize("where", ["kid", "issuer"])
def test_a_private_half_that_was_moved_does_not_open(where: str) -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        await started(ledger, OLD)
        if where == "kid":
            ledger.keys = [replace(ledger.keys[0], kid="x" * 43)]
        with pytest.raises(ConfigurationError, match="was changed, or moved"):
            await started(ledger, OLD, issuer=ISSUER if where == "kid" else "https://shop.example")

    asyncio.run(run())


def test_a_new_key_that_this_process_cannot_open_is_logged_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        behind = await started(ledger, OLD)
        before = behind.verification()
        await (await started(ledger, NEW, OLD)).rotate(NOW)
        await behind.tick(NOW + REFRESH)
        assert behind.verification() is before
        assert behind.sign({"iat": NOW}, NOW)

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert f"needs the secret key {Seal([NEW]).current}" in caplog.text


def test_while_the_store_is_away_the_known_keys_go_on_and_later_the_new_ones_come() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        one, other = await started(ledger, OLD), await started(ledger, OLD)
        await one.rotate(NOW)
        ledger.away = True
        with pytest.raises(StorageUnavailable):
            await other.tick(NOW + REFRESH)
        with pytest.raises(StorageUnavailable):
            await other.look(ledger.keys[0].kid, NOW + REFRESH)
        assert other.sign({"iat": NOW}, NOW + REFRESH)
        ledger.away = False
        await other.tick(NOW + 2 * REFRESH)
        assert len(other.jwks()["keys"]) == 2

    asyncio.run(run())


def test_what_did_not_change_is_the_same_object_so_that_remembered_tokens_stay() -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        signing = await started(ledger, OLD)
        before, calls = signing.verification(), ledger.calls["change_signing_keys"]
        for second in range(3 * REFRESH):
            await signing.tick(NOW + second)
        assert signing.verification() is before
        assert ledger.calls["change_signing_keys"] - calls == 2
        await signing.rotate(NOW)
        assert signing.verification() is not before

    asyncio.run(run())


def test_an_answer_that_was_overtaken_takes_no_key_away() -> None:
    class Slow(MemoryLedger):
        hold = False

        async def change_signing_keys(self, decide: DecideKeys[T]) -> T:
            held, self.hold = self.hold, False
            result = await super().change_signing_keys(decide)
            if held:
                await released.wait()
            return result

    async def run() -> None:
        one, other = await started(ledger, OLD), await started(ledger, OLD)
        ledger.hold = True
        late = asyncio.create_task(other.tick(NOW + REFRESH))
        while ledger.calls["change_signing_keys"] < CALLS_OF_TWO_STARTS + 1:
            await asyncio.sleep(0)
        await one.rotate(NOW)
        assert await other.look(ledger.keys[0].kid, NOW)
        released.set()
        await late
        assert len(other.jwks()["keys"]) == 2

    ledger, released = Slow(), asyncio.Event()
    asyncio.run(run())


def test_keys_that_were_not_loaded_say_so() -> None:
    signing = SigningKeys(MemoryLedger(), Seal([OLD]), ISSUER)
    for use in (lambda: signing.sign({}, NOW), signing.verification):
        with pytest.raises(ConfigurationError, match="used before it was prepared"):
            use()
    with pytest.raises(ConfigurationError, match="rotate_keys_after=60 must be at least 86400"):
        SigningKeys(MemoryLedger(), Seal([OLD]), ISSUER, rotate_after=60)


def test_a_development_key_is_made_at_the_first_start_and_asked_for_ever_after(tmp_path: Path) -> None:
    path = tmp_path / "bank.db.key"

    async def start(ledger: MemoryLedger) -> None:
        await SigningKeys(ledger, find_seal(None, path), ISSUER).prepare(NOW)

    ledger = MemoryLedger()
    path.touch(mode=0o600)  # a crash left it empty, before anything was sealed
    asyncio.run(start(ledger))
    asyncio.run(start(ledger))
    path.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="restore the file from a backup"):
        asyncio.run(start(ledger))
    path.unlink()
    with pytest.raises(ConfigurationError, match="restore the file from a backup"):
        asyncio.run(start(ledger))
    assert not path.exists()
