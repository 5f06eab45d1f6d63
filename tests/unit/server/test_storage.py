"""Codes of authenticator apps, secrets at rest, proofs that a node remembers."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from support.installed import missing
from support.wire_driver import enrolled_app
from upstile.protocol import DPoPProof
from upstile.server import StorageUnavailable
from upstile.server.authorization.methods._totp import totp_code
from upstile.server.resource._replay import MEMORY, ReplaySet

NOW = 1_800_000_000.0
VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "rfc6238.json").read_text())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.mark.requirement("rfc6238-b-vectors")
@pytest.mark.parametrize(("moment", "code"), VECTORS["totp"])
def test_the_codes_of_rfc_6238(moment: int, code: str) -> None:
    assert totp_code(VECTORS["seed"].encode(), moment // 30, digits=8) == code


def test_the_codes_of_rfc_4226() -> None:
    codes = [totp_code(VECTORS["seed"].encode(), counter) for counter in range(10)]
    assert codes == VECTORS["hotp"]


def test_the_codes_of_another_hand() -> None:
    if shutil.which("oathtool") is None:
        missing("oathtool", "apt-get install oathtool")
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
