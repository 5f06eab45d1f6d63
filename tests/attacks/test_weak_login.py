"""The lower bar of a weak login: who signed in by a text message is asked for what the user can reach, not for less."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request

from support.own_app import OwnApp, own_app
from support.tokens import claims_of
from support.wire_driver import error_of, new_key, problem_of
from upstile.server import App, TokenResponse

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


@asynccontextmanager
async def _attacked(folder: Path) -> AsyncGenerator[tuple[OwnApp, OwnApp]]:
    """The owner, with a password and an authenticator app, and a thief who gets the owner's text messages."""
    async with own_app(folder) as owner:

        @owner.api.post("/text-message")
        async def by_text_message(request: Request) -> TokenResponse:
            return await owner.server.start_session("ada", amr=["sms"], client_id="bank-cli", request=request)

        await owner.sign_in()
        assert (await owner.enroll_totp()).status_code == 200
        thief = replace(owner, key=new_key())
        thief.token = (await thief.post("/text-message", {})).json()["access_token"]
        yield owner, thief


async def _one_proof(thief: OwnApp) -> str:
    """A token for changes that stands for one proof: a code that the owner was talked out of."""
    started = await thief.start(acr_values=None, scope="authenticators", max_age="60")
    code = (await thief.answer(started, otp=thief.code())).json()["authorization_code"]
    token = (await thief.redeem(started, code)).json()
    assert "acr" not in token
    return str(token["access_token"])


def _asked(reply: httpx.Response) -> tuple[Any, ...]:
    return reply.status_code, error_of(reply), reply.json()["acr_values"], reply.json()["max_age"]


@pytest.mark.requirement("profile-8-bar")
async def test_a_weak_login_enrols_no_security_key_and_removes_no_phone(tmp_path: Path) -> None:
    async with _attacked(tmp_path) as (owner, thief):
        (phone,) = (await owner.call("GET", PATH)).json()["authenticators"]
        token = await _one_proof(thief)
        replies = [
            await thief.call("POST", PATH, token=token, json={"method": "webauthn", "name": "mine"}),
            await thief.call("DELETE", f"{PATH}/{phone['id']}", token=token),
            await thief.call("PATCH", f"{PATH}/{phone['id']}", token=token, json={"name": "mine"}),
            await thief.call("POST", f"{PATH}/{phone['id']}/open", token=token),
        ]
        bar = (401, "insufficient_user_authentication", ["mfa"], 60)
        assert [_asked(reply) for reply in replies] == [bar] * 4
        assert [entry["name"] for entry in (await owner.call("GET", PATH)).json()["authenticators"]] == ["phone"]


async def test_a_sign_in_carries_no_scope_that_only_a_ceremony_grants(tmp_path: Path) -> None:
    greedy = App("bank-cli", scopes={"payments", "authenticators"})
    async with own_app(tmp_path, clients=[greedy]) as app:
        assert claims_of(await app.sign_in())["scope"] == "payments"
        assert (await app.enroll_totp()).status_code == 200
        payment = await app.elevate(max_age="60")
        refused = await app.call("POST", PATH, token=payment, json={"method": "webauthn", "name": "mine"})
        assert (refused.status_code, error_of(refused)) == (403, "insufficient_scope")
        assert await app.elevate(scope="authenticators", max_age="60")


async def test_a_weak_login_with_the_right_codes_is_told_to_sign_in_in_another_way(tmp_path: Path) -> None:
    async with _attacked(tmp_path) as (owner, thief):
        assert _asked(await thief.call("POST", PATH, json={"method": "webauthn", "name": "mine"}))[0] == 401
        ended = (await thief.start(scope="authenticators", max_age="60")).reply
        assert (ended.status_code, ended.json()["error"]) == (400, "unmet_authentication_requirements")
        assert "enrollable_methods" not in ended.json()
        assert "Sign in again in another way" in ended.json()["detail"]
        assert (await owner.start(scope="authenticators", max_age="60")).reply.status_code == 403


async def test_a_weak_fresh_login_is_no_first_one_once_something_is_enrolled(tmp_path: Path) -> None:
    async with _attacked(tmp_path) as (owner, thief):
        code = await owner.server.enrolment_code("ada")
        wanted = {"method": "webauthn", "name": "mine", "enrolment_code": code}
        assert _asked(await thief.call("POST", PATH, json=wanted))[:2] == (401, "insufficient_user_authentication")
        wrong = await thief.call("POST", PATH, json={**wanted, "enrolment_code": "0" * 22})
        assert (wrong.status_code, problem_of(wrong)) == (403, "first-enrolment")
        await owner.server.disable_authenticators("ada")
        await owner.sign_in()
        assert (await owner.call("POST", PATH, json=wanted)).status_code == 403  # a reset ends codes as well
        wanted["enrolment_code"] = await owner.server.enrolment_code("ada")
        assert (await owner.call("POST", PATH, json=wanted)).status_code == 201
