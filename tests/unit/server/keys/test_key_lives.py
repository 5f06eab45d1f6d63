"""When a signing key is published, signs, and goes."""

from itertools import pairwise

from upstile.server._route import CACHED
from upstile.server.authorization._lives import LOGIN_LIFE, LONGEST_TOKEN_LIFE
from upstile.server.keys._rotation import PUBLISHED_AHEAD, VERIFIES_AFTER, first, lives, living, rotated, whose_turn
from upstile.server.storage._records import SigningKeyRecord

NOW = 1_800_000_000
HOUR = 3600


def record(kid: str, signs_from: int) -> SigningKeyRecord:
    return SigningKeyRecord(kid=kid, sealed=b"", created=signs_from - PUBLISHED_AHEAD, signs_from=signs_from)


def test_each_key_is_in_one_phase_of_its_life() -> None:
    keys = [record("next", NOW + 60), record("now", NOW - HOUR), record("before", NOW - 30 * HOUR)]
    assert [(life.record.kid, life.phase, life.until) for life in lives(keys[::-1], NOW)] == [
        ("next", "published", None),
        ("now", "signing", None),
        ("before", "verifying", NOW + 12 * HOUR),
    ]
    assert lives([], NOW) == []


def test_a_clock_behind_all_keys_signs_with_the_one_that_everybody_knows() -> None:
    keys = [record("next", NOW + 600), record("first", NOW)]
    assert whose_turn(keys, NOW - HOUR).kid == "first"
    assert [life.phase for life in lives(keys, NOW - HOUR)] == ["published", "signing"]


def test_no_rule_ever_removes_the_key_that_signs() -> None:
    keys = [record(f"{place}", NOW + place * 1000) for place in range(5)]
    for now in range(NOW - HOUR, NOW + 20 * HOUR, 500):
        left = living(keys, now)
        assert whose_turn(sorted(keys, key=lambda key: -key.signs_from), now) in left
        assert all(one.signs_from > other.signs_from for one, other in pairwise(left))


def test_a_first_key_is_not_made_where_there_is_one() -> None:
    here, fresh = record("here", NOW), record("fresh", NOW)
    assert first([here], fresh)[0] == [here]
    assert first([], fresh)[0] == [fresh]
    assert rotated([], fresh, NOW)[0] == [fresh]


def test_a_key_stays_an_hour_longer_than_any_token_lives() -> None:
    assert max(LOGIN_LIFE, LONGEST_TOKEN_LIFE) + HOUR <= VERIFIES_AFTER


def test_who_caches_the_published_keys_has_a_new_one_before_it_signs() -> None:
    assert 2 * CACHED <= PUBLISHED_AHEAD
