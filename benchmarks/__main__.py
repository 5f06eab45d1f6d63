"""Measure, and show ratios: `uv run python -m benchmarks [--quick] [--only PART] [--write]`."""

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from rich.console import Console

from benchmarks.ceremony import ceremony_rows
from benchmarks.document import with_tables
from benchmarks.exchanges import exchange_rows
from benchmarks.forms import form_rows
from benchmarks.gathering import gather_rows
from benchmarks.guarding import guard_rows
from benchmarks.installing import install_rows
from benchmarks.key_ceremony import key_rows
from benchmarks.load.rows import load_rows
from benchmarks.memory import memory_rows
from benchmarks.refusing import refuse_rows
from benchmarks.serving import client_rows, server_rows
from benchmarks.starting import start_rows
from benchmarks.table import Row, show
from benchmarks.verification import profile_rows, verify_rows

PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "verify": verify_rows,
    "profile": profile_rows,
    "guard": guard_rows,
    "memory": memory_rows,
    "exchanges": exchange_rows,
    "ceremony": ceremony_rows,
    "key": key_rows,
    "install": install_rows,
    "server": server_rows,
    "forms": form_rows,
    "refuse": refuse_rows,
    "client": client_rows,
    "start": start_rows,
    "gather": gather_rows,
    "load": load_rows,
}
ROUNDS, QUICK = 31, 3
DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main() -> int:
    """Run the parts that were asked for; the order of the rows is theirs."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Ratios beside the limit and beside peers. All contenders of a part take turns in one run.",
        epilog="A ratio says how many times the cost of what stands beside it. Absolute times would say how fast "
        "this machine is today.",
    )
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    parser.add_argument("--quick", action="store_true", help="a few rounds: to see that it works, not how fast")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    console = Console()
    measured: dict[str, list[Row]] = {}
    for name in [options.only] if options.only else PARTS:
        with console.status(f"measuring: {name}"):
            measured[name] = list(PARTS[name](QUICK if options.quick else ROUNDS))
    show(chain.from_iterable(measured.values()), console)
    if options.write:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), measured, list(PARTS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
