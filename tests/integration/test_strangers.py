"""Who has no credentials writes no storage: rubbish for every endpoint, and the database is as it was."""

import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import httpx
import pytest

from support.own_app import OwnApp, own_app
from support.wire_driver import URL, new_key
from upstile.protocol import ACCESS_TOKEN_TYPE, code_challenge

pytestmark = pytest.mark.anyio

JWT = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IngifQ.eyJzdWIiOiJhZGEifQ." + "A" * 86
TOKENS = ("", "x", JWT, "." * 9000, "\u00e9")
ENDPOINTS = ("challenge", "token", "revoke", "authenticators", "authenticators/x", "authenticators/x/verify")
OTHERS = ("jwks", "health/live", "health/ready")
START = {
    "response_type": "code",
    "client_id": "bank-cli",
    "code_challenge": code_challenge("v" * 43),
    "code_challenge_method": "S256",
    "acr_values": "mfa",
    "resource": URL,
    "subject_token_type": ACCESS_TOKEN_TYPE,
}
ANSWER = {"client_id": "bank-cli", "authn_method": "totp", "otp": "123456"}
REDEEM = {"grant_type": "authorization_code", "code_verifier": "v" * 43, "client_id": "bank-cli"}


def _forms() -> Iterator[dict[str, str]]:
    yield {}
    yield {"x": "y" * 70_000}
    for token in TOKENS:
        yield {**START, "subject_token": token}
        yield {**START, "subject_token": token, "client_id": "nobody"}
        yield {**ANSWER, "auth_session": token}
        yield {**REDEEM, "code": token}
        yield {"token": token, "client_id": "bank-cli"}


def _bodies() -> Iterator[dict[str, Any]]:
    yield {"method": "totp", "name": "phone"}
    yield {"method": "totp", "name": "phone", "enrolment_code": "0123456789ABCDEF"}
    yield {"otp": "123456"}
    yield {"registration_response": {"id": "x"}}
    yield {"name": "other"}


@asynccontextmanager
async def _used_app(folder: Path) -> AsyncGenerator[OwnApp]:
    """Somebody has signed in, enrolled and opened a ceremony, so that there is something to change."""
    async with own_app(folder, dpop="optional") as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        assert (await app.start()).reply.status_code == 403
        yield app


async def test_a_stranger_writes_nothing(tmp_path: Path) -> None:
    async with _used_app(tmp_path) as app:
        stranger = OwnApp(app.http, app.clock, key=new_key(), api=app.api, server=app.server)
        before, statuses = _rows(tmp_path), set[int]()
        async for reply in _rubbish(stranger):
            statuses.add(reply.status_code)
        assert not _rows(tmp_path) - before
        assert statuses >= {400, 401, 405, 413}
        assert not {status for status in statuses if status >= 500}
        assert (await app.start()).reply.status_code == 403
        assert _rows(tmp_path) - before, "nothing was watched"


async def test_a_token_that_is_expired_is_no_credential(tmp_path: Path) -> None:
    async with _used_app(tmp_path) as app:
        app.clock.now += 13 * 3600
        before = _rows(tmp_path)
        replies = [
            (await app.start()).reply,
            await app.call("POST", "/stepup/authenticators", json={"method": "totp", "name": "phone"}),
            await app.call("GET", "/me"),
        ]
        assert [reply.status_code for reply in replies] == [400, 401, 401]
        assert not _rows(tmp_path) - before


async def _rubbish(stranger: OwnApp) -> AsyncGenerator[httpx.Response]:
    """Each request once without a proof of possession and once with a sound one."""
    for path in (f"/stepup/{name}" for name in ENDPOINTS):
        for form in _forms():
            yield await stranger.http.post(path, data=form)
            yield await stranger.post(path, form)
        for method in ("GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "HEAD"):
            for token in TOKENS[1:-1]:
                for body in _bodies():
                    yield await stranger.call(method, path, token=token, json=body)
        for headers in ({"DPoP": "x"}, {"DPoP": stranger.proof("GET", "/elsewhere")}, {"Authorization": "Basic x"}):
            yield await stranger.http.post(path, content=b"\x00\xff%", headers=headers)
            yield await stranger.http.post(path, json=[], headers={**headers, "Authorization": f"DPoP {JWT}"})
    for name in OTHERS:
        yield await stranger.http.get(f"/stepup/{name}", params={"x": token_urlsafe()})


def _rows(folder: Path) -> set[str]:
    """All that is stored."""
    with closing(sqlite3.connect(folder / "bank.db")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {f"{name} {row!r}" for name in names for row in database.execute(f'SELECT * FROM "{name}"')}  # noqa: S608
