"""Many processes start at once on an empty storage, as `uvicorn --workers 8` does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.stores import Place

_ROOT = Path(__file__).parents[2]
PROCESSES = 8
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def _start(place: Place) -> None:
    command = [sys.executable, "-m", "support.starts", place.name, place.address, str(PROCESSES)]
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, cwd=_ROOT, env=environment, timeout=120
    )
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(said) == 2 * PROCESSES
    assert len(set(said)) == 2  # one key, one secret


@pytest.mark.parametrize("start", range(3))
def test_eight_processes_start_at_once_on_an_empty_storage(durable_place: Place, start: int) -> None:
    _start(durable_place)


@pytest.mark.long
@pytest.mark.parametrize("start", range(50))
def test_eight_processes_start_at_once_fifty_times(durable_place: Place, start: int) -> None:
    _start(durable_place)
