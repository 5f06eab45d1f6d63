"""A ceremony with two proofs: the older one counts for the token's age, and not for ever (upstile profile §4)."""

import asyncio
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.fernet import Fernet

from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.tokens._tokens import TokenMint
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.keys._seal import Seal
from upstile.server.keys._signing import SigningKeys
from upstile.server.storage.sqlite import SqliteStore

NOW = 1_800_000_000
URL = "https://api.example.com"
LOGIN = BaseLogin(
    sid="s", jti="j", subject="ada", client_id="cli", amr=("pwd",), auth_time=NOW - 900, expires_at=NOW + 3600
)


def proof(at: int, method: str = "totp") -> Proof:
    return Proof(method=method, factors=frozenset({Factor.POSSESSION}), amr=("otp",), phishing_resistant=False, at=at)


def ceremony(max_age: int | None, *proofs: Proof) -> Ceremony:
    return Ceremony(
        login=LOGIN,
        subject_jti="j",
        subject_expires_at=NOW + 300,
        client_id="cli",
        resource=URL,
        scope=frozenset(),
        acr_values=("mfa",),
        max_age=max_age,
        code_challenge="c",
        offered={},
        proofs=proofs,
    )


@pytest.mark.parametrize(
    ("max_age", "age", "kept"),
    [
        (None, 299, True),
        (300, 300, True),
        (300, 301, False),
        (60, 60, True),
        (60, 61, False),
        (10, 30, True),
        (10, 31, False),
        (0, 30, True),
        (0, 31, False),
    ],
)
def test_a_proof_that_max_age_has_outrun_is_dropped_but_not_within_thirty_seconds(
    max_age: int | None, age: int, kept: bool
) -> None:
    first, second = proof(NOW - age), proof(NOW, "webauthn")
    proofs = ceremony(max_age, first).with_proof(second, NOW).proofs
    assert proofs == ((first, second) if kept else (second,))


@pytest.mark.parametrize("times", [(NOW - 40, NOW), (NOW, NOW - 40)], ids=["in order", "out of order"])
def test_the_auth_time_of_a_token_is_that_of_its_oldest_proof(tmp_path: Path, times: tuple[int, int]) -> None:
    response = asyncio.run(_minted(tmp_path, [proof(at) for at in times]))
    claims = jwt.decode(response.access_token, options={"verify_signature": False})
    assert (claims["auth_time"], response.auth_time, claims["iat"]) == (NOW - 40, NOW - 40, NOW)


async def _minted(folder: Path, proofs: list[Proof]) -> Any:
    store = SqliteStore(folder / "keys.db", URL)
    await store.prepare()
    keys = SigningKeys(store, Seal([Fernet.generate_key()]), URL)
    await keys.prepare(NOW)
    await store.aclose()
    return TokenMint(URL, keys).elevated(ceremony(300, *proofs), jti="0.new", acr="mfa", life=300, now=NOW)
