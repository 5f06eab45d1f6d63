"""Ceremonies at the embedded authorization server, right and wrong (upstile profile §3, §4)."""

import json
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from support.wire_driver import URL, App, Passkey, bank_app, enrolled_app, error_of, mint, new_key, problem_of
from upstile.protocol import base64url_encode
from upstile.server import StorageUnavailable
from upstile.server.storage import SqlDurableStore

pytestmark = pytest.mark.anyio
ORDER = {"to": "ACME", "amount": "50.00"}


async def test_a_totp_ceremony_makes_the_challenged_call_succeed(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        assert (await app.call("POST", "/transfers", json=ORDER)).status_code == 401
        token = await app.elevate()
        reply = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert (reply.status_code, reply.json()["balance"]) == (200, "950.00")


async def test_a_password_login_one_second_old_can_step_up(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await app.sign_in()
        app.clock.now += 1
        assert (await app.call("POST", "/transfers", json=ORDER)).status_code == 401
        assert (await app.call("POST", "/transfers", token=await app.elevate(), json=ORDER)).status_code == 200


@pytest.mark.requirement("rfc9068-2.2-claims")
async def test_the_elevated_token_is_a_new_grant(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        base = _claims(app.token)
        token = _claims(await app.elevate())
        assert token["jti"] != base["jti"]
        assert token["sid"] == base["sid"]
        assert (token["acr"], token["amr"]) == ("mfa", ["otp", "pwd", "mfa"])
        assert token["auth_time"] == token["iat"] > base["auth_time"]
        assert (token["aud"], token["exp"] - token["iat"], token["cnf"]) == (URL, 300, base["cnf"])
        assert "single_use" not in token


async def test_a_password_older_than_twelve_hours_no_longer_counts(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        elevated = await app.elevate()
        claims = _claims(elevated)
        app.clock.now += 12 * 3600 - 30
        app.token = await mint(tmp_path, {**claims, "exp": int(app.clock()) + 300})
        started = await app.start()
        assert started.reply.json()["error"] in ("unmet_authentication_requirements", "invalid_grant")


async def test_a_passkey_reaches_phr(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        claims = _claims(await app.elevate(acr_values="phr", max_age=None))
        assert (claims["acr"], claims["amr"]) == ("phr", ["swk", "user", "mfa"])


async def test_an_answer_that_could_not_be_judged_leaves_the_session_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        with monkeypatch.context() as broken:
            broken.setattr(SqlDurableStore, "authenticators", _out_of_reach)
            reply = await app.answer(started, otp=app.code())
            assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
        assert (await app.answer(started, otp=app.code())).status_code == 200


async def _out_of_reach(store: SqlDurableStore, user: object) -> list[Any]:
    raise StorageUnavailable("gone")


async def test_totp_is_not_offered_for_phr(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start(acr_values="phr")
        body = started.reply.json()
        assert (started.reply.status_code, body["error"]) == (400, "unmet_authentication_requirements")
        assert body["enrollable_methods"] == ["webauthn"]
        assert body["enrollment_uri"].startswith(URL)


async def test_nobody_enrolled_is_told_what_could_be(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        assert (await app.start()).reply.json()["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize("acr", ["gold", "phrh"])
async def test_an_unknown_acr_is_unmet(tmp_path: Path, acr: str) -> None:
    async with enrolled_app(tmp_path) as app:
        assert (await app.start(acr_values=acr)).reply.json()["error"] == "unmet_authentication_requirements"


async def test_the_client_narrows_the_offer_and_never_widens_it(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        offers = (await app.start()).reply.json()["authn_methods"]
        assert [offer["method"] for offer in offers] == ["webauthn", "totp"]
        narrowed = (await app.start(authn_methods_supported="totp otp magic")).reply.json()["authn_methods"]
        assert [offer["method"] for offer in narrowed] == ["totp"]


async def test_user_verification_is_required_only_where_nothing_is_reachable_without(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        for acr, expected in {"mfa": "preferred", "phr": "required", "phr mfa": "preferred"}.items():
            options = (await app.start(acr_values=acr)).offer("webauthn")["options"]
            assert (acr, options["userVerification"]) == (acr, expected)


async def test_a_key_without_verification_is_one_factor_beside_the_password(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        started = await app.start(acr_values="mfa")
        reply = await app.assert_passkey(started, flags=0x01)
        token = await app.redeem(started, reply.json()["authorization_code"])
        assert _claims(token.json()["access_token"])["amr"] == ["swk", "user", "pwd", "mfa"]


async def test_a_key_without_verification_never_reaches_phr(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        started = await app.start(acr_values="phr")
        reply = await app.assert_passkey(started, flags=0x01)
        assert (reply.status_code, reply.json()["result"]) == (403, "rejected")


@pytest.mark.requirement("webauthn3-7.2-assertion")
@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"challenge": "AAAA"},
        {"flags": 0x04},
        {"handle": b"somebody else"},
        {"count": 0},
        {"client": {"crossOrigin": True}},
        {"client": {"type": "webauthn.create"}},
    ],
    ids=["origin", "rp id", "challenge", "not present", "another user", "sign count", "cross origin", "type"],
)
async def test_a_false_assertion_is_rejected(tmp_path: Path, lie: dict[str, Any]) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        if "count" in lie:
            await app.elevate(acr_values="phr")
        reply = await app.assert_passkey(await app.start(acr_values="phr"), **lie)
        assert (reply.status_code, reply.json().get("result")) == (403, "rejected")


@pytest.mark.parametrize(
    ("member", "bytes_"),
    [("clientDataJSON", b"\xff\xfe"), ("clientDataJSON", b"[" * 3000), ("authenticatorData", b"A" * 37)],
    ids=["no UTF-8", "deep", "flags without what they announce"],
)
async def test_an_assertion_that_no_key_makes_is_rejected_and_counted(
    tmp_path: Path, member: str, bytes_: bytes
) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        assert app.passkey is not None
        started = await app.start(acr_values="phr")
        response = app.passkey.sign(started.offer("webauthn")["options"])
        response["response"][member] = base64url_encode(bytes_)
        reply = await app.answer(started, authn_method="webauthn", authn_response=json.dumps(response))
        assert (reply.status_code, reply.json()["result"], reply.json()["attempts_left"]) == (403, "rejected", 4)


async def test_another_users_passkey_is_rejected(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        reply = await app.assert_passkey(await app.start(acr_values="phr"), Passkey())
        assert (reply.status_code, reply.json()["result"]) == (403, "rejected")


async def test_an_assertion_is_good_for_its_own_step_only(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        first, second = await app.start(acr_values="phr"), await app.start(acr_values="phr")
        assert app.passkey is not None
        signed = json.dumps(app.passkey.sign(first.offer("webauthn")["options"]))
        relayed = await app.answer(second, authn_method="webauthn", authn_response=signed)
        assert relayed.json()["result"] == "rejected"
        right = await app.answer(first, authn_method="webauthn", authn_response=signed)
        assert right.status_code == 200
        third = await app.start(acr_values="phr")
        replayed = await app.answer(third, authn_method="webauthn", authn_response=signed)
        assert replayed.json()["result"] == "rejected"


async def test_the_fifth_wrong_assertion_ends_the_ceremony_and_locks_nothing(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await _with_passkey(app)
        started = await app.start(acr_values="phr")
        left = [
            (await app.assert_passkey(started, origin="https://evil.example")).json()["attempts_left"] for _ in range(4)
        ]
        last = await app.assert_passkey(started, origin="https://evil.example")
        assert left == [4, 3, 2, 1]
        assert (last.status_code, last.json()["error"], last.headers["retry-after"]) == (429, "temporarily_locked", "1")
        assert (await app.assert_passkey(await app.start(acr_values="phr"))).status_code == 200


async def test_a_wrong_code_gives_another_step_with_a_new_session(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        old = started.auth_session
        reply = await app.answer(started, otp="000000")
        assert (reply.json()["result"], reply.json()["attempts_left"]) == ("rejected", 4)
        assert reply.json()["auth_session"] != old
        assert (await app.answer(started, otp=app.code())).status_code == 200


@pytest.mark.requirement("rfc6238-5.2-once")
async def test_a_totp_code_is_accepted_once(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        code = app.code()
        assert (await app.answer(await app.start(), otp=code)).status_code == 200
        assert (await app.answer(await app.start(), otp=code)).json()["result"] == "rejected"


async def test_one_step_back_is_accepted_and_none_ahead(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        app.clock.now += 300
        for steps, accepted in ((-2, False), (1, False), (-1, True)):
            reply = await app.answer(await app.start(), otp=app.code(steps))
            assert (steps, reply.status_code == 200) == (steps, accepted)


async def test_the_code_that_verified_the_enrolment_is_used(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        assert (await app.answer(await app.start(), otp=app.code(-1))).json()["result"] == "rejected"


async def test_a_session_belongs_to_its_key_and_client(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started, own = await app.start(), app.key
        app.key = new_key()
        assert (await app.answer(started, otp=app.code())).json()["error"] == "invalid_session"
        app.key = own
        assert (await app.answer(started, otp=app.code())).status_code == 200


async def test_an_unknown_session_is_invalid(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        reply = await app.answer(await app.start(), auth_session=token_urlsafe(32), otp=app.code())
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_session")


async def test_a_session_ends_after_five_minutes(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        app.clock.now += 300
        assert (await app.answer(started, otp=app.code())).json()["error"] == "invalid_session"


@pytest.mark.parametrize(
    "members",
    [{"otp": None}, {"authn_method": "webauthn", "authn_response": "{}"}, {"authn_method": "otp", "otp": "1"}],
    ids=["no code", "not offered", "unknown method"],
)
async def test_a_malformed_answer_judges_nothing(tmp_path: Path, members: dict[str, Any]) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        form = {name: value for name, value in app.answer_form(started, **members).items() if value is not None}
        reply = await app.post("/stepup/challenge", form)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")
        assert (await app.answer(started, otp=app.code())).status_code == 200


@pytest.mark.requirement("profile-3-lost-reply")
async def test_a_lost_reply_can_be_had_again_and_costs_nothing(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        wrong = app.answer_form(started, otp="000000")
        first = await app.post("/stepup/challenge", wrong)
        again = await app.post("/stepup/challenge", wrong)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        started.reply = first
        right = app.answer_form(started, otp=app.code())
        codes = [(await app.post("/stepup/challenge", right)).json() for _ in range(2)]
        assert codes[0] == codes[1]
        app.clock.now += 60
        assert (await app.post("/stepup/challenge", right)).json()["error"] == "invalid_session"


async def test_a_lost_reply_is_for_the_identical_form_and_key_only(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        form = app.answer_form(started, otp=app.code())
        assert (await app.post("/stepup/challenge", form)).status_code == 200
        other = await app.post("/stepup/challenge", {**form, "otp": "000000"})
        assert other.json()["error"] == "invalid_session"
        app.key = new_key()
        assert (await app.post("/stepup/challenge", form)).json()["error"] == "invalid_session"


async def test_a_start_needs_a_subject_token_of_this_client_key_and_resource(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        claims = _claims(app.token)
        faulty: dict[str, dict[str, Any]] = {
            "another client": {"client_id": "other"},
            "another resource": {"aud": "https://other.example"},
            "expired": {"exp": int(app.clock())},
            "single use": {"single_use": True},
            "no such login": {"sid": "unknown"},
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


async def test_the_subject_token_is_judged_again_before_the_code(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        short = await mint(tmp_path, {**_claims(app.token), "exp": int(app.clock()) + 60})
        started = await app.start(subject_token=short)
        app.clock.now += 60
        assert (await app.answer(started, otp=app.code())).json()["error"] == "invalid_grant"


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


@pytest.mark.requirement("rfc7636-4.6-verifier")
async def test_a_code_needs_its_verifier_client_and_key_and_stays_good(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        for changed in ({"code_verifier": token_urlsafe(48)}, {"code": "guess"}, {"redirect_uri": "http://localhost"}):
            reply = await app.redeem(started, code, **changed)
            assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        own, app.key = app.key, new_key()
        assert (await app.redeem(started, code)).json()["error"] == "invalid_grant"
        app.key = own
        assert (await app.redeem(started, code)).status_code == 200


@pytest.mark.requirement("rfc6749-4.1.2-code-once")
async def test_a_code_that_comes_twice_ends_its_token(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        token = (await app.redeem(started, code)).json()["access_token"]
        assert (await app.call("POST", "/transfers", token=token, json=ORDER)).status_code == 200
        assert (await app.redeem(started, code)).json()["error"] == "invalid_grant"
        reply = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")
        assert (await app.call("GET", "/balance")).status_code == 200


async def test_a_code_is_good_for_a_minute(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
        app.clock.now += 60
        assert (await app.redeem(started, code)).json()["error"] == "invalid_grant"


@pytest.mark.requirement("rfc7009-2.2-invalid")
async def test_a_revoked_token_is_dead_and_the_login_lives(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate()
        foreign = await app.post("/stepup/revoke", {"token": token, "client_id": "other"})
        assert foreign.json()["error"] == "invalid_client"
        assert (await app.call("POST", "/transfers", token=token, json=ORDER)).status_code == 200
        for text in (token, token, "nonsense"):
            form = {"token": text, "client_id": "bank-cli", "token_type_hint": "refresh_token"}
            assert (await app.post("/stepup/revoke", form)).status_code == 200
        reply = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")
        assert (await app.call("GET", "/balance")).status_code == 200


async def test_revoking_the_base_token_ends_all_that_stems_from_the_login(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate()
        waiting = await app.start()
        assert (await app.post("/stepup/revoke", {"token": app.token, "client_id": "bank-cli"})).status_code == 200
        for presented in (token, app.token):
            reply = await app.call("GET", "/balance", token=presented)
            assert (reply.status_code, error_of(reply)) == (401, "invalid_token")
        assert (await app.answer(waiting, otp=app.code())).json()["error"] == "invalid_grant"
        assert (await app.start()).reply.json()["error"] == "invalid_grant"


@pytest.mark.requirement("profile-4-single-use")
async def test_a_token_for_one_call_serves_once_and_only_there(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(max_age="0")
        assert _claims(token)["single_use"] is True
        elsewhere = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert (elsewhere.status_code, error_of(elsewhere)) == (401, "invalid_token")
        assert (await app.call("DELETE", "/account", token=token)).status_code == 200
        again = await app.call("DELETE", "/account", token=token)
        assert (again.status_code, problem_of(again)) == (401, "token-used")
        assert error_of(again) == "insufficient_user_authentication"


async def test_an_ordinary_token_never_serves_a_route_for_one_call(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        reply = await app.call("DELETE", "/account", token=await app.elevate(max_age="1"))
        assert (reply.status_code, error_of(reply)) == (401, "insufficient_user_authentication")


async def _with_passkey(app: App) -> None:
    token = await app.elevate(scope="authenticators", max_age="60")
    assert (await app.enroll_passkey(token)).status_code == 200


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
