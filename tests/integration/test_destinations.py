"""Where codes are sent is an authenticator: how it is enrolled, and what is none (upstile profile §8)."""

from dataclasses import replace
from pathlib import Path

import pytest

from support.mailbox import ADDRESS, Mailbox, begin, enroll, send, start
from support.own_app import own_app
from support.wire_driver import URL, problem_of, with_passkey
from support.wire_driver import new_key as new_proof_key
from upstile.server import SecurityEvent
from upstile.server.keys._sealed import needs, reseal
from upstile.server.keys._secret_keys import new_key
from upstile.server.methods import EmailCode, RecoveryCodes, SmsCode, Totp, WebAuthn

pytestmark = pytest.mark.anyio


async def test_first_codes_are_counted_with_the_others(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box)]) as app:
        await app.sign_in()
        for number in range(5):
            assert (await begin(app, f"{number}@example.com")).status_code == 201
        refused = await begin(app, "6@example.com")
        assert (refused.status_code, problem_of(refused)) == (429, "slow-down")
        assert int(refused.headers["retry-after"]) == 3600
        assert len(box.messages) == 5


async def test_a_destination_that_cannot_be_reached_is_not_enrolled_and_costs_nothing(tmp_path: Path) -> None:
    box = Mailbox(fault="raises")
    async with own_app(tmp_path, methods=[EmailCode(box)]) as app:
        await app.sign_in()
        failed = await begin(app)
        assert (failed.status_code, problem_of(failed)) == (503, "not-sent")
        listed = (await app.call("GET", "/stepup/authenticators")).json()
        assert listed == {"authenticators": []}
        box.fault = None
        for number in range(5):
            assert (await begin(app, f"{number}@example.com")).status_code == 201


async def test_an_enrolment_code_survives_a_mail_server_that_is_away(tmp_path: Path) -> None:
    box = Mailbox(fault="raises")
    async with own_app(tmp_path, methods=[EmailCode(box)]) as app:
        await app.sign_in()
        app.clock.now += 3600
        code = await app.server.enrolment_code("ada")
        assert problem_of(await begin(app, enrolment_code=code)) == "not-sent"
        box.fault = None
        assert (await begin(app, enrolment_code=code)).status_code == 201


@pytest.mark.parametrize(
    "destination",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\n",
        "ada@@example.com",
        f"{'a' * 250}@example.com",
        f"{'a' * 320}",
        "ada",
        "",
        "@example.com",
        "ada@example",
        "ada@127.0.0.1",
        "ada@exam ple.com",
        "Ada <ada@example.com>",
        "ada@example.com,eve@example.com",
        "ada@exa\u202emple.com",
        "ada.@example.com",
    ],
)
async def test_what_is_no_address_is_refused_and_nothing_is_sent(tmp_path: Path, destination: str) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box), SmsCode(box)]) as app:
        await app.sign_in()
        refused = await begin(app, destination)
        assert (refused.status_code, problem_of(refused)) == (400, "invalid-request")
        assert box.tried == []


async def test_who_has_only_a_weak_way_adds_a_stronger_one_as_if_it_were_the_first(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box), Totp(), WebAuthn(), RecoveryCodes()]) as app:
        await app.sign_in()
        await enroll(app, box)
        codes = {"method": "recovery_code", "name": "paper"}
        assert problem_of(await app.call("POST", "/stepup/authenticators", json=codes)) == "first-enrolment"
        assert (await app.enroll_totp()).status_code == 200
        assert (await app.enroll_passkey()).status_code == 401  # a stronger one is there now


async def test_nothing_that_was_begun_as_a_first_one_goes_on_once_something_reaches_a_bar(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box), Totp()]) as app:
        await app.sign_in()
        begun = (await begin(app)).json()
        assert (await app.enroll_totp()).status_code == 200
        path = f"/stepup/authenticators/{begun['id']}/verify"
        late = await app.call("POST", path, json={"otp": box.code})
        assert problem_of(late) == "verification-failed"


async def test_what_is_stored_shows_no_destination_and_can_be_sealed_anew(tmp_path: Path) -> None:
    box, old, new = Mailbox(), new_key().decode(), new_key().decode()
    methods = [EmailCode(box, reaches_mfa=True)]
    async with own_app(tmp_path, methods=methods, secret_keys=[old]) as app:
        await app.sign_in()
        id = await enroll(app, box)
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("bank.db*"))
    assert ADDRESS.encode() not in raw
    assert box.code.encode() not in raw
    async with own_app(tmp_path, methods=methods, secret_keys=[new, old]) as later:
        deployment = later.server._deployment
        assert (await needs(deployment.own.storage.durable, deployment.own.seal)).keys != {deployment.own.seal.current}
        await reseal(deployment.own.storage.durable, deployment.own.seal, URL, lambda _: None)
    async with own_app(tmp_path, methods=methods, secret_keys=[new]) as last:
        last.key, last.clock.now = app.key, app.clock.now + 60
        await last.sign_in()
        assert (await send(last, await start(last), id)).json()["result"] == "sent"
        assert box.messages[-1].destination == ADDRESS


async def test_a_first_code_is_tried_five_times(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box)]) as app:
        await app.sign_in()
        path = f"/stepup/authenticators/{(await begin(app)).json()['id']}/verify"
        for _ in range(5):
            wrong = await app.call("POST", path, json={"otp": "00000000"})
            assert problem_of(wrong) == "verification-failed"
        assert problem_of(await app.call("POST", path, json={"otp": box.code})) == "not-found"


async def test_a_first_code_is_good_for_600_s(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box)]) as app:
        await app.sign_in()
        path = f"/stepup/authenticators/{(await begin(app)).json()['id']}/verify"
        app.clock.now += 600
        assert problem_of(await app.call("POST", path, json={"otp": box.code})) == "not-found"


async def test_the_app_says_which_language_the_person_reads(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box)]) as app:
        await app.sign_in()
        for said, heard in {"de-AT,de;q=0.9": "de-AT", "*": None, "de\x7f": None, "en;q=0.1": "en"}.items():
            app.http.headers["accept-language"] = said
            await begin(app)
            assert box.messages[-1].language == heard


async def test_who_has_only_mailed_codes_moves_to_another_address_with_a_fresh_sign_in(tmp_path: Path) -> None:
    box = Mailbox()
    async with own_app(tmp_path, methods=[EmailCode(box)]) as app:
        await app.sign_in()
        old = f"/stepup/authenticators/{await enroll(app, box)}"
        assert problem_of(await app.call("DELETE", old)) == "last-authenticator"
        await enroll(app, box, "new@example.com")
        app.clock.now += 600
        assert problem_of(await app.call("DELETE", old)) == "first-enrolment"
        await app.sign_in()
        assert (await app.call("DELETE", old)).status_code == 204


async def test_the_owner_hears_of_a_beginning_whose_code_could_not_be_sent(tmp_path: Path) -> None:
    box, told = Mailbox(fault="raises"), list[SecurityEvent]()
    async with own_app(tmp_path, methods=[EmailCode(box)], notify=told.append) as app:
        await app.sign_in()
        assert problem_of(await begin(app)) == "not-sent"
        assert "enrolment-begun" in [event.kind for event in told]


async def test_a_stranger_gets_five_first_codes_in_an_hour_and_a_user_sends_ten_whatever_keys_they_have(
    tmp_path: Path,
) -> None:
    """Each text message costs money, and one may have an account of one's own, and as many keys as one likes."""
    box = Mailbox()
    async with own_app(tmp_path, methods=[WebAuthn(), Totp(), SmsCode(box)]) as app:
        await app.sign_in()
        await app.enroll_totp()
        await with_passkey(app)
        statuses: list[int] = []
        for number in range(16):
            key = replace(app, key=new_proof_key())
            await key.sign_in()
            token = await key.elevate(acr_values="phr", scope="authenticators", max_age="60")
            place = "+49 170 1234567" if number < 8 else f"+49 170 765432{number}"
            statuses.append((await begin(key, place, token=token)).status_code)
        assert statuses == [201] * 5 + [429] * 3 + [201] * 5 + [429] * 3
        assert [message.destination for message in box.messages].count("+491701234567") == 5
        other = replace(app, key=new_proof_key())
        await other.sign_in("bob")
        assert (await begin(other, "+491701234567")).status_code == 429
        app.clock.now += 3600
        await other.sign_in("bob")
        assert (await begin(other, "+491701234567")).status_code == 201
