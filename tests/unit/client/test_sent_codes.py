"""Codes by mail and text message: which destination, sent again, another way, and a server that misbehaves."""

from collections.abc import Callable, Iterator, Sequence
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from support.desk import Desk
from support.several_ways import MAIL, PASSWORD, RECOVERY, TEXT, TOTP, SeveralWays
from upstile.client import (
    AnotherWay,
    CallbackPrompter,
    CeremonyFailed,
    NoMethodAvailable,
    Occasion,
    Otp,
    Password,
    RecoveryCode,
    SendAgain,
    StepUpCancelled,
    Totp,
    Way,
)
from upstile.client.testing import ScriptedPrompter

pytestmark = pytest.mark.usefixtures("library")

METHODS = [Totp(), Otp(), Password(), RecoveryCode()]


class Reader(ScriptedPrompter):
    """A person who reads what was sent last; what they do first stands in a script."""

    def __init__(self, *script: str | Exception, **options: Any) -> None:
        super().__init__(self._next, **options)
        self._script = list(script)
        self.server: SeveralWays | None = None
        self.offered: list[tuple[str, ...]] = []

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way:
        self.offered.append((way.id, *(other.id for other in others)))
        return super().begin(occasion, way, others, cancel)

    def _next(self) -> str:
        if self._script:
            planned = self._script.pop(0)
            if isinstance(planned, Exception):
                raise planned
            return planned
        assert self.server is not None
        return self.server.last_code


def _desk(person: ScriptedPrompter, *offers: dict[str, Any]) -> tuple[Desk, SeveralWays]:
    desk = Desk()
    desk.person = person
    server = SeveralWays(desk, offers)
    if isinstance(person, Reader):
        person.server = server
    return desk, server


@pytest.fixture
def pays() -> Iterator[Callable[..., int]]:
    servers: list[SeveralWays] = []

    def pay(desk: Desk, server: SeveralWays, **options: Any) -> int:
        servers.append(server)
        with desk.client(methods=METHODS, **options) as bank:
            return int(bank.post("/transfers").status_code)

    yield pay
    assert [violation for server in servers for violation in server.violations] == []


def test_of_two_destinations_the_one_that_the_person_names_gets_the_code(pays: Callable[..., int]) -> None:
    person = Reader(choose="otp:sm1")
    desk, server = _desk(person, MAIL, TEXT)
    assert pays(desk, server) == 200
    assert server.sent == [("sm1", "00000001")]
    assert [way.words for way, _ in person.sent_to] == ["a text message to •••12"]
    assert person.sent_to[0][1] == 30
    forms = [sent.form for sent in desk.at("answer")]
    assert [(form["authn_id"], form.get("otp")) for form in forms] == [("sm1", None), ("sm1", "00000001")]
    assert person.labels == ["Code from the text message"]


@pytest.mark.parametrize("digits", [6, 8])
def test_six_and_eight_digits_do_and_what_cannot_be_a_code_costs_no_try(pays: Callable[..., int], digits: int) -> None:
    person = Reader("1234567", "hunter2")
    desk, server = _desk(person, MAIL)
    server.digits = digits
    assert pays(desk, server) == 200
    assert len(desk.at("answer")) == 2
    assert person.labels[1] == "Not six or eight digits. Code from the mail"


def test_a_code_that_is_sent_again_replaces_the_first(pays: Callable[..., int]) -> None:
    person = Reader(SendAgain())
    desk, server = _desk(person, MAIL)
    assert pays(desk, server) == 200
    assert [code for _, code in server.sent] == ["00000001", "00000002"]
    assert desk.at("answer")[-1].form["otp"] == "00000002"


def test_a_wrong_code_is_asked_for_again_and_is_not_sent_again(pays: Callable[..., int]) -> None:
    person = Reader("99999999")
    desk, server = _desk(person, MAIL)
    assert pays(desk, server) == 200
    assert len(server.sent) == 1
    assert person.attempts_left == [4]
    assert len(person.offered) == 1


def test_who_wants_another_way_is_offered_the_others_first_and_may_come_back_without_another_code(
    pays: Callable[..., int],
) -> None:
    person = Reader(AnotherWay(), AnotherWay(), "123456")
    desk, server = _desk(person, MAIL, TOTP)
    assert pays(desk, server) == 200
    assert person.offered == [("totp", "otp:em1"), ("otp:em1", "totp"), ("totp", "otp:em1")]
    assert [way.id for way, _ in person.sent_to] == ["otp:em1"]


def test_who_comes_back_to_a_destination_is_told_that_the_code_is_there(pays: Callable[..., int]) -> None:
    person = Reader(AnotherWay(), AnotherWay(), AnotherWay())
    desk, server = _desk(person, MAIL, TEXT)
    assert pays(desk, server) == 200
    assert [where for where, _ in server.sent] == ["em1", "sm1"]
    assert [way.id for way, _ in person.sent_to] == ["otp:em1", "otp:sm1", "otp:em1", "otp:sm1"]


def test_of_two_addresses_the_code_of_the_first_is_void_once_the_second_has_one(pays: Callable[..., int]) -> None:
    person = Reader(AnotherWay(), AnotherWay())
    desk, server = _desk(person, MAIL, {**MAIL, "id": "em2"})
    assert pays(desk, server) == 200
    assert [where for where, _ in server.sent] == ["em1", "em2", "em1"]


def test_a_code_that_is_dead_by_then_is_sent_anew(pays: Callable[..., int]) -> None:
    desk, server = _desk(person := Reader(), MAIL)
    asked = person.code

    def slowly(label: str, cancel: Event) -> str:
        if len(server.sent) == 1:
            desk.monotonic.move(601)
            raise AnotherWay
        return asked(label, cancel)

    person.code = slowly  # type: ignore[method-assign]
    server.desk.always("answer", lambda sent: _lasting(server, sent))
    assert pays(desk, server) == 200
    assert len(server.sent) == 2


def _lasting(server: SeveralWays, sent: Any) -> httpx.Response:
    """A step of a server whose sessions live for a thousand seconds."""
    reply = server._answer(sent)
    return httpx.Response(reply.status_code, json={**reply.json(), "expires_in": 1000})


def test_a_person_who_always_wants_another_way_is_not_asked_for_ever(pays: Callable[..., int]) -> None:
    desk, server = _desk(Reader(*[AnotherWay()] * 100), TOTP, RECOVERY)
    with pytest.raises(NoMethodAvailable, match="no other way"):
        pays(desk, server)


def test_a_code_that_could_not_be_sent_is_said_and_another_way_comes_first(pays: Callable[..., int]) -> None:
    person = Reader()
    desk, server = _desk(person, MAIL, TEXT)
    server.not_sent = {"em1"}
    assert pays(desk, server) == 200
    assert [way.id for way in person.not_sent_to] == ["otp:em1"]
    assert person.offered == [("otp:em1", "otp:sm1"), ("otp:sm1", "otp:em1")]
    assert server.sent == [("sm1", "00000001")]


def test_who_wants_it_once_more_gets_it_and_a_third_time_is_not_tried(pays: Callable[..., int]) -> None:
    person = Reader("123456", choose="otp:em1")
    desk, server = _desk(person, MAIL, TOTP)
    server.not_sent = {"em1"}
    assert pays(desk, server) == 200
    assert len(person.not_sent_to) == 2
    assert person.offered[-1] == ("totp",)


def test_where_nothing_else_is_there_it_is_one_sentence(pays: Callable[..., int]) -> None:
    desk, server = _desk(Reader(), MAIL)
    server.not_sent = {"em1"}
    with pytest.raises(NoMethodAvailable) as caught:
        pays(desk, server)
    assert caught.value.diagnostics().startswith("The code could not be sent. Try again in a few minutes")
    assert len(desk.at("answer")) == 1


def test_where_no_more_codes_are_sent_the_ceremony_goes_on_in_another_way(pays: Callable[..., int]) -> None:
    person = Reader("123456", choose="otp:em1")
    desk, server = _desk(person, MAIL, TOTP)
    server.refuses_sends = 900
    assert pays(desk, server) == 200
    assert person.offered == [("totp", "otp:em1"), ("totp",)]


def test_where_only_a_second_one_is_refused_the_first_still_counts(pays: Callable[..., int]) -> None:
    desk, server = _desk(person := Reader(), MAIL)
    asked = person.code

    def impatient(label: str, cancel: Event) -> str:
        if server.refuses_sends is None:
            server.refuses_sends = 900
            raise SendAgain
        return asked(label, cancel)

    person.code = impatient  # type: ignore[method-assign]
    assert pays(desk, server) == 200
    assert [again_in for _, again_in in person.sent_to] == [30, None]


def test_who_goes_on_wanting_what_is_refused_is_told_how_long_to_wait(pays: Callable[..., int]) -> None:
    desk, server = _desk(person := Reader(), MAIL)

    def stubborn(label: str, cancel: Event) -> str:
        server.refuses_sends = 900
        raise SendAgain

    person.code = stubborn  # type: ignore[method-assign]
    with pytest.raises(CeremonyFailed, match="Not just now") as caught:
        pays(desk, server)
    assert caught.value.retry_after == 900
    assert len(desk.at("answer")) < 10


@pytest.mark.parametrize(("seconds", "told"), [(0, 0), (31_536_000, None)])
def test_how_long_to_wait_is_told_only_where_it_ends_in_this_ceremony(
    pays: Callable[..., int], seconds: int, told: float | None
) -> None:
    desk, server = _desk(person := Reader(), MAIL)
    desk.always("answer", lambda sent: _changed(server, sent, resend_after=seconds))
    assert pays(desk, server) == 200
    assert person.sent_to[0][1] == told


def test_a_negative_wait_is_no_step(pays: Callable[..., int]) -> None:
    desk, server = _desk(Reader(), MAIL)
    desk.always("answer", lambda sent: _changed(server, sent, resend_after=-1))
    with pytest.raises(CeremonyFailed, match="does not understand"):
        pays(desk, server)


def _changed(server: SeveralWays, sent: Any, **changed: Any) -> httpx.Response:
    reply = server._answer(sent)
    if reply.status_code != 403:
        return reply
    return httpx.Response(403, json={**reply.json(), **changed})


def test_a_result_that_nobody_knows_asks_the_person_anew(pays: Callable[..., int]) -> None:
    desk, server = _desk(person := Reader(choose="otp:em1"), MAIL, TOTP)
    results = iter(["queued", "sent"])
    desk.always("answer", lambda sent: _changed(server, sent, result=next(results, None)))
    assert pays(desk, server) == 200
    assert len(person.offered) == 2
    assert [way.id for way, _ in person.sent_to] == ["otp:em1"]
    assert not person.not_sent_to


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
    desk, server = _desk(person, bad, TOTP)
    assert pays(desk, server) == 200
    assert person.offered == [("totp",)]
    desk, server = _desk(Reader(), bad)
    with pytest.raises(NoMethodAvailable, match="does not say where"):
        pays(desk, server)


def test_of_two_hundred_destinations_a_person_can_choose_from_eight_and_all_other_ways(
    pays: Callable[..., int],
) -> None:
    person = Reader("123456")
    desk, server = _desk(person, *({**MAIL, "id": f"em{n}"} for n in range(200)), TOTP, RECOVERY)
    assert pays(desk, server) == 200
    assert len(person.offered[0]) == 10
    assert person.offered[0][-1] == "recovery_code"


def test_two_destinations_with_one_id_are_one(pays: Callable[..., int]) -> None:
    person = Reader()
    desk, server = _desk(person, MAIL, {**TEXT, "id": "em1"})
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
    desk, server = _desk(person, offer)
    assert pays(desk, server) == 200
    assert [way.words for way, _ in person.sent_to] == [words]


def test_a_lost_reply_to_a_send_is_asked_for_again_and_not_sent_again(pays: Callable[..., int]) -> None:
    desk, server = _desk(Reader(), MAIL)
    replies: dict[bytes, httpx.Response] = {}

    def once(sent: Any) -> httpx.Response:
        if sent.body not in replies:
            replies[sent.body] = server._answer(sent)
            if "otp" not in sent.form:
                raise httpx.ReadError("the reply is lost")
        return httpx.Response(replies[sent.body].status_code, json=replies[sent.body].json())

    desk.always("answer", once)
    assert pays(desk, server) == 200
    assert len(server.sent) == 1


def test_whoever_gives_up_while_it_is_sent_waits_for_nobody(pays: Callable[..., int]) -> None:
    desk, server = _desk(Reader(), MAIL)
    hanging, given_up = Event(), Event()

    def hang(sent: Any) -> httpx.Response:
        hanging.set()
        assert given_up.wait(20)
        return server._answer(sent)

    desk.always("answer", hang)
    bank = desk.client(methods=METHODS)
    ends: list[BaseException] = []

    def call() -> None:
        try:
            bank.post("/transfers")
        except BaseException as error:
            ends.append(error)

    caller = Thread(target=call)
    caller.start()
    assert hanging.wait(10)
    bank.close()
    given_up.set()
    caller.join(10)
    assert [type(end) for end in ends] == [StepUpCancelled]


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
