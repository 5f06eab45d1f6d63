"""Guessing, and starts used up: a thief with the password learns little, and the owner is served throughout."""

import sys
from pathlib import Path

import pytest

from attacks.guessing import Tally, beside_an_owner, guess, scene, use_up_starts
from attacks.table import ATTACKS, PAGE, Attack, carried_out, line_of

pytestmark = pytest.mark.anyio
LAST_TRY = 100


def _within_the_budgets(tally: Tally) -> None:
    assert tally.judged <= LAST_TRY
    assert tally.always_served, tally.owner


async def test_some_hundred_guesses_from_many_sign_ins_keys_and_addresses(tmp_path: Path) -> None:
    async with scene(tmp_path) as attacked:
        tally = await guess(attacked, 400, owner_every=100)
    _within_the_budgets(tally)
    assert tally.times("authenticator-closed") == 1
    assert tally.tried >= 400


async def test_an_owner_who_confirms_every_hour_for_a_day_feeds_no_guesser(tmp_path: Path) -> None:
    async with scene(tmp_path) as attacked:
        tally = await beside_an_owner(attacked, days=1)
    _within_the_budgets(tally)
    assert sum(tally.owner["known key, code"].values()) == 24


async def test_starts_used_up_by_a_thief_stop_neither_the_known_key_nor_the_security_key(tmp_path: Path) -> None:
    async with scene(tmp_path) as attacked:
        tally = await use_up_starts(attacked, 150, owner_every=50)
    _within_the_budgets(tally)
    assert tally.owner["known key, code"][True] == 3


@pytest.mark.long
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_a_whole_attack_gets_what_the_page_says(attack: Attack, capsys: pytest.CaptureFixture[str]) -> None:
    tally = await carried_out(attack)
    line = line_of(attack, tally)
    with capsys.disabled():
        sys.stdout.write(f"\n{line}\n")
    _within_the_budgets(tally)
    assert tally.judged == attack.judged
    assert tally.times("authenticator-closed") == (attack.judged == LAST_TRY)
    assert line in PAGE.read_text().splitlines()


def test_the_page_names_each_attack_and_no_other() -> None:
    named = [line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert named[2:] == [attack.name for attack in ATTACKS]
