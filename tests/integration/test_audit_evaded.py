"""Who wants to act unseen, or to write into the audit of somebody else, gets neither."""

import sqlite3
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends

from support.audited import rows
from support.own_app import OwnApp, own_app
from support.wire_driver import URL, new_key
from upstile.server import App, StorageUnavailable
from upstile.server.authorization.ceremony import _answer
from upstile.server.authorization.user import _budgets
from upstile.server.storage import User

pytestmark = pytest.mark.anyio
MANAGE = "/stepup/authenticators"


def _kinds(folder: Path) -> Counter[str]:
    return Counter(row.kind for row in rows(folder))


@pytest.mark.parametrize(
    ("bound", "method", "options"),
    [(True, "GET", {}), (True, "POST", {"replay": "node"}), (False, "POST", {"dpop": "optional"})],
)
async def test_a_token_that_was_seen_before_its_first_call_is_told_of_all_the_same(
    tmp_path: Path, bound: bool, method: str, options: dict[str, Any]
) -> None:
    async with own_app(tmp_path, **options) as app:
        guard = app.server.require(acr="mfa", max_age=300)
        app.api.api_route("/pay", methods=["GET", "POST"], dependencies=[Depends(guard)])(lambda: "paid")
        await app.sign_in()
        await app.enroll_totp()
        app.bound = bound
        await app.sign_in()
        token = await app.elevate()
        assert (await app.call("GET", MANAGE, token=token)).status_code == 200
        if bound:
            headers = {"Authorization": f"DPoP {token}", "DPoP": "x"}
            assert (await app.http.request(method, "/pay", headers=headers)).status_code == 401
        for _ in range(3):
            assert (await app.call(method, "/pay", token=token)).status_code == 200
    assert _kinds(tmp_path)["call-repeated"] == 1


@contextmanager
def _full(folder: Path) -> Generator[None]:
    """While the table takes no row."""
    full = "CREATE TRIGGER full BEFORE INSERT ON upstile_audit BEGIN SELECT RAISE(ABORT, 'full'); END"
    with closing(sqlite3.connect(folder / "bank.db", timeout=5, isolation_level=None)) as connection:
        connection.execute(full)
        yield
        connection.execute("DROP TRIGGER full")


async def _locked(app: OwnApp) -> OwnApp:
    """A device that is not known, after five wrong answers."""
    await app.sign_in()
    await app.enroll_totp()
    stranger = OwnApp(app.http, app.clock, key=new_key(), api=app.api, server=app.server)
    await stranger.sign_in()
    started = await stranger.start()
    for _ in range(5):
        await stranger.answer(started, otp="000000")
    await stranger.sign_in()
    return stranger


async def test_nothing_is_unlocked_that_cannot_be_told(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        stranger = await _locked(app)
        with _full(tmp_path), pytest.raises(StorageUnavailable):
            await app.server.unlock("ada", by="bob")
        assert (await stranger.start()).reply.json()["error"] == "temporarily_locked"
        await app.server.unlock("ada", by="bob")
        assert (await stranger.start()).reply.status_code == 403
    assert _kinds(tmp_path)["user-unlocked"] == 1


async def test_nobody_is_forgotten_where_that_cannot_be_told(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        before = _kinds(tmp_path)
        with _full(tmp_path), pytest.raises(StorageUnavailable):
            await app.server.forget_user("ada", by="mallory")
        assert _kinds(tmp_path) == before
        assert (await app.call("GET", "/me")).status_code == 200
        assert (await app.server._deployment.own.storage.durable.account(User(URL, "ada"))).authenticators
        await app.server.forget_user("ada", by="bob")
    assert _kinds(tmp_path) == {"user-forgotten": 1}


async def test_what_ends_is_in_the_table_when_the_node_is_killed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_budgets, "LAST_TRY", 1)
    monkeypatch.setattr(_answer, "LAST_TRY", 1)
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        monkeypatch.setattr(
            app.server._deployment.own.storage.durable, "append", lambda rows: None
        )  # what waited is lost
        code = (await app.answer(started := await app.start(), otp=app.code())).json()["authorization_code"]
        assert [(await app.redeem(started, code)).status_code for _ in range(5)] == [200, 400, 400, 400, 400]
        stranger = OwnApp(app.http, app.clock, key=new_key(), api=app.api, server=app.server)
        await stranger.sign_in()
        await stranger.answer(await stranger.start(), otp="000000")
        assert (await app.post("/stepup/revoke", {"token": app.token, "client_id": "bank-cli"})).status_code == 200
    kinds = _kinds(tmp_path)
    assert [kinds[kind] for kind in ("code-replayed", "authenticator-closed", "token-revoked")] == [1, 1, 1]


async def test_a_token_that_has_ended_writes_nothing_under_the_name_of_its_user(tmp_path: Path) -> None:
    async with own_app(tmp_path, clients=[App("bank-cli"), App("ops")]) as app:
        ended, expired = await app.sign_in(), await app.sign_in("bob")
        await app.server.end_sessions("ada")
        before = _kinds(tmp_path)
        for token, later, status in ((ended, 0, 200), (expired, 12 * 3600, 400)):
            app.clock.now += later
            reply = await app.http.post("/stepup/revoke", data={"token": token, "client_id": "ops"})
            assert reply.status_code == status
    assert _kinds(tmp_path) == before


async def test_a_recorded_request_that_is_sent_again_writes_nothing(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        token = await app.elevate(scope="authenticators", max_age="60")
        enrolment = {
            "url": MANAGE,
            "json": {"method": "totp", "name": "x"},
            "headers": {"Authorization": f"DPoP {token}", "DPoP": app.proof("POST", MANAGE, token)},
        }
        proof = {"DPoP": app.proof("POST", "/stepup/challenge")}
        start = await app.start()
        answer = {"url": "/stepup/challenge", "data": app.answer_form(start, otp="000000"), "headers": proof}
        recorded: list[Any] = [enrolment, answer]
        for request in recorded:
            await app.http.post(**request)
        app.server._deployment.own.storage.durable.tidy(app.clock())
        before = _kinds(tmp_path)
        for request in recorded * 3:
            assert (await app.http.post(**request)).status_code in (400, 401)
    assert _kinds(tmp_path) == before
