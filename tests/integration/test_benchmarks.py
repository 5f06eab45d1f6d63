"""The benchmarks run and say what they measured; how fast is not for a test to say."""

import pytest
from benchmarks.__main__ import DOCUMENT, PARTS
from benchmarks.document import BEGIN, END, with_tables
from benchmarks.exchanges import exchange_rows
from benchmarks.gathering import gather_rows
from benchmarks.guarding import guard_rows
from benchmarks.starting import start_rows
from benchmarks.table import Row, markdown
from benchmarks.verification import profile_rows, verify_rows


def test_the_first_rows_are_measured_and_written() -> None:
    rows = [*verify_rows(2), *guard_rows(2)]
    table = markdown(rows)
    for alg in ("ES256", "EdDSA", "RS256"):
        for size in ("0.7 KB", "4 KB", "16 KB"):
            assert f"verify a token, {alg}, {size}, new" in table
    for measure in (
        "token seen",
        "verdict remembered",
        "a DPoP-bound GET",
        "a DPoP-bound POST",
        "PyJWT",
        "joserfc",
        "authlib",
    ):
        assert measure in table
    assert all(row.verdict in ("met", "missed", "") for row in rows)


def test_each_profile_is_measured_beside_the_standard() -> None:
    rows = {row.measure: row for row in profile_rows(2)}
    assert {measure.rpartition("through ")[2] for measure in rows} == {
        "keycloak()",
        "okta()",
        "auth0(namespace=)",
        "entra(tenant=)",
    }
    assert {row.beside for row in rows.values()} == {"rfc9068()"}


def test_a_part_that_is_measured_anew_takes_the_place_of_its_table_alone() -> None:
    document = "before\n" + BEGIN + END + "after\n"
    first = with_tables(
        document, {"b": [Row("old b", "x", 1.0, None)], "a": [Row("old a", "x", 1.0, None)]}, ["a", "b"]
    )
    assert first.index("old a") < first.index("old b")
    again = with_tables(first, {"b": [Row("new b", "x", 2.0, None)]}, ["a", "b", "c"])
    assert again == first.replace("| old b | x | 1.00", "| new b | x | 2.00")
    last = with_tables(again, {"c": [Row("first c", "x", 1.0, None)]}, ["a", "c"])
    assert "new b" not in last
    assert last.startswith("before\n")
    assert last.endswith("after\n")
    with pytest.raises(ValueError, match="needs a line"):
        with_tables("nothing", {}, ["a"])


def test_the_document_has_the_tables_of_parts_that_there_are() -> None:
    document = DOCUMENT.read_text()
    assert with_tables(document, {}, list(PARTS)) == document
    assert "verify a token" in document


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
