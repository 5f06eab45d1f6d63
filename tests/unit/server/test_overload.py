"""When ceremonies may start: what a late event loop shuts and opens again, on a loop whose clock the test moves."""

from collections.abc import Callable
from typing import Any

import pytest

from upstile.server.authorization.ceremony import _overload
from upstile.server.authorization.ceremony._overload import Overload


class Loop:
    """An event loop of one timer."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> None:
        self.timers.append((when, lambda: callback(*args)))

    def fire(self, *, late: float) -> None:
        """Run the timer that is due, so many seconds late."""
        (when, callback), *self.timers = self.timers
        self.now = when + late
        callback()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return _running(monkeypatch)


def _running(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(_overload, "get_running_loop", lambda: loop)
    return loop


def _after(loop: Loop, *late: float) -> bool:
    """Whether a ceremony may start after looks that came so many seconds late."""
    overload = Overload()
    assert overload.lets_in()
    for seconds in late:
        loop.fire(late=seconds)
    return overload.lets_in()


@pytest.mark.parametrize(
    ("late", "opened"),
    [
        ((0.0,), True),
        ((0.029, 0.029, 0.029), True),
        ((0.031,), True),
        ((60.0,), True),
        ((0.031, 0.009), True),
        ((0.031, 0.011), False),
        ((0.031, 0.011, 0.006), False),
        ((0.031, 0.011, 0.004), True),
        ((0.031, 0.011, 0.004, 0.009), True),
        ((0.031, 0.011, 0.004, 0.011), False),
        ((0.031, 0.011, 0.004, 0.011, 0.004), True),
    ],
)
def test_after_a_look_that_was_30_ms_late_one_of_10_ms_shuts_and_one_within_5_opens(
    loop: Loop, late: tuple[float, ...], opened: bool
) -> None:
    assert _after(loop, *late) is opened


def test_a_second_in_time_ends_the_strictness(loop: Loop) -> None:
    overload = Overload()
    overload.lets_in()
    loop.fire(late=0.031)
    for _ in range(101):
        overload.lets_in()
        loop.fire(late=0.0)
    loop.fire(late=0.029)
    assert overload.lets_in()


def test_a_machine_that_was_suspended_or_a_password_that_was_hashed_shuts_nothing(loop: Loop) -> None:
    overload = Overload()
    overload.lets_in()
    for late in (3600.0, 0.001, 0.001, 0.001):
        loop.now += 0.005
        assert overload.lets_in()
        loop.fire(late=late)
    assert overload.lets_in()


def test_the_loop_is_looked_at_only_while_ceremonies_are_started(loop: Loop) -> None:
    overload = Overload()
    assert not loop.timers
    overload.lets_in()
    looks = 0
    while loop.timers:
        loop.fire(late=0.0)
        looks += 1
    assert 95 <= looks <= 105
    assert overload.lets_in()
    assert len(loop.timers) == 1


def test_it_stays_shut_while_the_loop_is_late_even_if_nobody_asks(loop: Loop) -> None:
    overload = Overload()
    overload.lets_in()
    for _ in range(50):
        loop.fire(late=0.060)
    assert not overload.lets_in()


def test_many_starts_are_one_timer(loop: Loop) -> None:
    overload = Overload()
    for _ in range(100):
        overload.lets_in()
    assert len(loop.timers) == 1


def test_another_loop_begins_open_and_what_is_left_of_the_old_one_changes_nothing(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    overload = Overload()
    overload.lets_in()
    for _ in range(2):
        loop.fire(late=0.060)
    assert not overload.lets_in()
    other = _running(monkeypatch)
    assert overload.lets_in()
    loop.fire(late=0.060)
    assert overload.lets_in()
    assert (len(loop.timers), len(other.timers)) == (0, 1)


def test_the_log_says_once_a_minute_that_it_is_shut(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    overload = Overload()
    for late, said in ((0.060, 0), (0.055, 1), (0.0, 1), (0.070, 1), (59.0, 1), (2.0, 2)):
        overload.lets_in()
        loop.fire(late=late)
        assert len(caplog.records) == said
    assert "late: just now by 55 ms" in caplog.text


def test_once_it_is_strict_a_start_that_comes_while_the_look_is_overdue_is_not_let_in(loop: Loop) -> None:
    overload = Overload()
    assert overload.lets_in()
    loop.now += _overload.TICK + 0.500
    assert overload.lets_in()
    loop.fire(late=0.500)
    loop.now += _overload.TICK + 0.009
    assert overload.lets_in()
    loop.now += 0.002
    assert not overload.lets_in()
    loop.fire(late=0.011)
    loop.fire(late=0.0)
    assert overload.lets_in()
