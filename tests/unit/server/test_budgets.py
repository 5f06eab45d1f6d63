"""The rules of upstile profile §7, one by one: pure functions over plain records."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstile.server.authorization._budgets import (
    KNOWN_FOR,
    LAST_TRY,
    TRIES,
    Charged,
    Side,
    UserState,
    charge,
    closed_to,
    count_start,
    is_lost,
    left,
    lock_of,
    remember_key,
    row_of,
    side_of,
    starts_are_used_up,
    succeed,
)
from upstile.server.authorization._logins import BaseLogin, LoginState

NOW = 1_800_000_000.0
LOGIN = LoginState(
    login=BaseLogin(
        sid="0.s",
        jti="j",
        subject="ada",
        client_id="cli",
        amr=("pwd",),
        auth_time=int(NOW),
        expires_at=int(NOW) + 43200,
    )
)
KNOWN = remember_key(UserState(), "known", ["phone"], NOW)


def _wrong(
    user: UserState, times: int, side: Side = None, login: LoginState = LOGIN, now: float = NOW
) -> tuple[UserState, LoginState, Charged]:
    charged = Charged(left=TRIES)
    for _ in range(times):
        user, login, charged = charge(user, login, side, ["phone"], now)
    return user, login, charged


@pytest.mark.parametrize("side", [None, "known"])
def test_the_lock_is_set_with_the_fifth_try_and_doubles_to_a_quarter_of_an_hour(side: Side) -> None:
    user, now, waits = KNOWN, NOW, []
    for _ in range(8):
        user, _, charged = _wrong(user, 4, side, now=now)
        assert charged == Charged(left=1)
        assert lock_of(user, side, now) is None
        user, _, charged = _wrong(user, 1, side, now=now)
        assert charged.left == 0
        lasts = lock_of(user, side, now)
        assert lasts is not None
        assert charged.until == now + lasts
        waits.append(lasts)
        now += lasts
        assert lock_of(user, side, now) is None
        assert left(user, LOGIN, side) == TRIES  # five new tries
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_day_without_a_lock_makes_the_next_one_short_again() -> None:
    user, _, _ = _wrong(UserState(), 5)
    user, _, _ = _wrong(user, 5, now=NOW + 24 * 3600)
    assert lock_of(user, None, NOW + 24 * 3600) == 30


def test_the_sides_do_not_touch_each_other() -> None:
    user, _, _ = _wrong(KNOWN, 5)
    assert lock_of(user, "known", NOW) is None
    assert left(user, LOGIN, "known") == TRIES
    user, _, _ = _wrong(KNOWN, 5, "known")
    assert (lock_of(user, "known", NOW), lock_of(user, None, NOW)) == (30, None)


def test_a_login_that_used_five_in_a_row_is_lost_to_unknown_keys_only() -> None:
    _, login, charged = _wrong(KNOWN, 5)
    assert charged.left == 0
    assert is_lost(login, None)
    assert not is_lost(login, "known")


def test_a_known_keys_wrong_answers_cost_no_login() -> None:
    _, login, _ = _wrong(KNOWN, 5, "known")
    assert login == LOGIN


def test_tries_are_the_smallest_of_row_and_login() -> None:
    user, login, _ = _wrong(KNOWN, 2)
    other = replace(LOGIN, wrong=4)
    assert (left(user, login, None), left(user, other, None), left(user, other, "known")) == (3, 1, 5)


def test_a_success_ends_the_row_and_the_logins_and_nothing_else() -> None:
    user, _, _ = _wrong(KNOWN, 5)  # a lock of the past
    later = NOW + 100
    user, login, _ = _wrong(user, 3, now=later)
    user, _, _ = _wrong(user, 2, "known", now=later)
    user, login = succeed(user, login, None, "phone", 0)
    assert (row_of(user, None).wrong, login.wrong) == (0, 0)
    assert row_of(user, None).locks == (NOW,)
    assert row_of(user, "known").wrong == 2
    assert user.failures == {}


def test_a_right_fifth_answer_takes_back_its_own_lock_and_no_other() -> None:
    user, login, charged = _wrong(UserState(), 5)
    cleared, _ = succeed(user, login, None, "phone", charged.until)
    assert lock_of(cleared, None, NOW) is None
    assert row_of(cleared, None).locks == ()
    still, _ = succeed(user, login, None, "phone", 0)  # a success that came in before keeps the lock of another answer
    assert lock_of(still, None, NOW) == 30


def test_a_known_sides_success_changes_nothing_for_the_unknown_side() -> None:
    user, login, _ = _wrong(KNOWN, 3)
    user, _ = succeed(user, login, "known", "phone", 0)
    assert (row_of(user, None).wrong, user.failures) == (3, {"phone": 3})


def test_a_hundred_wrong_answers_by_unknown_keys_close_an_authenticator_to_them() -> None:
    user = _wrong(KNOWN, LAST_TRY - 1)[0]
    assert closed_to(user, None) == frozenset()
    user = _wrong(user, 1)[0]
    assert closed_to(user, None) == {"phone"}
    assert closed_to(user, "known") == frozenset()
    user, _ = succeed(user, LOGIN, "known", "phone", 0)
    assert closed_to(user, None) == {"phone"}


def test_a_known_key_is_unknown_after_a_hundred_wrong_answers_without_a_success() -> None:
    user = _wrong(KNOWN, LAST_TRY - 1, "known")[0]
    assert side_of(user, "known", NOW) == "known"
    wrong = _wrong(user, 1, "known")[0]
    assert side_of(wrong, "known", NOW) is None
    right, _ = succeed(wrong, LOGIN, "known", "phone", 0)
    assert side_of(right, "known", NOW) == "known"


def test_a_key_is_known_for_ninety_days_after_its_last_ceremony() -> None:
    assert side_of(KNOWN, "known", NOW + KNOWN_FOR) == "known"
    assert side_of(KNOWN, "known", NOW + KNOWN_FOR + 1) is None
    assert side_of(KNOWN, "other", NOW) is None
    assert side_of(KNOWN, None, NOW) is None


def test_of_more_than_eight_known_keys_those_with_one_success_go_first_then_the_one_unused_longest() -> None:
    user = UserState()
    for n in range(8):
        user = remember_key(user, f"key{n}", [], NOW + n)
        user = remember_key(user, f"key{n}", [], NOW + n)
    user = remember_key(user, "once", [], NOW + 8)  # key0 is the one unused longest
    assert sorted(user.known) == [*(f"key{n}" for n in range(1, 8)), "once"]
    user = remember_key(user, "new", [], NOW + 9)  # `once` is the newest of the others, and stays
    assert sorted(user.known) == [*(f"key{n}" for n in range(2, 8)), "new", "once"]
    user = remember_key(user, "newer", [], NOW + 10)
    assert "once" not in user.known
    assert {"new", "newer"} < set(user.known)


def test_an_eleventh_start_waits_until_the_first_is_ten_minutes_old() -> None:
    user, login = UserState(), LOGIN
    for n in range(10):
        counted = count_start(user, login, None, NOW + n * 30, guessable=True)
        assert not isinstance(counted, int)
        user, login = counted
    assert count_start(user, login, None, NOW + 300, guessable=True) == 300
    assert not isinstance(count_start(user, login, None, NOW + 600, guessable=True), int)
    assert (
        count_start(*_pair(count_start(user, login, None, NOW + 600, guessable=True)), None, NOW + 600, guessable=True)
        == 30
    )


def test_unknown_keys_have_forty_and_a_known_key_ten_that_nothing_else_can_take() -> None:
    user = KNOWN
    for _ in range(4):
        login = LOGIN
        for _ in range(10):
            user, login = _pair(count_start(user, login, None, NOW, guessable=True))
    assert starts_are_used_up(user, None, NOW)
    assert not starts_are_used_up(user, "known", NOW)
    assert count_start(user, LOGIN, None, NOW, guessable=True) == 600
    assert not isinstance(count_start(user, LOGIN, None, NOW, guessable=False), int)
    for _ in range(10):
        user, _ = _pair(count_start(user, LOGIN, "known", NOW, guessable=True))
    assert count_start(user, LOGIN, "known", NOW, guessable=True) == 600


def _pair(counted: tuple[UserState, LoginState] | int) -> tuple[UserState, LoginState]:
    assert not isinstance(counted, int)
    return counted


@given(
    st.lists(st.sampled_from(["wrong unknown", "wrong known", "right unknown", "right known", "wait"]), max_size=120)
)
def test_whatever_unknown_keys_do_a_known_key_keeps_its_tries(story: list[str]) -> None:
    user, login, now = KNOWN, LOGIN, NOW
    alone, alone_login = KNOWN, LOGIN
    for event in story:
        if event == "wait":
            now += 60
            continue
        what, who = event.split()
        side = None if who == "unknown" else "known"
        if lock_of(user, side, now) is not None:
            continue
        user, login, charged = charge(user, login, side, ["phone"], now)
        if what == "right":
            user, login = succeed(user, login, side, "phone", charged.until)
        if side == "known":
            alone, alone_login, charged = charge(alone, alone_login, side, ["phone"], now)
            if what == "right":
                alone, alone_login = succeed(alone, alone_login, side, "phone", charged.until)
        assert user.known == alone.known
        assert UserState.read(user.record(now)) == user
        assert LoginState.read(login.record()) == login
