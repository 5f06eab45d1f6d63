"""The benchmarks run and say what they measured; how fast is not for a test to say."""

from benchmarks.table import markdown
from benchmarks.verification import guard_rows, verify_rows


def test_the_first_rows_are_measured_and_written() -> None:
    rows = [*verify_rows(4), *guard_rows(4)]
    table = markdown(rows)
    for measure in ("verify a token, ES256, new", "verify a token, RS256, new", "a DPoP-bound call", "PyJWT"):
        assert measure in table
    assert all(row.verdict in ("met", "missed", "") for row in rows)
