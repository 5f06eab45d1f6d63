"""Codes by mail and text message: which destination, sent again, another way, and a server that misbehaves."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from support.reader import METHODS, Reader, desk_for
from support.several_ways import MAIL, RECOVERY, TEXT, TOTP, SeveralWays
from upstile.client import (
    AnotherWay,
    CeremonyFailed,
    NoMethodAvailable,
    SendAgain,
    StepUpCancelled,
)

pytestmark = pytest.mark.usefixtures("library")


def test_of_two_destinations_the_one_that_the_person_names_gets_the_code(pays: Callable[..., int]) -> None:
    person = Reader(choose="otp:sm1")
    desk, server = desk_for(person, MAIL, TEXT)
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
    desk, server = desk_for(person, MAIL)
    server.digits = digits
    assert pays(desk, server) == 200
    assert len(desk.at("answer")) == 2
    assert person.labels[1] == "Not six or eight digits. Code from the mail"


def test_a_code_that_is_sent_again_replaces_the_first(pays: Callable[..., int]) -> None:
    person = Reader(SendAgain())
    desk, server = desk_for(person, MAIL)
    assert pays(desk, server) == 200
    assert [code for _, code in server.sent] == ["00000001", "00000002"]
    assert desk.at("answer")[-1].form["otp"] == "00000002"


def test_a_wrong_code_is_asked_for_again_and_is_not_sent_again(pays: Callable[..., int]) -> None:
    person = Reader("99999999")
    desk, server = desk_for(person, MAIL)
    assert pays(desk, server) == 200
    assert len(server.sent) == 1
    assert person.attempts_left == [4]
    assert len(person.offered) == 1


def test_who_wants_another_way_is_offered_the_others_first_and_may_come_back_without_another_code(
    pays: Callable[..., int],
) -> None:
    person = Reader(AnotherWay(), AnotherWay(), "123456")
    desk, server = desk_for(person, MAIL, TOTP)
    assert pays(desk, server) == 200
    assert person.offered == [("totp", "otp:em1"), ("otp:em1", "totp"), ("totp", "otp:em1")]
    assert [way.id for way, _ in person.sent_to] == ["otp:em1"]


def test_who_comes_back_to_a_destination_is_told_that_the_code_is_there(pays: Callable[..., int]) -> None:
    person = Reader(AnotherWay(), AnotherWay(), AnotherWay())
    desk, server = desk_for(person, MAIL, TEXT)
    assert pays(desk, server) == 200
    assert [where for where, _ in server.sent] == ["em1", "sm1"]
    assert [way.id for way, _ in person.sent_to] == ["otp:em1", "otp:sm1", "otp:em1", "otp:sm1"]


def test_of_two_addresses_the_code_of_the_first_is_void_once_the_second_has_one(pays: Callable[..., int]) -> None:
    person = Reader(AnotherWay(), AnotherWay())
    desk, server = desk_for(person, MAIL, {**MAIL, "id": "em2"})
    assert pays(desk, server) == 200
    assert [where for where, _ in server.sent] == ["em1", "em2", "em1"]


def test_a_code_that_is_dead_by_then_is_sent_anew(pays: Callable[..., int]) -> None:
    desk, server = desk_for(person := Reader(), MAIL)
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
    desk, server = desk_for(Reader(*[AnotherWay()] * 100), TOTP, RECOVERY)
    with pytest.raises(NoMethodAvailable, match="no other way"):
        pays(desk, server)


def test_a_code_that_could_not_be_sent_is_said_and_another_way_comes_first(pays: Callable[..., int]) -> None:
    person = Reader()
    desk, server = desk_for(person, MAIL, TEXT)
    server.not_sent = {"em1"}
    assert pays(desk, server) == 200
    assert [way.id for way in person.not_sent_to] == ["otp:em1"]
    assert person.offered == [("otp:em1", "otp:sm1"), ("otp:sm1", "otp:em1")]
    assert server.sent == [("sm1", "00000001")]


def test_who_wants_it_once_more_gets_it_and_a_third_time_is_not_tried(pays: Callable[..., int]) -> None:
    person = Reader("123456", choose="otp:em1")
    desk, server = desk_for(person, MAIL, TOTP)
    server.not_sent = {"em1"}
    assert pays(desk, server) == 200
    assert len(person.not_sent_to) == 2
    assert person.offered[-1] == ("totp",)


def test_where_nothing_else_is_there_it_is_one_sentence(pays: Callable[..., int]) -> None:
    desk, server = desk_for(Reader(), MAIL)
    server.not_sent = {"em1"}
    with pytest.raises(NoMethodAvailable) as caught:
        pays(desk, server)
    assert caught.value.diagnostics().startswith("The code could not be sent. Try again in a few minutes")
    assert len(desk.at("answer")) == 1


def test_where_no_more_codes_are_sent_the_ceremony_goes_on_in_another_way(pays: Callable[..., int]) -> None:
    person = Reader("123456", choose="otp:em1")
    desk, server = desk_for(person, MAIL, TOTP)
    server.refuses_sends = 900
    assert pays(desk, server) == 200
    assert person.offered == [("totp", "otp:em1"), ("totp",)]


def test_where_only_a_second_one_is_refused_the_first_still_counts(pays: Callable[..., int]) -> None:
    desk, server = desk_for(person := Reader(), MAIL)
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
    desk, server = desk_for(person := Reader(), MAIL)

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
    desk, server = desk_for(person := Reader(), MAIL)
    desk.always("answer", lambda sent: _changed(server, sent, resend_after=seconds))
    assert pays(desk, server) == 200
    assert person.sent_to[0][1] == told


def test_a_negative_wait_is_no_step(pays: Callable[..., int]) -> None:
    desk, server = desk_for(Reader(), MAIL)
    desk.always("answer", lambda sent: _changed(server, sent, resend_after=-1))
    with pytest.raises(CeremonyFailed, match="does not understand"):
        pays(desk, server)


def _changed(server: SeveralWays, sent: Any, **changed: Any) -> httpx.Response:
    reply = server._answer(sent)
    if reply.status_code != 403:
        return reply
    return httpx.Response(403, json={**reply.json(), **changed})


def test_a_result_that_nobody_knows_asks_the_person_anew(pays: Callable[..., int]) -> None:
    desk, server = desk_for(person := Reader(choose="otp:em1"), MAIL, TOTP)
    results = iter(["queued", "sent"])
    desk.always("answer", lambda sent: _changed(server, sent, result=next(results, None)))
    assert pays(desk, server) == 200
    assert len(person.offered) == 2
    assert [way.id for way, _ in person.sent_to] == ["otp:em1"]
    assert not person.not_sent_to


def test_a_lost_reply_to_a_send_is_asked_for_again_and_not_sent_again(pays: Callable[..., int]) -> None:
    desk, server = desk_for(Reader(), MAIL)
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
    desk, server = desk_for(Reader(), MAIL)
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
