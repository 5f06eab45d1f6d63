"""The rules of upstile profile §7, one by one: pure functions over plain records."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstile.server.authorization._lives import KNOWN_FOR
from upstile.server.authorization.user._budgets import (
    LAST_TRY,
    TRIES,
    Charged,
    Side,
    charge,
    closed_to,
    count_start,
    is_lost,
    left,
    lock_of,
    opened,
    remember_key,
    row_of,
    side_of,
    starts_are_used_up,
    succeed,
    unlocked,
)
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._user_state import UserState

NOW = 1_800_000_000.0
LOGIN = BaseLogin(
    sid="0.s",
    jti="j",
    subject="ada",
    client_id="cli",
    amr=("pwd",),
    auth_time=int(NOW),
    expires_at=int(NOW) + 43200,
)
NOTHING = Charged(left=TRIES)
KNOWN = remember_key(UserState(), "known", ["phone"], NOW)


def _wrong(
    user: UserState, times: int, side: Side = None, now: float = NOW, login: BaseLogin = LOGIN
) -> tuple[UserState, Charged]:
    charged = Charged(left=TRIES)
    for _ in range(times):
        user, charged = charge(user, login, side, ["phone"], now)
    return user, charged


@pytest.mark.parametrize("side", [None, "known"])
def test_the_lock_is_set_with_the_fifth_try_and_doubles_to_a_quarter_of_an_hour(side: Side) -> None:
    user, now, waits = KNOWN, NOW, []
    for n in range(8):
        login = replace(LOGIN, sid=f"0.{n}")  # what was wrong five times is lost to unknown keys
        user, charged = _wrong(user, 4, side, now, login)
        assert charged == Charged(left=1, authenticators=("phone",))
        assert lock_of(user, side, now) is None
        user, charged = _wrong(user, 1, side, now, login)
        assert charged.left == 0
        lasts = lock_of(user, side, now)
        assert lasts is not None
        assert charged.until == now + lasts
        waits.append(lasts)
        now += lasts
        assert lock_of(user, side, now) is None
        assert left(user, LOGIN if side else replace(LOGIN, sid="0.new"), side) == TRIES  # five new tries
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_day_without_a_lock_makes_the_next_one_short_again() -> None:
    user, _ = _wrong(UserState(), 5)
    user, _ = _wrong(user, 5, now=NOW + 24 * 3600)
    assert lock_of(user, None, NOW + 24 * 3600) == 30


def test_the_sides_do_not_touch_each_other() -> None:
    user, _ = _wrong(KNOWN, 5)
    assert lock_of(user, "known", NOW) is None
    assert left(user, LOGIN, "known") == TRIES
    user, _ = _wrong(KNOWN, 5, "known")
    assert (lock_of(user, "known", NOW), lock_of(user, None, NOW)) == (30, None)


def test_a_login_that_used_five_in_a_row_is_lost_to_unknown_keys_only() -> None:
    user, charged = _wrong(KNOWN, 5)
    assert charged.left == 0
    assert is_lost(user, LOGIN, None)
    assert not is_lost(user, LOGIN, "known")
    assert not is_lost(user, replace(LOGIN, sid="0.another"), None)


def test_a_known_keys_wrong_answers_cost_no_login() -> None:
    user, _ = _wrong(KNOWN, 5, "known")
    assert user.logins == {}


def test_tries_are_the_smallest_of_row_and_login() -> None:
    user, _ = _wrong(KNOWN, 2)
    other = replace(LOGIN, sid="0.another")
    assert (left(user, LOGIN, None), left(user, other, None), left(user, LOGIN, "known")) == (3, 3, 5)
    user = succeed(user, other, None, "phone", NOTHING, NOW)  # its row ends, and not what the other login used of it
    assert (left(user, LOGIN, None), left(user, other, None)) == (3, 5)


def test_a_success_ends_the_row_and_the_logins_and_nothing_else() -> None:
    user, _ = _wrong(KNOWN, 5)  # a lock of the past
    later = NOW + 100
    user, _ = _wrong(user, 3, now=later)
    user, _ = _wrong(user, 2, "known", now=later)
    user = succeed(user, LOGIN, None, "phone", NOTHING, later)
    assert (row_of(user, None).wrong, user.logins, user.failures) == (0, {}, {})
    assert row_of(user, None).locks == (NOW,)
    assert row_of(user, "known").wrong == 2


def test_a_right_fifth_answer_takes_back_its_own_lock_and_no_other() -> None:
    user, charged = _wrong(UserState(), 5)
    cleared = succeed(user, LOGIN, None, "phone", charged, NOW)
    assert lock_of(cleared, None, NOW) is None
    assert row_of(cleared, None).locks == ()
    still = succeed(user, LOGIN, None, "phone", NOTHING, NOW)  # an earlier try keeps the lock of another answer
    assert lock_of(still, None, NOW) == 30


def test_a_known_sides_success_changes_nothing_for_the_unknown_side() -> None:
    user, _ = _wrong(KNOWN, 3)
    user = succeed(user, replace(LOGIN, sid="0.another"), "known", "phone", NOTHING, NOW)
    assert (row_of(user, None).wrong, user.failures, user.logins[LOGIN.sid].wrong) == (3, {"phone": 3}, 3)


def test_a_hundred_wrong_answers_by_unknown_keys_close_an_authenticator_to_them() -> None:
    user = _wrong(KNOWN, LAST_TRY - 1)[0]
    assert closed_to(user, None) == frozenset()
    user = _wrong(user, 1)[0]
    assert closed_to(user, None) == {"phone"}
    assert closed_to(user, "known") == frozenset()
    user = succeed(user, LOGIN, "known", "phone", NOTHING, NOW)
    assert closed_to(user, None) == {"phone"}


def test_a_right_code_of_one_authenticator_is_no_wrong_one_to_another() -> None:
    user = UserState()
    for n in range(2 * LAST_TRY):  # an app that brings a new key each time
        login = replace(LOGIN, sid=f"0.{n}")
        user, charged = charge(user, login, None, ["phone", "tablet"], NOW)
        user = succeed(user, login, None, "phone", charged, NOW)
    assert (closed_to(user, None), user.failures) == (frozenset(), {})
    user, charged = charge(_wrong(user, 3)[0], LOGIN, None, ["phone", "tablet"], NOW)
    assert succeed(user, LOGIN, None, "tablet", charged, NOW).failures == {"phone": 3}


def test_opening_one_begins_its_count_anew_and_changes_nothing_else() -> None:
    user = KNOWN
    for n in range(LAST_TRY):
        user, _ = charge(user, replace(LOGIN, sid=f"0.{n}"), None, ["phone", "tablet"], NOW)
    again = opened(user, "phone")
    assert closed_to(again, None) == {"tablet"}
    assert replace(again, failures=user.failures) == user


def test_unlocking_opens_all_and_ends_the_lock_but_the_next_one_is_no_shorter() -> None:
    user = KNOWN
    for n in range(LAST_TRY):
        user, _ = charge(user, replace(LOGIN, sid=f"0.{n}"), None, ["phone"], NOW)
    user = unlocked(_wrong(user, 5, "known")[0])
    assert (closed_to(user, None), lock_of(user, None, NOW), left(user, LOGIN, None)) == (frozenset(), None, TRIES)
    assert lock_of(user, "known", NOW) == 30
    assert is_lost(_wrong(user, 5)[0], LOGIN, None)
    assert lock_of(_wrong(user, 5)[0], None, NOW) == 900


def test_a_known_key_is_unknown_after_a_hundred_wrong_answers_without_a_success() -> None:
    user = _wrong(KNOWN, LAST_TRY - 1, "known")[0]
    assert side_of(user, "known", NOW) == "known"
    wrong = _wrong(user, 1, "known")[0]
    assert side_of(wrong, "known", NOW) is None
    right = succeed(wrong, LOGIN, "known", "phone", NOTHING, NOW)
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
    user = remember_key(user, "new", [], NOW + 9)  # who brings new keys again and again costs the owner one
    assert sorted(user.known) == [*(f"key{n}" for n in range(1, 8)), "new"]


def test_a_key_that_is_known_no_more_takes_the_place_of_none_that_is() -> None:
    user = remember_key(KNOWN, "known", [], NOW)  # two successes, the others will have one
    for n in range(1, 8):
        user = remember_key(user, f"key{n}", [], NOW + n)
    user = remember_key(user, "new", [], NOW + KNOWN_FOR + 1)
    assert sorted(user.known) == [*(f"key{n}" for n in range(1, 8)), "new"]


def test_an_eleventh_start_waits_until_the_first_is_ten_minutes_old() -> None:
    user = UserState()
    for n in range(10):
        user = _started(user, now=NOW + n * 30)
    assert count_start(user, LOGIN, None, NOW + 300, guessable=True) == 300
    user = _started(user, now=NOW + 600)
    assert count_start(user, LOGIN, None, NOW + 600, guessable=True) == 30


def test_unknown_keys_have_forty_and_a_known_key_ten_that_nothing_else_can_take() -> None:
    user = KNOWN
    for n in range(40):
        user = _started(user, replace(LOGIN, sid=f"0.{n % 4}"))
    assert starts_are_used_up(user, None, NOW)
    assert not starts_are_used_up(user, "known", NOW)
    assert count_start(user, LOGIN, None, NOW, guessable=True) == 600
    assert not isinstance(count_start(user, LOGIN, None, NOW, guessable=False), int)
    for _ in range(10):
        user = _started(user, side="known")
    assert count_start(user, LOGIN, "known", NOW, guessable=True) == 600


def test_a_login_that_is_dead_or_that_nothing_is_counted_for_is_not_kept() -> None:
    user = _started(UserState(), replace(LOGIN, sid="0.old", expires_at=int(NOW) + 10))
    user = _started(user, replace(LOGIN, sid="0.idle"))
    user = _started(user, now=NOW + 600)
    assert list(user.logins) == [LOGIN.sid]


def test_who_signs_in_again_and_again_makes_no_record_grow() -> None:
    user, now = UserState(), NOW
    for n in range(1000):
        now += 0.2
        counted = count_start(user, replace(LOGIN, sid=f"0.{n}"), None, now, guessable=False)
        assert isinstance(counted, UserState)
        user = counted
    assert len(user.logins) == 64
    assert "0.999" in user.logins


def test_a_login_that_is_lost_stays_lost_when_the_owners_known_key_succeeds_with_it() -> None:
    user, _ = _wrong(KNOWN, 5)
    user, charged = charge(user, LOGIN, "known", ["phone"], NOW)
    user = succeed(user, LOGIN, "known", "phone", charged, NOW)
    assert is_lost(user, LOGIN, None)


def _started(user: UserState, login: BaseLogin = LOGIN, side: Side = None, now: float = NOW) -> UserState:
    counted = count_start(user, login, side, now, guessable=True)
    assert not isinstance(counted, int)
    return counted


@given(
    st.lists(st.sampled_from(["wrong unknown", "wrong known", "right unknown", "right known", "wait"]), max_size=120)
)
def test_whatever_unknown_keys_do_a_known_key_keeps_its_tries(story: list[str]) -> None:
    user, alone, now = KNOWN, KNOWN, NOW
    for event in story:
        if event == "wait":
            now += 60
            continue
        what, who = event.split()
        side = None if who == "unknown" else "known"
        if lock_of(user, side, now) is not None:
            continue
        user = _answered(user, side, what, now)
        if side == "known":
            alone = _answered(alone, side, what, now)
        assert user.known == alone.known
        assert UserState.read(user.record(now)) == user


def _answered(user: UserState, side: Side, what: str, now: float) -> UserState:
    user, charged = charge(user, LOGIN, side, ["phone"], now)
    return succeed(user, LOGIN, side, "phone", charged, now) if what == "right" else user


@pytest.mark.parametrize("into_the_day", [0.0, 0.25, 3600.0, 86_399.75])
def test_what_is_counted_is_kept_to_the_end_of_the_last_day(into_the_day: float) -> None:
    """No shorter than keys are known, and the same for all writes of a day: an index by it is left alone."""
    midnight = NOW - NOW % 86_400
    kept = KNOWN.record(midnight + into_the_day)
    assert kept.expires_at >= midnight + into_the_day + KNOWN_FOR
    assert kept.expires_at == midnight + KNOWN_FOR + (86_400 if into_the_day else 0)
    assert kept.used
