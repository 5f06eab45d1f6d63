"""What a killed process and a power cut lose of an SQLite storage (`support.power_cut` says how it is simulated)."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support import power_cut

PHASES = {
    "wrong answer counted",
    "ceremony under way",
    "TOTP step or sign count used",
    "authorization code issued",
    "code or token used",
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bool]]:
    """Of each kind of record, what is kept in which case."""
    return power_cut.kept(tmp_path_factory.mktemp("cut"))


def test_a_killed_process_loses_nothing(kept: dict[str, dict[str, bool]]) -> None:
    assert all(row["process killed"] for row in kept.values())


def test_a_power_cut_takes_the_newest_of_what_is_short_lived_and_nothing_else(kept: dict[str, dict[str, bool]]) -> None:
    assert {name for name, row in kept.items() if not row["power cut at once"]} == PHASES


def test_after_tidying_a_power_cut_takes_nothing(kept: dict[str, dict[str, bool]]) -> None:
    assert all(row["power cut after tidying"] for row in kept.values())


def test_what_is_durable_carries_with_it_all_that_was_written_before(kept: dict[str, dict[str, bool]]) -> None:
    assert all(row["power cut after the next durable write"] for row in kept.values())


def test_the_table_says_what_was_found(kept: dict[str, dict[str, bool]]) -> None:
    lines = power_cut.table(kept).splitlines()
    assert len(lines) == 2 + len(power_cut.KINDS)
    assert "| code or token used | kept | **lost** | kept | kept |" in lines
    assert "| authenticator enrolled | kept | kept | kept | kept |" in lines


def test_whenever_the_power_is_cut_the_file_is_whole_and_no_half_of_a_write_is_there(tmp_path: Path) -> None:
    moments = power_cut.moments(tmp_path)
    assert len(moments) == power_cut.MOMENTS
    seen = []
    for folder in moments:
        with closing(sqlite3.connect(folder / power_cut.STATE)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            values = [int(value) for (value,) in connection.execute("SELECT value FROM upstile_one_time")]
        assert len(values) in (0, 2)
        assert len(set(values)) <= 1
        seen.append(max(values, default=0))
    assert seen == sorted(seen)
    assert seen[-1] > 0


def test_no_fsync_is_on_the_event_loop_while_phases_write(tmp_path: Path) -> None:
    assert power_cut.syncing_threads(tmp_path) == {"elsewhere"}
