"""An app with a window of its own: told when it is over, never dead-locked, whatever its callbacks do."""

import threading
from collections.abc import Callable
from threading import Event, Thread, get_ident
from time import monotonic
from typing import Any

import anyio
import pytest

from support.desk import Desk
from upstile.client import CallbackPrompter, ConfigurationError, StepUpCancelled, StepUpTimeout, Totp
from upstile.client.methods import LastCode


def _blocking(seen: Event) -> Callable[[str], str | None]:
    def code(label: str) -> None:
        assert seen.wait(20)

    return code


def test_a_dialogue_is_dismissed_while_its_callback_blocks_when_the_time_is_up() -> None:
    dismissed = Event()
    prompter = CallbackPrompter(code=_blocking(dismissed), dismiss=dismissed.set)
    with Desk().client(prompter=prompter, human_timeout=0.2) as bank:
        began = monotonic()
        with pytest.raises(StepUpTimeout):
            bank.post("/transfers")
        assert dismissed.is_set()
        assert monotonic() - began < 1


def test_a_dialogue_is_dismissed_when_the_caller_gives_up() -> None:
    dismissed, asked = Event(), Event()

    def code(label: str) -> None:
        asked.set()
        assert dismissed.wait(20)

    async def main() -> None:
        client = Desk().async_client(prompter=CallbackPrompter(code=code, dismiss=dismissed.set))
        async with client as bank, anyio.create_task_group() as tasks:
            tasks.start_soon(bank.post, "/transfers")
            await anyio.to_thread.run_sync(asked.wait, 10)
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert dismissed.wait(2)


def test_an_answered_dialogue_is_not_dismissed() -> None:
    dismissed = list[int]()
    prompter = CallbackPrompter(code=lambda label: "123456", dismiss=lambda: dismissed.append(1))
    with Desk().client(prompter=prompter) as bank:
        assert bank.post("/transfers").status_code == 200
    assert dismissed == []


def test_a_touch_that_is_no_longer_wanted_is_dismissed_and_its_own_only() -> None:
    dismissed = list[int]()
    prompter = CallbackPrompter(touch=lambda label: None, dismiss=lambda: dismissed.append(1))
    prompter.opened(Event())
    prompter.touch("Touch it")
    prompter.ended(Event())
    prompter.ended(Event())
    assert dismissed == [1]


def test_a_dismiss_that_breaks_changes_nothing() -> None:
    dismissed = Event()

    def broken() -> None:
        dismissed.set()
        raise RuntimeError("the app's own")

    prompter = CallbackPrompter(code=_blocking(dismissed), dismiss=broken)
    with Desk().client(prompter=prompter, human_timeout=0.2) as bank, pytest.raises(StepUpTimeout):
        bank.post("/transfers")


def test_a_callback_that_never_returns_holds_neither_its_caller_nor_the_next_one() -> None:
    stuck, answers = Event(), [True, False]

    def code(label: str) -> str:
        if answers.pop(0):
            stuck.wait(30)
        return "123456"

    with Desk().client(prompter=CallbackPrompter(code=code, dismiss=lambda: None), human_timeout=0.2) as bank:
        with pytest.raises(StepUpTimeout):
            bank.post("/transfers")
        assert bank.post("/transfers").status_code == 200
    stuck.set()


@pytest.mark.parametrize("answer", [None, ""])
def test_a_callback_that_returns_nothing_cancels(answer: str | None) -> None:
    desk = Desk()
    with desk.client(prompter=CallbackPrompter(code=lambda label: answer)) as bank, pytest.raises(StepUpCancelled):
        bank.post("/transfers")
    assert desk.at("answer") == []


def test_a_callback_that_returns_a_number_is_told_so() -> None:
    code: Any = lambda label: 123456  # noqa: E731
    told = pytest.raises(ConfigurationError, match="code= returns text, or None to cancel, and not int")
    with Desk().client(prompter=CallbackPrompter(code=code)) as bank, told:
        bank.post("/transfers")


def test_a_callback_that_raises_is_the_calls_error() -> None:
    def broken(label: str) -> str:
        raise LookupError("the app's own")

    with Desk().client(prompter=CallbackPrompter(code=broken)) as bank, pytest.raises(LookupError, match="own"):
        bank.post("/transfers")


@pytest.mark.parametrize("typed", ["12345", "hunter2", "1234567"])
def test_what_cannot_be_a_code_costs_no_try(typed: str) -> None:
    desk, labels = Desk(), list[str]()

    def code(label: str) -> str:
        labels.append(label)
        return typed if len(labels) == 1 else "123-456"

    with desk.client(prompter=CallbackPrompter(code=code)) as bank:
        assert bank.post("/transfers").status_code == 200
    assert [sent.form["otp"] for sent in desk.at("answer")] == ["123456"]
    assert labels[1].startswith("Not six digits.")


def test_who_never_types_a_code_is_not_asked_for_ever() -> None:
    desk = Desk()
    with desk.client(prompter=CallbackPrompter(code=lambda label: "no")) as bank, pytest.raises(StepUpCancelled):
        bank.post("/transfers")
    assert desk.at("answer") == []


def test_who_used_the_code_of_this_moment_is_told_when_the_next_one_is_there() -> None:
    desk, told = Desk(), list[float]()
    desk.clock.move(13 - desk.clock() % 30)
    codes = iter(["123456", "234567", "345678"])
    prompter = CallbackPrompter(code=lambda label: next(codes), next_code=told.append)
    with desk.client(prompter=prompter) as bank:
        bank.step_up(acr="mfa")
        assert told == []
        bank.step_up(acr="mfa", max_age=0)
        assert told == [17]
        desk.clock.move(17)
        bank.step_up(acr="mfa", max_age=0)
        assert told == [17]


@pytest.mark.parametrize(("later", "asked"), [(0, 2), (30, 2), (60, 1)])
def test_the_code_that_was_just_used_costs_no_try_for_as_long_as_it_could_be_taken(later: int, asked: int) -> None:
    desk, labels, codes = Desk(), list[str](), iter(["123456", "123 456", "234567"])

    def code(label: str) -> str:
        labels.append(label)
        return next(codes)

    with desk.client(prompter=CallbackPrompter(code=code)) as bank:
        bank.step_up(acr="mfa")
        desk.clock.move(later)
        bank.step_up(acr="mfa", max_age=0)
    assert len(labels) == 1 + asked
    assert [sent.form["otp"] for sent in desk.at("answer")] == ["123456", "234567" if asked == 2 else "123456"]
    assert labels[2:] == ["That code was used already. Code from your authenticator app"][: asked - 1]


def test_the_used_code_is_in_no_text_of_what_remembers_it() -> None:
    last = LastCode(lambda: 1_800_000_000.0)
    last.sent("123456")
    assert last.was("123456")
    assert not last.was("234567")
    assert "123456" not in repr(last)
    last.forget()
    assert not last.was("123456")
    assert not last.was("")


def test_a_refused_code_was_not_used() -> None:
    desk, told = Desk(), list[float]()
    desk.first("answer", desk.step(desk_sent(), result="rejected"))
    prompter = CallbackPrompter(code=lambda label: "123456", next_code=told.append)
    with desk.client(prompter=prompter) as bank:
        bank.step_up(acr="mfa")
    assert told == []


def desk_sent() -> Any:
    """What a step is the reply to; a code asks nothing about it."""
    return None


def test_a_call_that_would_wait_for_itself_is_refused_at_once_and_nothing_begins() -> None:
    desk = Desk()
    prompter = CallbackPrompter(code=lambda label: "123456", ui_thread=get_ident())
    with desk.client(prompter=prompter) as bank:
        for call in (
            lambda: bank.post("/transfers"),
            lambda: bank.step_up(acr="mfa"),
            lambda: bank.authenticators.enroll(Totp(), "phone"),
        ):
            began = monotonic()
            with pytest.raises(ConfigurationError, match="another thread"):
                call()
            assert monotonic() - began < 0.1
        assert desk.at("start") == []
        statuses = list[int]()
        elsewhere = Thread(target=lambda: statuses.append(bank.post("/transfers").status_code))
        elsewhere.start()
        elsewhere.join(10)
        assert statuses == [200]
        assert bank.post("/transfers").status_code == 200  # what needs nobody goes on


def test_a_call_that_is_awaited_in_the_windows_thread_goes_on() -> None:
    prompter = CallbackPrompter(code=lambda label: "123456", ui_thread=get_ident())

    async def main() -> int:
        async with Desk().async_client(prompter=prompter) as bank:
            reply = await bank.post("/transfers")
            return int(reply.status_code)

    assert anyio.run(main) == 200


def test_all_callbacks_but_dismiss_are_called_in_one_thread_that_is_not_the_callers() -> None:
    threads = list[str]()

    def noted(*_: object) -> str:
        threads.append(threading.current_thread().name)
        return "123456"

    prompter = CallbackPrompter(
        code=noted,
        begin=lambda *_: noted() and "totp",
        finished=lambda _: threads.append(threading.current_thread().name),
    )
    with Desk().client(prompter=prompter) as bank:
        bank.post("/transfers")
    assert threads == ["upstile ceremony"] * 3
    assert "thread" in (CallbackPrompter.__doc__ or "")


def test_a_prompter_that_is_asked_to_stop_before_it_begins_asks_nobody() -> None:
    cancel = Event()
    cancel.set()
    with pytest.raises(StepUpCancelled):
        CallbackPrompter(code=lambda label: "123456", dismiss=lambda: None).code("Code", cancel)
