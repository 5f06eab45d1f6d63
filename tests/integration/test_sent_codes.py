"""Codes by mail and text message: what counts, what is sent, what a mail server that fails costs (profile §3, §7)."""

from dataclasses import replace
from pathlib import Path
from threading import current_thread
from time import sleep

import pytest

from support.mailbox import ADDRESS, Mailbox, answer, enroll, send, start
from support.own_app import BANK_CLI, OwnApp, own_app
from support.wire_driver import new_key
from upstile.server import App, SecurityEvent
from upstile.server.authorization.methods import _code_message
from upstile.server.methods import CodeMessage, EmailCode, SmsCode, Totp

pytestmark = pytest.mark.anyio


async def test_a_mailed_code_confirms(tmp_path: Path) -> None:
    box, told = Mailbox(), list[SecurityEvent]()
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True)], notify=told.append, name="Bank") as app:
        await app.sign_in()
        id = await enroll(app, box)
        started = await start(app)
        assert started.reply.json()["authn_methods"] == [
            {"method": "otp", "id": id, "channel": "email", "hint": "a•••@example.com"}
        ]
        sent = await send(app, started, id)
        assert (sent.status_code, sent.json()["result"], sent.json()["resend_after"]) == (403, "sent", 30)
        assert sent.json()["expires_in"] == 600
        message = box.messages[-1]
        assert (message.destination, message.channel, len(message.code)) == (ADDRESS, "email", 8)
        assert (message.app, message.service, message.purpose, message.expires_in) == (
            "bank-cli",
            "Bank",
            "confirm",
            600,
        )
        assert message.code not in repr(message)
        assert "authorization_code" in (await answer(app, started, id, message.code)).json()
        assert {"code-sent", "ceremony-succeeded"} <= {event.kind for event in told}


async def test_a_weak_code_never_reaches_mfa_and_opens_what_any_proof_opens(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box), Totp()]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        unmet = (await start(app)).reply.json()
        assert (unmet["error"], unmet["enrollable_methods"]) == ("unmet_authentication_requirements", ["totp"])
        started = await start(app, acr_values=None)
        await send(app, started, id)
        code = (await answer(app, started, id, box.code)).json()["authorization_code"]
        assert (await app.redeem(started, code)).json().get("acr") is None


@pytest.mark.parametrize("after", [599, 601])
async def test_a_code_is_good_for_600_s(tmp_path: Path, after: int) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True)]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        started = await start(app)
        await send(app, started, id)
        app.clock.now += after
        reply = await answer(app, started, id, box.code)
        assert reply.status_code == (200 if after < 600 else 400)


async def test_a_code_that_expired_is_wrong_in_a_session_that_lives_on(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True)]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        started = await start(app)
        await send(app, started, id)
        app.clock.now += 590
        assert (await answer(app, started, id, "a guess")).json()["expires_in"] == 300
        app.clock.now += 9
        assert (await answer(app, started, id, "a guess")).json()["result"] == "rejected"
        app.clock.now += 1
        assert (await answer(app, started, id, box.code)).json()["result"] == "rejected"
        await send(app, started, id)
        assert (await answer(app, started, id, box.code)).status_code == 200


async def test_a_resend_kills_the_old_code_and_comes_no_sooner_than_said(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True)]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        started = await start(app)
        await send(app, started, id)
        first = box.code
        app.clock.now += 29
        early = await app.post("/stepup/challenge", app.answer_form(started, authn_method="otp", authn_id=id))
        assert (early.status_code, early.json()["error"], early.headers["retry-after"]) == (429, "slow_down", "1")
        app.clock.now += 1
        await send(app, started, id)
        assert (await answer(app, started, id, first)).json()["result"] == "rejected"
        assert (await answer(app, started, id, box.code)).status_code == 200


async def test_a_code_counts_only_where_and_for_whom_it_was_sent(tmp_path: Path) -> None:
    box, apps = Mailbox(), (BANK_CLI, App("other"))
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True)], clients=apps) as app:
        await app.sign_in()
        home = await enroll(app, box)
        work = await enroll(app, box, "work@example.com", token=await _elevated(app, box, home))
        one, other = await start(app), await start(app)
        await send(app, one, home)
        assert (await answer(app, other, home, box.code)).json()["result"] == "rejected"  # another session
        assert (await answer(app, one, work, box.code)).json()["result"] == "rejected"  # another destination
        another = replace(app, key=new_key())  # another device
        stolen = await another.answer(one, authn_method="otp", authn_id=home, otp=box.code)
        assert stolen.json()["error"] == "invalid_session"
        other_app = await app.as_client("other").answer(one, authn_method="otp", authn_id=home, otp=box.code)
        assert other_app.json()["error"] == "invalid_session"
        eve = replace(app, key=new_key())  # another user
        await eve.sign_in("eve")
        hers = await enroll(eve, box, "eve@example.com")
        evil = await start(eve)
        await send(eve, evil, hers)
        assert (await answer(app, one, home, box.code)).json()["result"] == "rejected"
        assert (await eve.answer(evil, authn_method="otp", authn_id=home)).json()["error"] == "invalid_request"
        assert (await eve.call("DELETE", f"/stepup/authenticators/{home}")).status_code in {401, 404}


async def test_a_code_is_good_once(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True), SmsCode(box)], amr=()) as app:
        await app.sign_in()
        id = await enroll(app, box)
        started = await start(app)
        assert started.reply.json()["error"] == "unmet_authentication_requirements"  # one factor, and no base
        started = await start(app, acr_values=None)
        await send(app, started, id)
        form = app.answer_form(started, authn_method="otp", authn_id=id, otp=box.code)
        right = await app.post("/stepup/challenge", form)
        assert "authorization_code" in right.json()
        assert (await app.post("/stepup/challenge", form)).json() == right.json()  # a lost reply, again
        spelled = {**form, "otp": f"{box.code[:4]} {box.code[4:]}"}
        assert (await app.post("/stepup/challenge", spelled)).json()["error"] == "invalid_session"


@pytest.mark.parametrize("fault", ["raises", "hangs"])
async def test_what_cannot_be_sent_says_so_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    monkeypatch.setattr(_code_message, "DELIVER_WITHIN", 0.05)
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True), Totp()]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        for _ in range(3):  # with the first code four of five
            started = await start(app)
            assert (await send(app, started, id)).json()["result"] == "sent"
        started, box.fault = await start(app), fault
        for failed in [await send(app, started, id) for _ in range(3)]:
            assert (failed.status_code, failed.json()["result"], failed.json()["attempts_left"]) == (403, "not_sent", 5)
            assert "resend_after" not in failed.json()
            assert failed.json()["authn_methods"][0]["method"] == "otp"
        box.fault = None
        assert (await send(app, started, id)).json()["result"] == "sent"
        assert (await answer(app, started, id, box.code)).status_code == 200
        assert "the deliver hook" in caplog.text
        assert not any(code in caplog.text for code in box.tried)


async def test_a_hook_that_says_it_failed_floods_nobody(tmp_path: Path) -> None:
    box = Mailbox(fault=None)
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True)]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        box.fault, before = "raises", len(box.tried)
        for _ in range(12):
            started = await start(app)
            if started.reply.status_code == 403:
                await app.post("/stepup/challenge", app.answer_form(started, authn_method="otp", authn_id=id))
            app.clock.now += 60
        assert len(box.tried) - before == 5


async def test_five_sends_by_a_thief_leave_the_owners_known_device_its_own_five(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True)]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        started = await start(app)
        await send(app, started, id)
        assert (await answer(app, started, id, box.code)).status_code == 200  # known from now on
        app.clock.now += 3600
        thief, before = replace(app, key=new_key()), len(box.messages)
        for _ in range(5):
            await thief.sign_in()
            assert (await send(thief, await start(thief), id)).json()["result"] == "sent"
        await thief.sign_in()
        assert (await start(thief)).reply.json()["error"] == "slow_down"
        assert len(box.messages) - before == 5
        await app.sign_in()
        owners = [await start(app) for _ in range(5)]
        assert [(await send(app, each, id)).json()["result"] for each in owners] == ["sent"] * 5
        assert (await answer(app, owners[-1], id, box.code)).status_code == 200
        assert len(box.messages) - before == 10


async def test_mail_and_text_message_are_two_channels_of_one_method(tmp_path: Path) -> None:
    mail, phone = Mailbox(), Mailbox()
    methods = [EmailCode(mail, reaches_mfa=True), SmsCode(phone, reaches_mfa=True, digits=6)]
    async with own_app(tmp_path, methods=methods) as app:
        await app.sign_in()
        first = await enroll(app, phone, "+49 (170) 123-4567")
        assert (phone.messages[0].destination, len(phone.code)) == ("+491701234567", 6)
        token = await _elevated(app, phone, first)
        second = await enroll(app, mail, "ada@straße.de", token=token)
        assert mail.messages[0].destination == "ada@xn--strae-oqa.de"
        offers = (await start(app)).reply.json()["authn_methods"]
        assert [(offer["id"], offer["channel"], offer["hint"]) for offer in offers] == [
            (second, "email", "a•••@xn--strae-oqa.de"),
            (first, "sms", "+49 ••• 67"),
        ]
        listed = (await app.call("GET", "/stepup/authenticators")).json()["authenticators"]
        assert {(one["method"], one["channel"]) for one in listed} == {("otp", "email"), ("otp", "sms")}
        started = await start(app)
        await send(app, started, second)
        assert (await answer(app, started, first, mail.code)).json()["result"] == "rejected"
        assert (await answer(app, started, second, mail.code)).status_code == 200


async def test_two_mailed_codes_are_one_factor(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box, reaches_mfa=True), Totp()], amr=("otp",)) as app:
        await app.sign_in()
        await enroll(app, box)
        assert (await start(app)).reply.json()["error"] == "unmet_authentication_requirements"


async def _elevated(app: OwnApp, box: Mailbox, id: str) -> str:
    started = await start(app, scope="authenticators", max_age="60")
    await send(app, started, id)
    code = (await answer(app, started, id, box.code)).json()["authorization_code"]
    return str((await app.redeem(started, code)).json()["access_token"])


async def test_a_plain_hook_has_a_thread_of_its_own_and_a_slow_one_is_waited_for(tmp_path: Path) -> None:
    box, threads = Mailbox(), list[str]()

    def deliver(message: CodeMessage) -> None:
        threads.append(current_thread().name)
        sleep(0.05)
        box.messages.append(message)

    async with own_app(tmp_path, methods=[EmailCode(deliver, reaches_mfa=True)]) as app:
        await app.sign_in()
        id = await enroll(app, box)
        started = await start(app)
        assert (await send(app, started, id)).json()["result"] == "sent"
        assert (await answer(app, started, id, box.code)).status_code == 200
        assert threads == ["upstile deliver"] * 2
