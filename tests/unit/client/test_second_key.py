"""A new security key among those that are plugged in."""

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from support.keys import enroll
from upstile.client import StepUpCancelled, WebAuthn
from upstile.client.methods import MethodUnavailable, Moment
from upstile.client.testing import ScriptedPrompter, VirtualKey
from upstile.protocol import EnrollResponse, base64url_encode

CHOOSE = "Touch the security key that you want to use"


def test_a_key_that_is_enrolled_gives_way_to_the_new_one() -> None:
    old, new = VirtualKey(pin="1234"), VirtualKey(pin="1234")
    excluded = enroll(old, "1234").credential_id
    for keys in ([old, new], [new, old]):
        touches, person = (old.touches, new.touches), ScriptedPrompter(pin="1234")
        _made(keys, person, excluded)
        assert (old.touches, new.touches) == (touches[0], touches[1] + 1)
        assert CHOOSE not in person.labels


def test_only_keys_that_are_enrolled_say_what_to_do() -> None:
    old = VirtualKey(pin="1234")
    excluded, touches = enroll(old, "1234").credential_id, old.touches
    with pytest.raises(MethodUnavailable, match="set up already") as caught:
        _made([old], ScriptedPrompter(pin="1234"), excluded)
    assert "plug in the new one" in str(caught.value.next_step)
    assert old.touches == touches


def test_of_several_new_keys_the_touch_decides() -> None:
    wanted, other = VirtualKey(pin="1234"), VirtualKey(pin="1234", touch="never")
    for keys in ([wanted, other], [other, wanted]):
        person, touches = ScriptedPrompter(pin="1234"), wanted.touches
        _made(keys, person)
        assert (wanted.touches, other.touches) == (touches + 2, 0)
        assert person.labels[0] == CHOOSE


def test_several_new_keys_and_no_touch_end_when_the_person_goes_away() -> None:
    cancel = Event()

    class Leaving(ScriptedPrompter):
        def touch(self, label: str) -> None:
            cancel.set()

    with pytest.raises(StepUpCancelled):
        _made([VirtualKey(touch="never"), VirtualKey(touch="never")], Leaving(), cancel=cancel)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (lambda: VirtualKey(), "has no PIN"),
        (lambda: VirtualKey(pin="1234", algorithms=[-257]), "cannot do what"),
    ],
)
def test_what_a_key_cannot_do_is_said_in_a_sentence(key: Callable[[], VirtualKey], says: str) -> None:
    with pytest.raises(MethodUnavailable, match=says):
        _made([key()], ScriptedPrompter(pin="1234"))


def _made(keys: list[VirtualKey], person: ScriptedPrompter, *excluded: bytes, cancel: Event | None = None) -> Any:
    options = {
        "rp": {"id": "api.example.com", "name": "Bank"},
        "user": {"id": "AAAA", "name": "ada", "displayName": "ada"},
        "challenge": "AAAA",
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        "excludeCredentials": [{"type": "public-key", "id": base64url_encode(id)} for id in excluded],
        "authenticatorSelection": {"userVerification": "required"},
    }
    moment = Moment(prompter=person, cancel=cancel or Event(), webauthn_origin="https://api.example.com")
    return WebAuthn(lambda: keys).enroll(EnrollResponse(id="a", state="pending", options=options), moment)
