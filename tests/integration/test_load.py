"""The load that the benchmarks offer, small, and more than a process can do. No time is asserted."""

from pathlib import Path

import pytest
from benchmarks.load.rows import Bench


@pytest.mark.parametrize("loop", ["asyncio", pytest.param("uvloop", marks=pytest.mark.long)])
def test_a_little_load_goes_through(tmp_path: Path, loop: str) -> None:
    load = Bench(tmp_path, 2.0).load("little", rate=10, loop=loop)
    assert len(load.step_ups.done) == 20
    assert (load.step_ups.refused, load.step_ups.other) == ([], {})


@pytest.mark.long
def test_beyond_the_knee_what_is_accepted_is_done_and_the_rest_is_told_no(tmp_path: Path) -> None:
    load = Bench(tmp_path, 2.0).load("beyond", rate=900)
    counts = load.step_ups
    assert counts.refused
    assert counts.done
    assert counts.other == {}  # a start may get 503, and nothing else may
    assert (counts.timed_out, counts.broken) == (0, 0)
    assert load.guarded.done
    assert (load.guarded.timed_out, load.guarded.broken, load.guarded.other) == (0, 0, {})
