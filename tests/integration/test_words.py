"""What refusals say on the wire: to the person what to do, to developers what was wrong."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from support.ada import Ada
from support.own_app import OwnApp, own_app
from support.wire_driver import WireApp, bank_app, enrolled_app, problem_of
from support.words import protocol_words_in, said_to_the_person
from upstile.client import CeremonyFailed
from upstile.client.testing import ScriptedPrompter
from upstile.server._words import WORDS

pytestmark = pytest.mark.anyio


async def _api_refusals(app: WireApp) -> AsyncGenerator[httpx.Response]:
    order = {"to": "ACME", "amount": "1.00"}
    yield await app.call("GET", "/balance", token="")
    yield await app.call("GET", "/balance", token="nonsense")
    yield await app.call("POST", "/transfers", json=order)
    yield await app.http.get("/balance", headers={"Authorization": f"DPoP {app.token}"})
    yield await app.call("POST", "/stepup/authenticators", json={"method": "smoke", "name": "x"})
    yield await app.call("POST", "/stepup/authenticators", json={"method": "totp"})
    yield await app.call("POST", "/stepup/authenticators/nobody/verify", json={"otp": "1"})


async def _ceremony_refusals(app: WireApp) -> AsyncGenerator[httpx.Response]:
    yield await app.post("/stepup/challenge", {})
    yield await app.post("/stepup/challenge", app.start_form("v" * 43, client_id="stranger"))
    yield await app.post("/stepup/challenge", app.start_form("v" * 43, subject_token="nonsense"))
    yield await app.post("/stepup/challenge", app.start_form("v" * 43, resource="https://elsewhere.example"))
    yield await app.post("/stepup/challenge", app.start_form("v" * 43, authorization_details='[{"type": "x"}]'))
    yield await app.post("/stepup/challenge", app.start_form("v" * 43, acr_values="phrh"))
    yield await app.http.post("/stepup/challenge", data=app.start_form("v" * 43))
    yield await app.post("/stepup/token", {"grant_type": "refresh_token"})
    yield await app.http.put("/stepup/token")
    started = await app.start()
    yield await app.answer(started, auth_session="nonsense", otp="1")
    for _ in range(4):
        await app.answer(started, otp="000000")
    yield await app.answer(started, otp="000000")


async def test_every_refusal_tells_the_person_what_to_do_in_no_word_of_the_protocol(tmp_path: Path) -> None:
    seen = set[str]()
    async with enrolled_app(tmp_path) as app:
        for refusals in (_api_refusals(app), _ceremony_refusals(app)):
            async for reply in refusals:
                body = reply.json()
                code = body["error"] if "error" in body else problem_of(reply)
                words = WORDS[code.replace("_", "-")]
                assert protocol_words_in(said_to_the_person(body)) == [], body
                assert words.next_step in said_to_the_person(body) or body["detail"] == "Confirm this transfer"
                assert body["hint"].endswith(words.hint)
                seen.add(code.replace("_", "-"))
    assert len(seen) >= 14, seen


async def test_what_exactly_was_wrong_is_in_the_hint_and_not_in_the_persons_words(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        api = (await app.call("GET", "/balance", token="nonsense")).json()
        ceremony = (await app.post("/stepup/challenge", {**app.start_form("v" * 43), "subject_token": "x"})).json()
    assert api["hint"].startswith("not a compact JWS: ")
    assert api["detail"] == WORDS["invalid-token"].next_step
    assert ceremony["error_description"].startswith("the subject token is not acceptable")
    assert ceremony["detail"] == WORDS["invalid-grant"].next_step


@pytest.fixture
async def routes(tmp_path: Path) -> AsyncGenerator[OwnApp]:
    """An application whose author gave no reasons."""
    async with own_app(tmp_path) as app:
        await app.sign_in()
        yield app


async def test_where_the_detail_is_the_authors_none_of_ours_takes_its_place(routes: OwnApp) -> None:
    from fastapi import Depends

    server = routes.server
    routes.api.get("/strong", dependencies=[Depends(server.require(acr="mfa"))])(lambda: None)
    routes.api.get("/scoped", dependencies=[Depends(server.require(scope="authenticators"))])(lambda: None)
    for path, problem in (("/strong", "insufficient-user-authentication"), ("/scoped", "insufficient-scope")):
        body = (await routes.call("GET", path)).json()
        assert body["type"].endswith(problem)
        assert "detail" not in body
        assert body["title"] == WORDS[problem].sentences


async def test_a_first_enrolment_that_is_refused_says_how_it_is_done(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        app.clock.now += 601
        reply = await app.enroll_totp()
    assert (reply.status_code, problem_of(reply)) == (403, "first-enrolment")
    assert reply.json()["detail"].startswith("Sign in again and set it up within ten minutes")


def test_who_is_locked_reads_when_to_try_again_and_no_word_of_the_protocol(ada: Ada) -> None:
    with ada.app() as client:
        client.step_up_auth.session.prompter = ScriptedPrompter(lambda: "000000")
        with pytest.raises(CeremonyFailed) as caught:
            client.post("/transfers", json={"to": "ACME", "amount": "1.00"})
    assert caught.value.diagnostics() == "Too many wrong codes. Wait 30 seconds."
    assert caught.value.error == "temporarily_locked"
    assert caught.value.hint.startswith("temporarily_locked: too many wrong answers")
    assert caught.value.hint not in caught.value.diagnostics()
