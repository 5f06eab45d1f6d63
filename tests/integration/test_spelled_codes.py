"""Codes in any spelling are right before anything is charged: one-time codes, first codes, enrolment codes."""

import re
from pathlib import Path

import pytest

from support.own_app import own_app
from support.spellings import SPELLINGS, Spelling
from support.wire_driver import enrolled_app, problem_of
from upstile.protocol import spoken_code
from upstile.server.authorization._spoken_code import new_code

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


async def test_a_one_time_code_is_right_in_every_spelling(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        for spelling in SPELLINGS:
            reply = await app.answer(await app.start(), otp=spelling.of(app.code()))
            assert reply.status_code == 200, spelling.name
            app.clock.now += 90


async def test_a_wrong_code_in_another_spelling_is_one_wrong_answer(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        wrong = f"{(int(app.code()) + 1) % 1_000_000:06}"
        left = [(await app.answer(started, otp=each.of(wrong))).json()["attempts_left"] for each in SPELLINGS[:4]]
        assert left == [4, 3, 2, 1]


async def test_a_used_code_is_no_fresh_one_in_another_spelling(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        code = app.code()
        assert (await app.answer(await app.start(), otp=code)).status_code == 200
        for spelling in SPELLINGS[-4:]:
            assert (await app.answer(await app.start(), otp=spelling.of(code))).json()["result"] == "rejected"


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.name)
async def test_a_first_code_and_an_enrolment_code_are_right_in_every_spelling(
    tmp_path: Path, spelling: Spelling
) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        app.clock.now += 700  # a sign-in too old to enrol by itself
        code = await app.server.enrolment_code("ada")
        wanted = {"method": "totp", "name": "phone", "enrolment_code": spelling.of(code.lower())}
        begun = await app.call("POST", PATH, json=wanted)
        assert begun.status_code == 201, begun.text
        again = await app.call("POST", PATH, json={**wanted, "enrolment_code": code})
        assert problem_of(again) == "first-enrolment"  # in whatever spelling, it was used up
        first = spelling.of(app.first_code(begun.json()["otpauth_uri"]))
        assert (await app.call("POST", f"{PATH}/{begun.json()['id']}/verify", json={"otp": first})).status_code == 200


async def test_an_enrolment_code_is_right_with_letters_for_the_digits_that_look_like_them(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        app.clock.now += 700
        code = ""
        while not {"0", "1"} <= set(code):
            code = await app.server.enrolment_code("ada")
        heard = code.translate(str.maketrans("01", "Ol"))
        assert (await app.enroll_totp(enrolment_code=heard)).json()["state"] == "active"


def test_an_enrolment_code_has_eighty_bits_and_no_letters_that_look_alike() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    assert spoken_code("oi1l-0O0o-abcd-efgh") == "01110000ABCDEFGH"
