"""The benchmarks run and say what they measured; how fast is not for a test to say."""

import pytest
from benchmarks.exchanges import exchange_rows
from benchmarks.gathering import gather_rows
from benchmarks.guarding import guard_rows
from benchmarks.starting import start_rows
from benchmarks.table import markdown
from benchmarks.verification import verify_rows


def test_the_first_rows_are_measured_and_written() -> None:
    rows = [*verify_rows(2), *guard_rows(2)]
    table = markdown(rows)
    for alg in ("ES256", "EdDSA", "RS256"):
        for size in ("0.7 KB", "4 KB", "16 KB"):
            assert f"verify a token, {alg}, {size}, new" in table
    for measure in ("token seen", "verdict remembered", "a DPoP-bound GET", "a DPoP-bound POST", "PyJWT", "joserfc"):
        assert measure in table
    assert all(row.verdict in ("met", "missed", "") for row in rows)


def test_a_step_up_takes_five_seven_or_four_exchanges() -> None:
    assert [(row.beside, row.ratio) for row in exchange_rows(1)] == [("5", 1.0), ("7", 1.0), ("4", 1.0)]


@pytest.mark.long
def test_a_hundred_calls_at_once_hold_one_ceremony() -> None:
    ceremonies, *spreads = gather_rows(2)
    assert ceremonies.ratio == 1
    assert len(spreads) == 3


@pytest.mark.long
def test_processes_are_measured_that_import_and_that_pay() -> None:
    rows = list(start_rows(1))
    assert [row.beside for row in rows] == ["import httpx", "import httpx2", "import httpx", "import httpx"]
