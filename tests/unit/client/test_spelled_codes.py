"""A code that a person typed or pasted is handed on in one form, however it was spelled."""

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from support.spellings import SPELLINGS, Spelling
from upstile.client import StepUpCancelled, Totp
from upstile.client.methods import Moment
from upstile.client.testing import ScriptedPrompter
from upstile.protocol import EnrollResponse, Offer


def asked(code: str, work: Callable[[Totp, Moment], Any]) -> Any:
    """What the method hands on when the person gives this code."""
    prompter = ScriptedPrompter(lambda: code)
    return work(Totp(), Moment(prompter=prompter, cancel=Event(), webauthn_origin="https://api.example.com"))


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.name)
def test_a_code_is_handed_on_in_one_form(spelling: Spelling) -> None:
    code = spelling.of("012345")
    assert asked(code, lambda totp, moment: totp.answer(Offer(method="totp"), moment)) == {"otp": "012345"}
    pending = EnrollResponse(id="a", state="pending")
    assert asked(code, lambda totp, moment: totp.enroll(pending, moment)) == {"otp": "012345"}


@pytest.mark.parametrize("nothing", ["", " ", "\u200b", "-", "\u202f\n"])
def test_what_holds_no_code_is_not_sent_as_one(nothing: str) -> None:
    with pytest.raises(StepUpCancelled):
        asked(nothing, lambda totp, moment: totp.answer(Offer(method="totp"), moment))
