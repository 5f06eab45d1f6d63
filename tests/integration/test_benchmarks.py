"""The benchmarks run and say what they measured; how fast is not for a test to say."""

from benchmarks.exchanges import exchange_rows
from benchmarks.table import markdown
from benchmarks.verification import guard_rows, verify_rows


def test_the_first_rows_are_measured_and_written() -> None:
    rows = [*verify_rows(4), *guard_rows(4)]
    table = markdown(rows)
    for measure in ("verify a token, ES256, new", "verify a token, RS256, new", "a DPoP-bound call", "PyJWT"):
        assert measure in table
    assert all(row.verdict in ("met", "missed", "") for row in rows)


def test_a_step_up_takes_five_seven_or_four_exchanges() -> None:
    assert [(row.beside, row.ratio) for row in exchange_rows(1)] == [("5", 1.0), ("7", 1.0), ("4", 1.0)]
