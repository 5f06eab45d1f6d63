"""Each refusal of the resource server and of the authorization server is told, with its reason."""

from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Depends

from support.audited import bank
from support.own_app import OwnApp
from upstile.server import Authentication

pytestmark = pytest.mark.anyio
MANAGE = "/stepup/authenticators"
EVERY_REFUSAL = {
    ("call-refused", "missing-token"),
    ("call-refused", "invalid_token"),
    ("call-refused", "invalid_dpop_proof"),
    ("call-refused", "insufficient_scope"),
    ("call-refused", "invalid-request"),
    ("challenged", "insufficient_user_authentication"),
    ("start-refused", "invalid_client"),
    ("start-refused", "invalid_request"),
    ("start-refused", "invalid_target"),
    ("start-refused", "invalid_grant"),
    ("start-refused", "invalid_dpop_proof"),
    ("start-refused", "unmet_authentication_requirements"),
    ("answer-refused", "invalid_session"),
    ("answer-refused", "invalid_request"),
    ("token-refused", "invalid_grant"),
    ("token-refused", "invalid_request"),
    ("token-refused", "unsupported_grant_type"),
    ("token-refused", "invalid_client"),
    ("revocation-refused", "invalid_client"),
    ("enrolment-refused", "not-found"),
    ("enrolment-refused", "first-enrolment"),
    ("enrolment-refused", "invalid-request"),
    ("enrolment-refused", "verification-failed"),
    ("sign-in-refused", "invalid_client"),
    ("sign-in-refused", "invalid_dpop_proof"),
}


async def test_every_refusal_of_both_halves_is_told_with_its_reason(tmp_path: Path) -> None:
    async with bank(tmp_path) as app:
        await app.sign_in()
        await app.call("POST", MANAGE, json={"method": "totp", "name": "x", "enrolment_code": "wrong"})
        await app.start()  # nothing is enrolled
        await app.enroll_totp()
        await _wrong_calls(app)
        await _wrong_forms(app)
        await _wrong_changes(app)
        told = set(app.server._deployment.events.telemetry.counts)
    assert {refusal for refusal in told if refusal[1]} == EVERY_REFUSAL


async def _wrong_calls(app: OwnApp) -> None:
    await app.call("POST", "/v1/transfers/7", token="")
    await app.call("POST", "/v1/transfers/7", token="nonsense")
    await app.call("POST", "/v1/transfers/7")
    headers = {"Authorization": f"DPoP {app.token}", "DPoP": "nonsense"}
    await app.http.post("/v1/transfers/7", headers=headers)
    await app.http.post("/v1/transfers/7", headers=[("Authorization", "DPoP a"), ("Authorization", "DPoP b")])
    other = app.server.require(scope="authenticators")

    @app.api.get("/scoped")
    async def scoped(auth: Annotated[Authentication, Depends(other)]) -> None: ...

    await app.call("GET", "/scoped")


async def _wrong_forms(app: OwnApp) -> None:
    await app.start(client_id="unknown")
    await app.start(code_challenge=None)
    await app.start(resource="https://other.example")
    await app.start(subject_token="nonsense")
    await app.http.post("/stepup/challenge", data=app.start_form("x" * 43))
    started = await app.start()
    await app.answer(started, auth_session="gone")
    await app.answer(started, authn_method="webauthn")
    await app.redeem(started, "wrong")
    await app.redeem(started, "wrong", code=None, client_id="")
    await app.redeem(started, "wrong", grant_type="password")
    await app.redeem(started, "wrong", client_id="unknown")
    await app.post("/stepup/revoke", {"token": app.token, "client_id": "unknown"})
    for client_id, headers in (("unknown", {}), ("bank-cli", {"DPoP": "nonsense"})):
        await app.http.post("/login", params={"user": "ada", "client_id": client_id}, headers=headers)


async def _wrong_changes(app: OwnApp) -> None:
    token = await app.elevate(scope="authenticators", max_age="60")
    await app.call("DELETE", f"{MANAGE}/unknown", token=token)
    await app.call("POST", MANAGE, token=token, content=b"nonsense")
    token = await app.elevate(scope="authenticators", max_age="60")
    pending = (await app.call("POST", MANAGE, token=token, json={"method": "totp", "name": "x"})).json()["id"]
    await app.call("POST", f"{MANAGE}/{pending}/verify", token=token, json={"otp": "000000"})
