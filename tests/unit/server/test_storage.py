"""One-time state, secrets at rest, configuration."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from support.wire_driver import enrolled_app
from upstile.protocol import DPoPProof
from upstile.server import ConfigurationError, StorageUnavailable
from upstile.server._replay import MEMORY, ReplaySet
from upstile.server._sealing import Seal, development_key
from upstile.server.authorization._budgets import _count_try
from upstile.server.authorization.methods._totp import totp_code
from upstile.server.storage import Record, SqlDurableStore, SqliteEphemeralStore, User, increment, take, use_once

NOW = 1_800_000_000.0
VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "rfc6238.json").read_text())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteEphemeralStore]:
    made = SqliteEphemeralStore(str(tmp_path / "state.db"))
    run(made.prepare())
    yield made
    run(made.aclose())


def test_of_many_threads_one_uses_a_thing_once(store: SqliteEphemeralStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda _: run(use_once(store, "key", NOW + 60, NOW)), range(64)))
    assert won.count(True) == 1


def test_of_two_processes_that_share_the_file_one_takes_a_value(tmp_path: Path) -> None:
    stores = [SqliteEphemeralStore(str(tmp_path / "state.db")) for _ in range(2)]
    for store in stores:
        run(store.prepare())
    run(stores[0].update("key", lambda _: (Record(value=b"v", expires_at=NOW + 60), None), NOW))
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: run(take(stores[n % 2], "key", NOW, only=b"v")), range(16)))
    assert taken.count(True) == 1
    for store in stores:
        run(store.aclose())


def test_a_value_is_forgotten_when_it_expires(store: SqliteEphemeralStore) -> None:
    assert run(use_once(store, "key", NOW + 60, NOW))
    assert not run(use_once(store, "key", NOW + 60, NOW + 59))
    assert run(use_once(store, "key", NOW + 120, NOW + 60))


def test_a_change_that_fails_changes_nothing(store: SqliteEphemeralStore) -> None:
    def broken(_: Record | None) -> tuple[Record | None, None]:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        run(store.update("key", broken, NOW))
    assert run(increment(store, "key", NOW + 60, NOW)) == 1


def test_a_store_that_is_closed_says_so(store: SqliteEphemeralStore) -> None:
    run(store.aclose())
    with pytest.raises(StorageUnavailable):
        run(use_once(store, "key", NOW, NOW))


def test_the_lock_is_set_with_the_fifth_try_and_doubles_to_a_quarter_of_an_hour() -> None:
    found, now, waits = None, NOW, []
    for _ in range(8):
        for _ in range(4):
            found, _ = _count_try(found, now)
        found, fifth = _count_try(found, now)
        locked, refused = _count_try(found, now)
        assert fifth.retry_after == refused.retry_after
        assert locked is found
        waits.append(refused.retry_after)
        now += refused.retry_after
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


@pytest.mark.requirement("rfc6238-b-vectors")
@pytest.mark.parametrize(("moment", "code"), VECTORS["totp"])
def test_the_codes_of_rfc_6238(moment: int, code: str) -> None:
    assert totp_code(VECTORS["seed"].encode(), moment // 30, digits=8) == code


def test_the_codes_of_rfc_4226() -> None:
    codes = [totp_code(VECTORS["seed"].encode(), counter) for counter in range(10)]
    assert codes == VECTORS["hotp"]


def test_the_codes_of_another_hand() -> None:
    if shutil.which("oathtool") is None:
        if os.environ.get("CI"):
            pytest.fail("oathtool is missing: apt-get install oathtool")
        pytest.skip("needs oathtool: apt-get install oathtool")
    seed = os.urandom(20)
    command = ["oathtool", "--totp", "--now", "@1800000000", seed.hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == totp_code(seed, 1_800_000_000 // 30)


def test_nothing_readable_is_at_rest(tmp_path: Path) -> None:
    async def ceremony() -> list[str]:
        async with enrolled_app(tmp_path) as app:
            started = await app.start()
            secrets = [started.auth_session, app.token, started.verifier]
            reply = await app.answer(started, otp=app.code())
            secrets.append(reply.json()["authorization_code"])
            secrets.append((await app.redeem(started, secrets[-1])).json()["access_token"])
            return [*secrets, app.seed.hex(), app.seed.decode("latin-1")]

    secrets = run(ceremony())
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("bank.db*") if not path.name.endswith(".key"))
    assert b"bank-cli" in kept
    for secret in secrets:
        assert secret.encode("latin-1") not in kept


def test_secrets_are_opened_with_an_older_key_and_closed_with_the_newest() -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    sealed = Seal([old]).close(b"seed")
    assert Seal([new, old]).open(sealed) == b"seed"
    with pytest.raises(ConfigurationError, match="secret_keys"):
        Seal([new]).open(sealed)
    with pytest.raises(ConfigurationError):
        Seal([old]).open(Seal([new, old]).close(b"seed"))


def test_the_development_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert development_key(path) == development_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_proof_is_remembered_as_long_as_it_could_be_used() -> None:
    time = [0.0]
    replays, proof = ReplaySet(elapsed=lambda: time[0]), DPoPProof(jkt="k", jti="j", iat=0)
    assert replays.first_use(proof)
    for time[0] in (0, MEMORY - 1, MEMORY, MEMORY + 1):
        assert not replays.first_use(proof)
    assert replays.first_use(DPoPProof(jkt="other", jti="j", iat=0))
    time[0] += 2 * MEMORY
    assert replays.first_use(proof)


def test_a_full_memory_of_proofs_refuses_instead_of_forgetting() -> None:
    replays = ReplaySet(bound=2)
    for jti in "ab":
        assert replays.first_use(DPoPProof(jkt="k", jti=jti, iat=0))
    with pytest.raises(StorageUnavailable):
        replays.first_use(DPoPProof(jkt="k", jti="c", iat=0))
    assert not replays.first_use(DPoPProof(jkt="k", jti="a", iat=0))


def test_what_is_used_up_stays_so_when_a_clock_that_was_ahead_is_set_back(store: SqliteEphemeralStore) -> None:
    assert run(use_once(store, "token", NOW + 300, NOW))
    assert run(use_once(store, "another", NOW + 900, NOW + 400))  # sweeps
    assert not run(use_once(store, "token", NOW + 300, NOW + 1))


def test_a_database_that_refuses_does_not_show_what_it_was_asked(tmp_path: Path) -> None:
    durable = SqlDurableStore(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(StorageUnavailable) as caught:
        run(durable.authenticators(User("https://as.example", "ada-lovelace")))
    assert "ada-lovelace" not in f"{caught.value} {caught.value.__cause__}"
    run(durable.aclose())
