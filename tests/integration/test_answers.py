"""Answers to a step: codes, assertions, the session they belong to, and replies that were lost (upstile profile §3)."""

import asyncio
import json
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import pytest

from support.own_app import own_app
from support.tokens import claims_of, mint
from support.wire_driver import Passkey, enrolled_app, new_key, with_passkey
from upstile.protocol import base64url_encode
from upstile.server import SecurityEvent, StorageUnavailable
from upstile.server.authorization.ceremony import _answer
from upstile.server.authorization.user import _budgets
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


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


async def test_a_key_without_verification_never_reaches_phr(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
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
        await with_passkey(app)
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
        await with_passkey(app)
        assert app.passkey is not None
        started = await app.start(acr_values="phr")
        response = app.passkey.sign(started.offer("webauthn")["options"])
        response["response"][member] = base64url_encode(bytes_)
        reply = await app.answer(started, authn_method="webauthn", authn_response=json.dumps(response))
        assert (reply.status_code, reply.json()["result"], reply.json()["attempts_left"]) == (403, "rejected", 4)


async def test_another_users_passkey_is_rejected(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        reply = await app.assert_passkey(await app.start(acr_values="phr"), Passkey())
        assert (reply.status_code, reply.json()["result"]) == (403, "rejected")


async def test_an_assertion_is_good_for_its_own_step_only(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
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
        await with_passkey(app)
        started = await app.start(acr_values="phr")
        left = [
            (await app.assert_passkey(started, origin="https://evil.example")).json()["attempts_left"] for _ in range(4)
        ]
        last = await app.assert_passkey(started, origin="https://evil.example")
        assert left == [4, 3, 2, 1]
        assert (last.status_code, last.json()["error"], last.headers["retry-after"]) == (429, "temporarily_locked", "1")
        assert (await app.assert_passkey(await app.start(acr_values="phr"))).status_code == 200


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


async def test_the_subject_token_is_judged_again_before_the_code(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        short = await mint(tmp_path, {**claims_of(app.token), "exp": int(app.clock()) + 60})
        started = await app.start(subject_token=short)
        app.clock.now += 60
        assert (await app.answer(started, otp=app.code())).json()["error"] == "invalid_grant"


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


async def test_an_answer_that_could_not_be_judged_leaves_the_session_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        with monkeypatch.context() as broken:
            broken.setattr(SqliteStore, "account", _out_of_reach)
            reply = await app.answer(started, otp=app.code())
            assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
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


async def _out_of_reach(store: SqliteStore, user: object) -> list[Any]:
    raise StorageUnavailable("gone")


async def test_a_key_that_says_otherwise_than_at_its_registration_whether_it_is_backed_up_is_rejected(
    tmp_path: Path,
) -> None:
    async with enrolled_app(tmp_path) as app:
        await with_passkey(app)
        started = await app.start(acr_values="phr")
        reply = await app.assert_passkey(started, flags=0x0D)  # present, verified, and now eligible for backup
        assert (reply.status_code, reply.json()["result"]) == (403, "rejected")
        assert (await app.assert_passkey(started)).status_code == 200


async def test_a_guess_whose_request_is_given_up_is_counted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_budgets, "LAST_TRY", 1)
    monkeypatch.setattr(_answer, "LAST_TRY", 1)

    async def slow(event: SecurityEvent) -> None:
        if event.kind == "answer-rejected":
            await asyncio.sleep(60)

    async with own_app(tmp_path, notify=slow) as app:
        await app.sign_in()
        await app.enroll_totp()
        started = await app.start()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(app.answer(started, otp="000000"), 0.5)
        refused = (await app.start()).reply.json()
        assert refused["error"] == "unmet_authentication_requirements"
        assert "enrollable_methods" not in refused  # it is closed to unknown keys: another one would not help


@pytest.mark.parametrize("steps", [0, 4])
async def test_an_answer_that_is_judged_again_is_judged_as_of_when_it_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Otherwise one counted guess would be held against each code that comes while its nodes die."""
    async with enrolled_app(tmp_path) as app:
        form = app.answer_form(await app.start(), otp=app.code(steps))
        with monkeypatch.context() as dying:
            for written in ("write_right", "write_wrong"):
                dying.setattr(_answer, written, _dies)
            assert (await app.post("/stepup/challenge", form)).status_code == 503
        app.clock.now += 120
        assert ((await app.post("/stepup/challenge", form)).status_code == 200) is (steps == 0)


async def _dies(*_: object) -> None:
    raise StorageUnavailable("gone")
