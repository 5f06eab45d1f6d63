"""Destinations as a server may name them, and prompters that an app has brought."""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import pytest

from support.desk import Desk
from support.reader import Reader, desk_for
from support.several_ways import MAIL, PASSWORD, RECOVERY, TEXT, TOTP, SeveralWays
from upstile.client import (
    CallbackPrompter,
    NoMethodAvailable,
    Occasion,
    SendAgain,
)

pytestmark = pytest.mark.usefixtures("library")


HOSTILE: dict[str, dict[str, Any]] = {
    "no id": {},
    "an empty id": {"id": ""},
    "ten thousand characters": {"id": "x" * 10_000},
    "a control character": {"id": "em\n1"},
    "bidirectional": {"id": "em\u202e1"},
}


@pytest.mark.parametrize("changed", HOSTILE.values(), ids=HOSTILE)
def test_a_destination_that_cannot_be_named_is_not_offered(pays: Callable[..., int], changed: dict[str, Any]) -> None:
    bad = {**{name: value for name, value in MAIL.items() if name != "id"}, **changed}
    person = Reader("123456")
    desk, server = desk_for(person, bad, TOTP)
    assert pays(desk, server) == 200
    assert person.offered == [("totp",)]
    desk, server = desk_for(Reader(), bad)
    with pytest.raises(NoMethodAvailable, match="does not say where"):
        pays(desk, server)


def test_of_two_hundred_destinations_a_person_can_choose_from_eight_and_all_other_ways(
    pays: Callable[..., int],
) -> None:
    person = Reader("123456")
    desk, server = desk_for(person, *({**MAIL, "id": f"em{n}"} for n in range(200)), TOTP, RECOVERY)
    assert pays(desk, server) == 200
    assert len(person.offered[0]) == 10
    assert person.offered[0][-1] == "recovery_code"


def test_two_destinations_with_one_id_are_one(pays: Callable[..., int]) -> None:
    person = Reader()
    desk, server = desk_for(person, MAIL, {**TEXT, "id": "em1"})
    assert pays(desk, server) == 200
    assert person.offered == [("otp:em1",)]
    assert [way.words for way, _ in person.sent_to] == ["a code by mail to a•••@example.com"]


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        ({**MAIL, "hint": "a\x1b[2J\u202e•\n\n  Confirmed."}, "a code by mail to a [2J • Confirmed."),
        ({**MAIL, "hint": "x" * 500}, f"a code by mail to {'x' * 64}"),
        ({**MAIL, "hint": "\u200b"}, "a code by mail"),
        ({**TEXT, "hint": None}, "a text message"),
        ({**TEXT, "channel": "pigeon\x1b"}, "a code that is sent to •••12"),
        ({"method": "otp", "id": "x"}, "a code that you are sent"),
    ],
)
def test_what_others_say_of_a_destination_is_made_harmless(
    pays: Callable[..., int], offer: dict[str, Any], words: str
) -> None:
    person = Reader()
    desk, server = desk_for(person, offer)
    assert pays(desk, server) == 200
    assert [way.words for way, _ in person.sent_to] == [words]


def test_a_prompter_without_the_new_verbs_confirms_by_mail_all_the_same(pays: Callable[..., int]) -> None:
    desk = Desk()
    server = SeveralWays(desk, [PASSWORD, MAIL])
    asked: list[str] = []

    class Old:
        """What an app wrote before there were passwords, and choices with words."""

        def begin(self, occasion: Occasion, method: Any, others: Sequence[Any], cancel: Event) -> Any:
            asked.append(str(method))
            return method

        def code(self, label: str, cancel: Event) -> str:
            return server.last_code

        def pin(self, label: str, retries: int | None, cancel: Event) -> str:
            return ""

        def touch(self, label: str) -> None: ...

        def show_key_uri(self, uri: str) -> None: ...

        def rejected(self, attempts_left: int) -> None: ...

        def finished(self, accepted: bool) -> None: ...

    assert pays(desk, server, prompter=Old()) == 200
    assert desk.at("start")[0].form["authn_methods_supported"] == "totp otp recovery_code"
    assert asked == ["a code by mail to a•••@example.com"]


def test_functions_of_an_app_are_told_where_a_code_went_and_may_want_it_again(pays: Callable[..., int]) -> None:
    desk = Desk()
    server = SeveralWays(desk, [MAIL, TEXT])
    server.not_sent = {"em1"}
    told: list[object] = []
    wants = [SendAgain()]

    def code(label: str) -> str:
        if wants:
            raise wants.pop()
        return server.last_code

    prompter = CallbackPrompter(
        code=code, sent=lambda way, again_in: told.append((way.id, again_in)), not_sent=lambda way: told.append(way.id)
    )
    assert pays(desk, server, prompter=prompter) == 200
    assert told == ["otp:em1", ("otp:sm1", 30), ("otp:sm1", 30)]
    assert desk.at("start")[0].form["authn_methods_supported"] == "totp otp recovery_code"


def test_a_choice_may_be_named_by_its_id(pays: Callable[..., int]) -> None:
    desk = Desk()
    server = SeveralWays(desk, [MAIL, TEXT])
    prompter = CallbackPrompter(code=lambda label: server.last_code, begin=lambda occasion, way, others: others[0].id)
    assert pays(desk, server, prompter=prompter) == 200
    assert server.sent[0][0] == "sm1"
