"""Guessing, and starts used up: a thief with the password learns little, and the owner is served throughout."""

from pathlib import Path

import pytest

from attacks.guessing import Tally, beside_an_owner, guess, scene, use_up_starts

pytestmark = pytest.mark.anyio
LAST_TRY = 100


def _within_the_budgets(tally: Tally) -> None:
    assert tally.judged <= LAST_TRY
    assert tally.always_served, tally.owner


async def _ten_thousand(folder: Path, guesses: int, owner_every: int) -> Tally:
    async with scene(folder) as attacked:
        return await guess(attacked, guesses, owner_every=owner_every)


async def test_some_hundred_guesses_from_many_sign_ins_keys_and_addresses(tmp_path: Path) -> None:
    tally = await _ten_thousand(tmp_path, 400, 100)
    _within_the_budgets(tally)
    assert tally.times("authenticator-closed") == 1
    assert tally.tried >= 400


@pytest.mark.long
async def test_ten_thousand_guesses_from_many_sign_ins_keys_and_addresses(tmp_path: Path) -> None:
    tally = await _ten_thousand(tmp_path, 10_000, 200)
    _within_the_budgets(tally)
    assert tally.judged == LAST_TRY
    assert tally.times("authenticator-closed") == 1
    assert sum(tally.owner["new machine, security key"].values()) == 50


async def _days(folder: Path, days: float) -> Tally:
    async with scene(folder) as attacked:
        return await beside_an_owner(attacked, days)


async def test_an_owner_who_confirms_every_hour_for_a_day_feeds_no_guesser(tmp_path: Path) -> None:
    tally = await _days(tmp_path, 1)
    _within_the_budgets(tally)
    assert sum(tally.owner["known key, code"].values()) == 24


@pytest.mark.long
async def test_an_owner_who_confirms_every_hour_for_thirty_days_feeds_no_guesser(tmp_path: Path) -> None:
    tally = await _days(tmp_path, 30)
    _within_the_budgets(tally)
    assert tally.judged == LAST_TRY
    assert sum(tally.owner["known key, code"].values()) == 720


async def test_starts_used_up_by_a_thief_stop_neither_the_known_key_nor_the_security_key(tmp_path: Path) -> None:
    async with scene(tmp_path) as attacked:
        tally = await use_up_starts(attacked, 150, owner_every=50)
    _within_the_budgets(tally)
    assert tally.owner["known key, code"][True] == 3
