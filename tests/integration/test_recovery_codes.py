"""Recovery codes: shown once, good once, beside other methods alone (upstile profile §4, §7, §8)."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.mailbox import start
from support.own_app import OwnApp, own_app
from support.wire_driver import Started, new_key, problem_of, thumbprint
from upstile.server import SecurityEvent
from upstile.server.methods import RecoveryCodes, Totp

pytestmark = pytest.mark.anyio
METHODS = (Totp(), RecoveryCodes(reaches_mfa=True))


async def _codes(app: OwnApp) -> tuple[str, list[str]]:
    """A fresh set beside an authenticator app: its identifier, the codes."""
    await app.sign_in()
    await app.enroll_totp()
    token = await app.elevate(scope="authenticators", max_age="60")
    made = await _make(app, token)
    assert (made.status_code, made.json()["state"]) == (201, "active")
    app.clock.now += 30
    return made.json()["id"], made.json()["codes"]


async def _make(app: OwnApp, token: str | None = None) -> Any:
    body = {"method": "recovery_code", "name": "paper"}
    return await app.call("POST", "/stepup/authenticators", token=token, json=body)


async def _use(app: OwnApp, started: Started, code: str) -> Any:
    return await app.answer(started, authn_method="recovery_code", otp=code)


async def _listed(app: OwnApp, id: str) -> dict[str, Any]:
    listed = (await app.call("GET", "/stepup/authenticators")).json()["authenticators"]
    return next(one for one in listed if one["id"] == id)


async def test_ten_codes_are_shown_once_and_each_serves_once(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=METHODS) as app:
        id, codes = await _codes(app)
        assert len(set(codes)) == 10
        assert all(len(code) == 19 and code.count("-") == 3 for code in codes)
        assert (await _listed(app, id))["codes_left"] == 10
        assert "authorization_code" in (await _use(app, await start(app), codes[4])).json()
        assert (await _use(app, await start(app), codes[4])).json()["result"] == "rejected"
        assert (await _listed(app, id))["codes_left"] == 9
        stored = str(await app.server.export_user("ada"))
        raw = b"".join(path.read_bytes() for path in tmp_path.glob("bank.db*"))
        assert not any(code in stored or code.encode() in raw for code in codes)


@pytest.mark.parametrize("spelling", ["lower", "blanks", "no hyphens", "look-alike"])
async def test_however_a_code_is_typed_it_is_the_same(tmp_path: Path, spelling: str) -> None:
    async with own_app(tmp_path, methods=METHODS) as app:
        _, codes = await _codes(app)
        spelled = {
            "lower": codes[0].lower(),
            "blanks": f"  {codes[0].replace('-', ' ')} ",
            "no hyphens": codes[0].replace("-", ""),
            "look-alike": codes[0].replace("0", "O").replace("1", "l"),
        }[spelling]
        assert "authorization_code" in (await _use(app, await start(app), spelled)).json()


async def test_without_the_opt_in_a_code_never_reaches_mfa(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[Totp(), RecoveryCodes()]) as app:
        _, codes = await _codes(app)
        assert [offer["method"] for offer in (await start(app)).reply.json()["authn_methods"]] == ["totp"]
        any_proof = await start(app, acr_values=None)
        assert "recovery_code" in [offer["method"] for offer in any_proof.reply.json()["authn_methods"]]
        code = (await _use(app, any_proof, codes[0])).json()["authorization_code"]
        assert "acr" not in (await app.redeem(any_proof, code)).json()


async def test_codes_are_never_the_first_never_the_last_and_one_set(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=METHODS) as app:
        await app.sign_in()
        assert problem_of(await _make(app)) == "first-enrolment"
        code = await app.server.enrolment_code("ada")
        body = {"method": "recovery_code", "name": "paper", "enrolment_code": code}
        assert problem_of(await app.call("POST", "/stepup/authenticators", json=body)) == "first-enrolment"
        id, _ = await _codes(app)
        token = await app.elevate(scope="authenticators", max_age="60")
        assert problem_of(await _make(app, token)) == "invalid-request"
        phone = next(
            one["id"]
            for one in (await app.call("GET", "/stepup/authenticators")).json()["authenticators"]
            if one["id"] != id
        )
        last = await app.call("DELETE", f"/stepup/authenticators/{phone}", token=token)
        assert problem_of(last) == "last-authenticator"
        assert (await app.call("DELETE", f"/stepup/authenticators/{id}", token=token)).status_code == 204


async def test_new_codes_void_the_old_ones_and_end_what_came_of_them(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, methods=METHODS, notify=told.append) as app:
        id, old = await _codes(app)
        other = await app.elevate()
        app.clock.now += 30
        path = f"/stepup/authenticators/{id}/regenerate"
        assert (await app.call("POST", path)).status_code == 401
        token = await app.elevate(scope="authenticators", max_age="60")
        new = (await app.call("POST", path, token=token)).json()
        assert (new["id"] != id, new["state"], len(new["codes"])) == (True, "active", 10)
        assert not set(new["codes"]) & set(old)
        assert (await app.call("GET", "/me", token=other)).status_code == 401
        app.clock.now += 30
        started = await start(app)
        assert (await _use(app, started, old[0])).json()["result"] == "rejected"
        assert "authorization_code" in (await _use(app, started, new["codes"][0])).json()
        phone = (await app.call("GET", "/stepup/authenticators")).json()["authenticators"][0]["id"]
        token = await app.elevate(scope="authenticators", max_age="60")
        refused = await app.call("POST", f"/stepup/authenticators/{phone}/regenerate", token=token)
        assert problem_of(refused) == "invalid-request"
        assert {"recovery-codes-regenerated", "recovery-code-used"} <= {event.kind for event in told}


async def test_what_a_stolen_code_let_begin_and_the_keys_it_made_known_go_with_new_codes(tmp_path: Path) -> None:
    methods = [Totp(), RecoveryCodes(reaches_mfa=True)]
    async with own_app(tmp_path, methods=methods) as app:
        id, codes = await _codes(app)
        thief = replace(app, key=new_key())
        await thief.sign_in()
        started = await start(thief, scope="authenticators", max_age="60", acr_values="mfa")
        code = (await _use(thief, started, codes[0])).json()["authorization_code"]
        token = (await thief.redeem(started, code)).json()["access_token"]
        path = "/stepup/authenticators"
        begun = (await thief.call("POST", path, token=token, json={"method": "totp", "name": "mine"})).json()
        app.clock.now += 61
        change = await app.elevate(scope="authenticators", max_age="60")
        assert (await app.call("POST", f"{path}/{id}/regenerate", token=change)).status_code == 200
        first = replace(thief).first_code(begun["otpauth_uri"])
        reply = await thief.call("POST", f"{path}/{begun['id']}/verify", json={"otp": first})
        assert problem_of(reply) == "not-found"
        assert set((await app.server.export_user("ada"))["counted"]["known"]) == {thumbprint(app.key)}


async def test_the_owner_is_told_of_each_use_and_when_three_are_left(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, methods=METHODS, notify=told.append) as app:
        _, codes = await _codes(app)
        for number, code in enumerate(codes, 1):
            app.clock.now += 61
            reply = (await _use(app, await start(app), code)).json()
            assert ("authorization_code" in reply, reply["recovery_codes_left"]) == (True, 10 - number)
            assert [event.detail for event in told if event.kind == "recovery-code-used"][-1] == str(10 - number)
            kinds = [event.kind for event in told]
            assert kinds.count("recovery-code-used") == number
            assert kinds.count("recovery-codes-low") == (number >= 7)


async def test_of_two_codes_at_once_both_serve_and_neither_serves_again(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=METHODS) as app:
        id, codes = await _codes(app)
        one, other = await start(app), await start(app)
        replies = await asyncio.gather(_use(app, one, codes[0]), _use(app, other, codes[1]))
        assert [reply.status_code for reply in replies] == [200, 200]
        assert (await _listed(app, id))["codes_left"] == 8
        for code in codes[:2]:
            assert (await _use(app, await start(app), code)).json()["result"] == "rejected"


async def test_guesses_at_codes_are_counted_like_any(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=METHODS) as app:
        await _codes(app)
        started = await start(app)
        for left in (4, 3, 2, 1):
            assert (await _use(app, started, "0000-0000-0000-0000")).json()["attempts_left"] == left
        assert (await _use(app, started, "0000-0000-0000-0000")).json()["error"] == "temporarily_locked"


async def test_paper_that_reaches_nothing_makes_no_key_known(tmp_path: Path) -> None:
    """Each known key has a hundred guesses of its own: the thief who has the paper would get ten times as many."""
    async with own_app(tmp_path, methods=[Totp(), RecoveryCodes()]) as app:
        _, codes = await _codes(app)
        thief = replace(app, key=new_key())
        await thief.sign_in()
        assert (await _use(thief, await start(thief, acr_values=None), codes[0])).status_code == 200
        assert set((await app.server.export_user("ada"))["counted"]["known"]) == {thumbprint(app.key)}
