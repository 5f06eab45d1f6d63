"""Starts: the token, the form and the proof they need, and what they ignore (upstile profile §3 "Start")."""

from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import pytest

from support.tokens import claims_of, mint
from support.wire_driver import URL, enrolled_app, new_key

pytestmark = pytest.mark.anyio


async def test_a_start_needs_a_subject_token_of_this_client_key_and_resource(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        claims = claims_of(app.token)
        faulty: dict[str, dict[str, Any]] = {
            "another client": {"client_id": "other"},
            "another resource": {"aud": "https://other.example"},
            "expired": {"exp": int(app.clock())},
            "single use": {"single_use": True},
            "no such login": {"sid": "unknown"},
            "somebody else's login": {"sub": "eve"},
            "several audiences, unbound": {"aud": [URL, "https://other.example"], "cnf": None},
        }
        for how, change in faulty.items():
            minted = {name: value for name, value in {**claims, **change}.items() if value is not None}
            reply = (await app.start(subject_token=await mint(tmp_path, minted))).reply
            assert (how, reply.status_code, reply.json()["error"]) == (how, 400, "invalid_grant")
        own, app.key = app.key, new_key()
        assert (await app.start()).reply.json()["error"] == "invalid_grant"
        app.key = own
        assert (await app.start()).reply.status_code == 403


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_id": "nobody"}, "invalid_client"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"subject_token": "x"}, "invalid_grant"),
        ({"subject_token": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"authn_method": "totp"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"authorization_details": '[{"type": "x"}]'}, "invalid_authorization_details"),
    ],
)
async def test_a_faulty_start_is_refused(tmp_path: Path, changed: dict[str, Any], error: str) -> None:
    async with enrolled_app(tmp_path) as app:
        reply = (await app.start(**changed)).reply
        assert (reply.status_code, reply.json()["error"], reply.headers["cache-control"]) == (400, error, "no-store")


@pytest.mark.requirement("rfc6749-3.2-parameters-once")
async def test_the_form_is_read_strictly(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        form = app.start_form(token_urlsafe(48))
        headers = {"DPoP": app.proof("POST", "/stepup/challenge"), "content-type": "application/x-www-form-urlencoded"}
        twice = "&".join((urlencode(form), "client_id=bank-cli"))
        assert (await app.http.post("/stepup/challenge", content=twice, headers=headers)).json()["error"] == (
            "invalid_request"
        )
        as_json = await app.http.post("/stepup/challenge", json=form, headers={"DPoP": headers["DPoP"]})
        assert as_json.json()["error"] == "invalid_request"


async def test_a_ceremony_without_or_with_a_used_proof_is_refused(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        form = app.start_form(token_urlsafe(48))
        assert (await app.http.post("/stepup/challenge", data=form)).json()["error"] == "invalid_dpop_proof"
        headers = {"DPoP": app.proof("POST", "/stepup/challenge")}
        assert (await app.http.post("/stepup/challenge", data=form, headers=headers)).status_code == 403
        again = await app.http.post("/stepup/challenge", data=form, headers=headers)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_dpop_proof")


async def test_an_auth_session_at_a_start_is_ignored(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        waiting = await app.start()
        for given in (waiting.auth_session, token_urlsafe(32), ""):
            started = await app.start(auth_session=given)
            assert started.reply.status_code == 403
            assert started.auth_session not in (given, waiting.auth_session)
        assert (await app.answer(waiting, otp=app.code())).status_code == 200


async def test_names_that_nobody_knows_here_are_kept_nowhere(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        strange = {
            "acr_values": "odd-acr mfa",
            "scope": "payments odd-scope",
            "authn_methods_supported": "totp odd-way",
        }
        assert (await app.start(**strange)).reply.status_code == 403
        refused = (await app.start(acr_values="odd-acr")).reply.json()
        assert refused["error"] == "unmet_authentication_requirements"
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("bank.db*"))
    assert b"payments" in kept
    assert b"odd-" not in kept
