"""Enrolment and self-service (upstile profile §8): a bearer token alone never enrols, a weak proof never changes."""

from pathlib import Path
from typing import Any

import jwt
import pytest

from support.tokens import mint
from support.wire_driver import Passkey, WireApp, bank_app, enrolled_app, error_of, new_key, problem_of
from upstile.server import App
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


async def test_a_fresh_bound_login_enrols_the_first_authenticator(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        entry = (await app.enroll_totp()).json()
        assert (entry["method"], entry["name"], entry["state"]) == ("totp", "phone", "active")
        listed = (await app.call("GET", PATH)).json()["authenticators"]
        assert [item["id"] for item in listed] == [entry["id"]]


@pytest.mark.requirement("profile-8-first")
async def test_a_bearer_token_alone_never_enrols_the_first_authenticator(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        body = {"username": "ada", "password": "correct horse"}
        token = (await app.http.post("/login", json=body)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        reply = await app.http.post(PATH, json={"method": "totp", "name": "thief"}, headers=headers)
        assert (reply.status_code, problem_of(reply)) == (403, "first-enrolment")


async def test_an_old_login_never_enrols_the_first_authenticator(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        app.clock.now += 601
        reply = await app.enroll_totp()
        assert (reply.status_code, problem_of(reply)) == (403, "first-enrolment")


async def test_another_token_of_the_same_login_is_not_the_login(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        claims = _claims(await app.sign_in())
        app.token = await mint(tmp_path, {**claims, "jti": "elevated"})
        assert problem_of(await app.enroll_totp()) == "first-enrolment"


async def test_an_enrolment_code_enrols_once_and_for_its_user_only(tmp_path: Path) -> None:
    server = StepUp.embedded(
        url="http://localhost:8000",
        storage=f"sqlite:///{tmp_path / 'bank.db'}",
        clients=[App("bank-cli", scopes={"payments"})],
        allow_insecure_loopback=True,
        clock=lambda: 1_800_000_000.0,
    )
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        code, foreign = await server.enrolment_code("ada"), await server.enrolment_code("eve")
        app.clock.now += 300
        for wrong in (foreign, "guess", code + "x"):
            app.token = await mint(tmp_path, {**_claims(app.token), "jti": "not the login's own"})
            assert problem_of(await app.enroll_totp(enrolment_code=wrong)) == "first-enrolment"
        assert (await app.enroll_totp(enrolment_code=code)).json()["state"] == "active"
    await server._deployment.aclose()


async def test_adding_a_second_authenticator_needs_the_strongest_proof(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        reply = await app.call("POST", PATH, json={"method": "webauthn", "name": "key"})
        assert (reply.status_code, error_of(reply)) == (401, "insufficient_user_authentication")
        assert reply.json()["acr_values"] == ["mfa"]
        assert (await app.enroll_passkey(await _manager(app))).status_code == 200
        again = await app.call("POST", PATH, json={"method": "webauthn", "name": "another"})
        assert again.json()["acr_values"] == ["phr"]


async def test_an_elevated_token_without_the_scope_changes_nothing(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(max_age="60")
        reply = await app.call("POST", PATH, token=token, json={"method": "totp", "name": "two"})
        assert reply.status_code in (401, 403)


async def test_a_ceremony_older_than_a_minute_changes_nothing(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await _manager(app)
        app.clock.now += 31
        reply = await app.call("POST", PATH, token=token, json={"method": "totp", "name": "two"})
        assert (reply.status_code, error_of(reply)) == (401, "insufficient_user_authentication")


async def test_a_wrong_first_code_leaves_the_authenticator_pending_and_five_end_it(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        pending = (await app.call("POST", PATH, json={"method": "totp", "name": "phone"})).json()
        replies = [await _verify(app, pending["id"], otp="000000") for _ in range(6)]
        assert [problem_of(reply) for reply in replies] == ["verification-failed"] * 5 + ["not-found"]
        assert (await app.call("GET", PATH)).json()["authenticators"] == []


async def test_a_pending_authenticator_is_listed_never_offered_and_forgotten(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        await app.call("POST", PATH, json={"method": "totp", "name": "phone"})
        (entry,) = (await app.call("GET", PATH)).json()["authenticators"]
        assert (entry["state"], entry["expires_in"]) == ("pending", 600)
        assert (await app.start()).reply.json()["error"] == "unmet_authentication_requirements"
        app.clock.now += 600
        assert (await app.call("GET", PATH)).json()["authenticators"] == []


async def test_who_began_an_enrolment_finishes_it(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        pending = (await app.call("POST", PATH, json={"method": "totp", "name": "phone"})).json()
        app.key = new_key()
        await app.sign_in()
        assert problem_of(await _verify(app, pending["id"], otp="000000")) == "not-found"


@pytest.mark.parametrize("flags", [0x41, 0x44], ids=["not verified", "not present"])
async def test_a_registration_needs_user_verification_and_presence(tmp_path: Path, flags: int) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        pending = (await app.call("POST", PATH, json={"method": "webauthn", "name": "key"})).json()
        assert pending["options"]["authenticatorSelection"]["userVerification"] == "required"
        response = Passkey().register(pending["options"], flags=flags)
        reply = await _verify(app, pending["id"], registration_response=response)
        assert (reply.status_code, problem_of(reply)) == (400, "verification-failed")
        right = Passkey().register(pending["options"])
        assert problem_of(await _verify(app, pending["id"], registration_response=right)) == "not-found"


@pytest.mark.requirement("webauthn3-7.1-unique")
async def test_a_credential_is_enrolled_once_whoever_brings_it(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        key = Passkey()
        replies = []
        for _ in range(2):
            pending = (await app.call("POST", PATH, json={"method": "webauthn", "name": "key"})).json()
            if "id" not in pending:
                app.passkey = key
                token = await app.elevate(acr_values="phr", scope="authenticators", max_age="60")
                pending = (await app.call("POST", PATH, token=token, json={"method": "webauthn", "name": "k"})).json()
            replies.append(await _verify(app, pending["id"], registration_response=key.register(pending["options"])))
        assert [reply.status_code for reply in replies] == [200, 400]
        assert problem_of(replies[1]) == "verification-failed"


async def test_a_malformed_registration_is_a_failed_verification_not_a_crash(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        for broken in ({}, {"id": 1}, {"id": "a", "rawId": "a", "type": "public-key", "response": {}}):
            pending = (await app.call("POST", PATH, json={"method": "webauthn", "name": "key"})).json()
            reply = await _verify(app, pending["id"], registration_response=broken)
            assert reply.status_code == 400


@pytest.mark.requirement("profile-8-last")
async def test_renaming_and_removing_need_the_strongest_proof_and_leave_one(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        (entry,) = (await app.call("GET", PATH)).json()["authenticators"]
        one = f"{PATH}/{entry['id']}"
        assert (await app.call("DELETE", one)).status_code == 401
        assert (await app.call("PATCH", one, json={"name": "mine"})).status_code == 401
        token = await _manager(app)
        assert (await app.call("PATCH", one, token=token, json={"name": "mine"})).json()["name"] == "mine"
        last = await app.call("DELETE", one, token=token)
        assert (last.status_code, problem_of(last)) == (409, "last-authenticator")
        key = (await app.enroll_passkey(token)).json()
        strong = await app.elevate(acr_values="phr", scope="authenticators", max_age="60")
        assert (await app.call("DELETE", one, token=strong)).status_code == 204
        only = await app.call("DELETE", f"{PATH}/{key['id']}", token=strong)
        assert problem_of(only) == "last-authenticator"


async def test_a_removed_authenticator_is_not_accepted_in_an_open_ceremony(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        (entry,) = (await app.call("GET", PATH)).json()["authenticators"]
        await app.enroll_passkey(await _manager(app))
        open_ceremony = await app.start(authn_methods_supported="totp")
        strong = await app.elevate(acr_values="phr", scope="authenticators", max_age="60")
        assert (await app.call("DELETE", f"{PATH}/{entry['id']}", token=strong)).status_code == 204
        reply = await app.answer(open_ceremony, otp=app.code())
        assert reply.status_code != 200


async def test_another_users_authenticator_is_not_found(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        (entry,) = (await app.call("GET", PATH)).json()["authenticators"]
        claims = _claims(await _manager(app))
        token = await mint(tmp_path, {**claims, "sub": "eve"})
        for method, path, body in (
            ("DELETE", f"{PATH}/{entry['id']}", None),
            ("PATCH", f"{PATH}/{entry['id']}", {"name": "x"}),
            ("POST", f"{PATH}/{entry['id']}/verify", {"otp": "000000"}),
        ):
            reply = await app.call(method, path, token=token, json=body)
            assert (method, reply.status_code, problem_of(reply)) == (method, 404, "not-found")


@pytest.mark.parametrize(
    "body", [{"method": "magic", "name": "x"}, {"method": "totp"}, {"method": "totp", "name": ""}, ["totp"]]
)
async def test_a_body_that_makes_no_sense_is_a_bad_request(tmp_path: Path, body: Any) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        reply = await app.call("POST", PATH, json=body)
        assert (reply.status_code, problem_of(reply)) == (400, "invalid-request")


async def _manager(app: WireApp) -> str:
    return await app.elevate(scope="authenticators", max_age="60")


async def _verify(app: WireApp, id: str, **proof: Any) -> Any:
    return await app.call("POST", f"{PATH}/{id}/verify", json=proof)


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
