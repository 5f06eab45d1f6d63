"""What a person writes: codes in any spelling are one code, and a name hides nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.spellings import SPELLINGS, Spelling
from upstile.protocol import (
    AnswerRequest,
    EnrollRequest,
    MalformedMessage,
    RenameRequest,
    Step,
    VerifyRequest,
    hides_something,
    is_spoken_code,
    plain_code,
    spoken_code,
)

ANSWER = {"client_id": "cli", "auth_session": "s", "authn_method": "totp"}


def test_the_table_has_twenty_spellings() -> None:
    assert len({spelling.of("012345") for spelling in SPELLINGS}) == 20


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.name)
def test_a_code_is_the_same_in_every_spelling(spelling: Spelling) -> None:
    for code in ("012345", "67890123", "7QKM0ZCD"):
        assert plain_code(spelling.of(code)) == code


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.name)
def test_every_message_that_brings_a_code_reads_it_in_every_spelling(spelling: Spelling) -> None:
    code = spelling.of("012345")
    assert AnswerRequest.from_members({**ANSWER, "otp": code}).otp == "012345"
    assert VerifyRequest.from_members({"otp": code}).otp == "012345"
    enrolment = EnrollRequest.from_members({"method": "totp", "name": "x", "enrolment_code": code})
    assert enrolment.enrolment_code == "012345"


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.name)
def test_a_code_that_is_read_aloud_is_the_same_in_every_spelling_and_with_look_alikes(spelling: Spelling) -> None:
    code = "7QKM0ZCD1A9W0E1X"
    for written in (code, "7qkmozcdia9w0elx", "7QKM-OZCD-LA9W-OEIX"):
        assert spoken_code(spelling.of(written)) == code
    assert is_spoken_code(code)


@pytest.mark.parametrize("code", ["", "7QKM0ZCD", "7QKM0ZCD1A9W0E1U", "7QKM0ZCD1A9W0E1X7", "7QKM0ZCD1A9W0E1O"])
def test_what_is_no_code_to_read_aloud_is_found_out(code: str) -> None:
    assert not is_spoken_code(code)


@pytest.mark.parametrize("result", ["delivered", "", 7, ["sent"], {"sent": 1}])
def test_a_result_that_nobody_knows_says_nothing(result: object) -> None:
    step = {"error": "insufficient_authorization", "auth_session": "s", "expires_in": 1, "attempts_left": 1}
    assert Step.from_members({**step, "authn_methods": [], "result": result}).result is None
    assert Step.from_members({**step, "authn_methods": [], "result": "not_sent"}).result == "not_sent"


def test_letters_of_a_code_are_the_same_in_either_case_and_in_full_width() -> None:
    for code in ("7qkm-0zcd", "\uff17\uff31\uff2b\uff2d\uff10\uff3a\uff23\uff24", "7\u212am0ZCD".replace("7", "7q")):
        assert plain_code(code) == "7QKM0ZCD"


@given(st.text())
def test_a_plain_code_is_its_own_plain_code(text: str) -> None:
    plain = plain_code(text)
    assert plain_code(plain) == plain
    assert plain.isalnum() or plain == ""


@pytest.mark.parametrize("other", ["112345", "01234", "0123456", "O12345", "", "012354"])
def test_another_code_stays_another_code(other: str) -> None:
    assert plain_code(other) != "012345"


HIDING = {
    "line feed": "phone\n",
    "carriage return": "phone\rkey",
    "escape": "\x1b[2Jphone",
    "null": "pho\x00ne",
    "delete": "phone\x7f",
    "next line": "phone\x85",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "half a surrogate pair": "a\ud800b",
    "right-to-left override": "\u202ephone",
    "right-to-left mark": "phone\u200f",
    "Arabic letter mark": "\u061cphone",
    "isolate": "\u2066phone\u2069",
    "zero width space": "pho\u200bne",
    "word joiner": "pho\u2060ne",
    "byte order mark": "\ufeffphone",
    "soft hyphen": "pho\u00adne",
    "Hangul filler": "phone\u3164",
    "tag": "phone\U000e0041",
    "blanks alone": "   ",
    "a joiner alone": "\u200d",
    "ideographic blank alone": "\u3000",
}


@pytest.mark.parametrize("name", HIDING.values(), ids=HIDING)
def test_a_name_that_hides_something_is_refused_and_not_repeated(name: str) -> None:
    for read in (
        lambda: RenameRequest.from_members({"name": name}),
        lambda: EnrollRequest.from_members({"method": "totp", "name": name}),
    ):
        with pytest.raises(MalformedMessage) as caught:
            read()
        assert str(caught.value).startswith("name: ")
        assert str(caught.value).isascii()
        assert str(caught.value).isprintable()


SHOWN = {
    "Latin": "Schlüssel",
    "Persian with a joiner": "\u06a9\u0644\u06cc\u062f\u200c\u0647\u0627",
    "Hindi with a joiner": "\u0915\u094d\u200d\u0937",
    "emoji with a joiner": "\U0001f469\u200d\U0001f4bb laptop",
    "emoji with a selector": "\u2764\ufe0f",
    "Chinese": "\u96fb\u8a71",
    "one character": "x",
    "a hundred": "n" * 100,
    "markup": "<b>",
    "quotes": "'; --",
}


@pytest.mark.parametrize("name", SHOWN.values(), ids=SHOWN)
def test_a_name_in_any_script_is_taken_as_it_is(name: str) -> None:
    assert RenameRequest.from_members({"name": name}).name == name
    assert not hides_something(name)


@pytest.mark.parametrize("name", ["", "n" * 101, "n" * 10_000])
def test_a_name_has_one_to_a_hundred_characters(name: str) -> None:
    with pytest.raises(MalformedMessage):
        RenameRequest.from_members({"name": name})
