"""Every step and every refusal of both halves is an event, with what is known of it, and nothing that should not be."""

import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import pytest

from support.audited import bank, rows
from support.own_app import own_app
from support.wire_driver import URL, new_key
from upstile.server import SecurityEvent, StorageUnavailable
from upstile.server.audit import stored_subject

pytestmark = pytest.mark.anyio
MANAGE = "/stepup/authenticators"


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The audit log."""
    caplog.set_level("INFO", logger="upstile.server.audit")
    return caplog


def said(records: pytest.LogCaptureFixture, kind: str) -> list[dict[str, Any]]:
    """The fields of all events of a kind."""
    return [vars(record) for record in records.records if vars(record).get("kind") == kind]


async def test_a_challenge_its_ceremony_and_the_repeated_call_share_their_instance(tmp_path: Path) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        refused = (await app.call("POST", "/v1/transfers/7")).json()
        app.clock.now += 1
        await app.answer(started := await app.start(instance=refused["instance"]), otp="wrong")
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        token = (await app.redeem(started, code)).json()["access_token"]
        app.clock.now += 1
        for _ in range(2):
            assert (await app.call("POST", "/v1/transfers/7", token=token)).status_code == 200
    chain = [row for row in rows(tmp_path) if row.instance == refused["instance"]]
    assert [row.kind for row in chain] == [
        "challenged",
        "ceremony-started",
        "answer-rejected",
        "ceremony-succeeded",
        "device-known",
        "token-issued",
        "call-repeated",
    ]
    assert {(row.issuer, row.subject, row.client_id, row.address) for row in chain} == {
        (URL, "ada", "bank-cli", "127.0.0.0/24")
    }
    assert len({row.ceremony for row in chain[1:]}) == 1
    assert chain[1].ceremony
    assert (chain[0].route, chain[-1].route) == ("POST /v1/transfers/{id}",) * 2
    assert (chain[0].requirement, chain[1].requirement) == (
        "acr=mfa max_age=300 scope=payments",
        "acr=mfa max_age=300",
    )
    assert [row.method for row in chain] == [None, None, "totp", "totp", "totp", None, None]


@pytest.mark.parametrize(
    "instance",
    ["x", "urn:uuid:", f"urn:uuid:{uuid4()} ", f"URN:UUID:{uuid4()}", f"{uuid4()}", "urn:uuid:" + "x" * 20_000, "\x1b"],
)
async def test_an_instance_of_another_form_is_ignored(
    tmp_path: Path, instance: str, records: pytest.LogCaptureFixture
) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        assert (await app.start(instance=instance)).reply.status_code == 403
    (started,) = said(records, "ceremony-started")
    assert "instance" not in started


async def test_a_flood_without_a_token_fills_the_log_and_the_counters_and_writes_no_row(
    tmp_path: Path, records: pytest.LogCaptureFixture
) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        app.server._deployment.own.storage.durable.tidy(app.clock())
        before = rows(tmp_path)
        for number in range(20):
            thief = replace(app, key=new_key(), token=f"stolen{number}")
            await thief.call("POST", "/v1/transfers/7")
            await thief.call("POST", "/v1/transfers/7", token="")
            await thief.call("DELETE", f"{MANAGE}/x")
            await thief.start(instance=uuid4().urn)
            await thief.post(
                "/stepup/challenge", {"client_id": "bank-cli", "auth_session": "x", "authn_method": "totp"}
            )
            await thief.post("/stepup/token", {"grant_type": "authorization_code", "code": "x"})
            await thief.post("/stepup/revoke", {"token": "x", "client_id": "x"})
            # A token that is another key's proves nothing about who sends it.
            await replace(app, key=new_key()).call("POST", "/v1/transfers/7")
        counts = app.server._deployment.events.telemetry.counts
        app.server._deployment.own.storage.durable.tidy(app.clock())
        assert rows(tmp_path) == before
    assert counts["call-refused", "missing-token"] == 20
    assert len(said(records, "start-refused")) == len(said(records, "token-refused")) == 20
    assert len(said(records, "answer-refused")) == len(said(records, "revocation-refused")) == 20


async def test_a_user_with_a_good_token_cannot_fill_the_table_with_refusals(tmp_path: Path) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        for _ in range(70):
            await app.call("POST", "/v1/transfers/7")
            await app.start()
        await app.enroll_totp()
        counts = dict(app.server._deployment.events.telemetry.counts)
    kinds = [row.kind for row in rows(tmp_path)]
    assert counts["challenged", "insufficient_user_authentication"] == 70
    assert kinds.count("challenged") + kinds.count("start-refused") == 60
    assert kinds.count("authenticator-added") == 1


async def test_a_refusal_in_the_handler_and_one_below_a_mount_know_their_route(
    tmp_path: Path, records: pytest.LogCaptureFixture
) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        assert (await app.call("GET", "/later")).status_code == 401
        assert (await app.call("GET", "/below/inner/7")).status_code == 401
    assert [event["route"] for event in said(records, "challenged")] == ["GET /later", "GET /below/inner/{name}"]


async def test_a_plain_admitted_call_is_no_event(tmp_path: Path, records: pytest.LogCaptureFixture) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        token = await app.elevate()
        await app.call("POST", "/v1/transfers/7", token=token)
        before = len(records.records)
        for _ in range(5):
            assert (await app.call("POST", "/v1/transfers/7", token=token)).status_code == 200
            assert (await app.call("GET", "/me")).status_code == 200
        assert len(records.records) == before
    assert len(said(records, "call-repeated")) == 1


async def test_no_token_code_session_or_seed_is_in_the_log_or_the_table(
    tmp_path: Path, records: pytest.LogCaptureFixture
) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        enrolment_code = await app.server.enrolment_code("ada")
        await app.enroll_totp()
        started = await app.start(instance=(await app.call("POST", "/v1/transfers/7")).json()["instance"])
        session, otp = started.auth_session, app.code()
        code = (await app.answer(started, otp=otp)).json()["authorization_code"]
        token = (await app.redeem(started, code)).json()["access_token"]
        await app.redeem(started, code)
        await app.call("POST", "/v1/transfers/7", token=token)
    told = "\n".join(str(vars(record)) for record in records.records) + str(rows(tmp_path))
    for secret in (app.token, token, code, session, started.verifier, enrolment_code, app.seed.hex(), f"'{otp}'"):
        assert secret not in told


async def test_an_address_is_the_named_proxys_word_and_no_strangers(tmp_path: Path) -> None:
    lie = {"X-Forwarded-For": "203.0.113.7"}
    async with bank(tmp_path, trusted_proxies=["127.0.0.0/8"]) as app:
        await app.http.post("/login", params={"user": "ada", "client_id": "bank-cli"}, headers=lie)
    other = tmp_path / "other"
    other.mkdir()
    async with bank(other) as app:
        await app.http.post("/login", params={"user": "ada", "client_id": "bank-cli"}, headers=lie)
    assert [rows(folder)[-1].address for folder in (tmp_path, other)] == ["203.0.113.0/24", "127.0.0.0/24"]


async def test_while_the_table_is_away_step_ups_go_on_and_changes_and_the_help_desk_are_refused(tmp_path: Path) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        phone = (await app.enroll_totp()).json()["id"]
        token = await app.elevate(scope="authenticators", max_age="60")
        _sql(tmp_path, "ALTER TABLE upstile_audit RENAME TO away")
        renamed = await app.call("PATCH", f"{MANAGE}/{phone}", token=token, json={"name": "mine"})
        assert (renamed.status_code, renamed.headers["retry-after"]) == (503, "1")
        assert (await app.enroll_passkey(token)).status_code == 503
        app.passkey = None
        for helped in (app.server.enrolment_code, app.server.disable_authenticators):
            with pytest.raises(StorageUnavailable):
                await helped("ada")
        assert await app.elevate()
        entries = (await app.call("GET", MANAGE)).json()["authenticators"]
        assert [(entry["name"], entry["state"]) for entry in entries if entry["id"] == phone] == [("phone", "active")]
        _sql(tmp_path, "ALTER TABLE away RENAME TO upstile_audit")
        app.server._deployment.own.storage.durable.tidy(app.clock())
        assert [row.kind for row in rows(tmp_path) if row.kind in ("token-issued", "authenticator-renamed")] == [
            "token-issued",
            "token-issued",
        ]
        token = await app.elevate(scope="authenticators", max_age="60")
        assert (await app.call("PATCH", f"{MANAGE}/{phone}", token=token, json={"name": "mine"})).status_code == 200
        assert rows(tmp_path)[-1].kind == "authenticator-renamed"


async def test_a_hook_that_hangs_keeps_nobody_from_signing_in(tmp_path: Path) -> None:
    released = Event()

    def hook(event: SecurityEvent) -> None:
        released.wait(60)

    async with own_app(tmp_path, notify=hook) as app:
        await app.sign_in()
        await app.enroll_totp()
        assert await app.elevate()
        released.set()


@pytest.mark.parametrize("name", ["ada\r\nlogin subject=root", "\x1b[2Jada", "n" * 500, "\u202eada"])
async def test_a_hostile_user_name_is_one_line_of_the_log_and_one_row_of_the_table(
    tmp_path: Path, name: str, records: pytest.LogCaptureFixture
) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in(name)
    assert [row.subject for row in rows(tmp_path)] == [stored_subject(name)]
    assert all(record.getMessage().isprintable() for record in records.records if record.levelno == logging.INFO)


def _sql(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "bank.db", timeout=5)) as connection:
        connection.execute(statement)
        connection.commit()
