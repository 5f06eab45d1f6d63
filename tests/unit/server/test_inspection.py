"""What `check` looks at: clocks that differ, issuers that are away, what was left at its default."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from upstile.protocol import Requirement
from upstile.server.fastapi import App, StepUp
from upstile.server.inspection._call import DeclaredCall, asked
from upstile.server.inspection._calls import inspect_calls
from upstile.server.inspection._deployment import _clock, inspect
from upstile.server.inspection._finding import Finding
from upstile.server.issuers import JWTVerifier


@dataclass
class Timed:
    """A store with a clock."""

    says: float | None

    async def time(self) -> float | None:
        return self.says


@dataclass
class Looking:
    """A deployment whose clock reads one time after the other."""

    times: list[float]

    def clock(self) -> float:
        return self.times.pop(0)


@pytest.mark.parametrize(
    ("says", "times", "levels"),
    [
        (None, [100.0, 100.0], []),
        (100.4, [100.0, 100.0], ["ok"]),
        (102.0, [100.0, 100.0], ["look"]),
        (98.0, [100.0, 100.0], ["look"]),
        (106.0, [100.0, 100.0], ["wrong"]),
        (90.0, [100.0, 100.0], ["wrong"]),
        (103.0, [100.0, 106.0], ["ok"]),  # a slow way there and back is no difference
    ],
)
def test_clocks_are_compared(says: float | None, times: list[float], levels: list[str]) -> None:
    async def main() -> list[Finding]:
        store: Any = Timed(says)
        deployment: Any = Looking(times)
        return [finding async for finding in _clock(store, deployment)]

    assert [finding.level for finding in asyncio.run(main())] == levels


def found(server: StepUp) -> dict[str, list[Finding]]:
    """What is found about a deployment, by what it is about."""

    async def main() -> list[Finding]:
        return [finding async for finding in inspect(server._deployment)]

    told: dict[str, list[Finding]] = {}
    for finding in asyncio.run(main()):
        told.setdefault(finding.about, []).append(finding)
    return told


def test_an_issuer_that_is_away_is_wrong_and_nothing_needs_a_store() -> None:
    issuer = JWTVerifier(issuer="http://localhost:1/realms/bank")
    server = StepUp(url="http://localhost:8000", verifier=issuer, allow_insecure_loopback=True)
    told = found(server)
    assert [finding.level for finding in told["issuer"]] == ["wrong"]
    assert (
        "http://localhost:1/.well-known/oauth-authorization-server/realms/bank cannot be reached"
        in told["issuer"][0].says
    )
    assert "storage" not in told
    assert "notices" not in told


def test_a_store_that_cannot_be_used_is_wrong_and_one_that_is_not_there_yet_is_not(tmp_path: Path) -> None:
    def at(storage: str) -> StepUp:
        return StepUp.embedded(
            url="http://localhost:8000", storage=storage, clients=[App("cli")], allow_insecure_loopback=True
        )

    assert [finding.level for finding in found(at(f"sqlite:///{tmp_path / 'bank.db'}"))["storage"]] == ["look"]
    (tmp_path / "other.db").write_bytes(b"no database " * 100)
    assert [finding.level for finding in found(at(f"sqlite:///{tmp_path / 'other.db'}"))["storage"]] == ["wrong"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.db"]


def test_a_store_in_memory_is_to_be_looked_at() -> None:
    server = StepUp.embedded(
        url="http://localhost:8000", storage=":memory:", clients=[App("cli")], allow_insecure_loopback=True
    )
    told = found(server)
    assert [(finding.level, finding.says) for finding in told["storage"]] == [
        ("look", "kept in memory, for tests: gone when the process ends")
    ]
    assert [finding.level for finding in told["signing keys"]] == [
        "ok"
    ]  # what lies beside it is looked at all the same


def test_calls_that_change_something_without_a_guard_are_to_be_looked_at() -> None:
    recent = Requirement(acr="mfa", max_age=300, scope="pay", reason="Confirm this transfer")
    calls = [
        DeclaredCall("/login", ("POST",), ()),
        DeclaredCall("/news", ("GET", "HEAD"), ()),
        DeclaredCall("/both", ("DELETE", "GET"), ()),
        DeclaredCall("/chat", (), ()),
        DeclaredCall("/transfers", ("POST",), (recent,)),
        DeclaredCall("/notes", ("POST",), (), (recent,)),
        DeclaredCall("/notes", ("GET",), (), (recent,)),
        DeclaredCall("/both", ("POST",), (recent,), (recent,)),
    ]
    assert [finding.says for finding in inspect_calls(calls) if finding.about == "guard"] == [
        "POST /login declares none",
        "DELETE,GET /both declares none",
        "websocket /chat declares none",
        "POST /notes declares an optional one",
    ]
    assert asked(recent) == "mfa of the last 300 seconds, scope pay, “Confirm this transfer”"
    assert asked(replace(recent, settled=True)) == (
        "mfa of the last 300 seconds, scope pay, not soon after a reset, “Confirm this transfer”"
    )
    assert [finding.level for finding in inspect_calls(None)] == ["wrong"]
