"""The tables in `docs/benchmarks.md`: one a part, so that a part can be measured anew by itself."""

from collections.abc import Mapping, Sequence

from benchmarks.table import Row, markdown

BEGIN, END = "<!-- tables -->\n", "<!-- end of tables -->\n"


def with_tables(document: str, measured: Mapping[str, Sequence[Row]], order: Sequence[str]) -> str:
    """The document with the tables of these parts in the place of older ones; all others stay.

    Args:
        document: its text.
        measured: rows by part.
        order: of all parts that there are. A table of another one goes.

    Raises:
        ValueError: the document does not say where its tables are.
    """
    before, begin, rest = document.partition(BEGIN)
    tables, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs a line {BEGIN.strip()} and a line {END.strip()}")
    kept = {name: table for name in order if (table := _table_of(name, tables)) is not None}
    kept |= {name: markdown(rows) for name, rows in measured.items()}
    shown = (f"{_mark(name)}{kept[name].strip()}\n" for name in order if name in kept)
    return before + begin + "\n".join(shown) + end + after


def _table_of(name: str, tables: str) -> str | None:
    _, found, rest = tables.partition(_mark(name))
    return rest.partition("<!-- ")[0] if found else None


def _mark(name: str) -> str:
    return f"<!-- {name} -->\n"
