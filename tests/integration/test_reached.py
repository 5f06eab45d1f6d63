"""`docs/methods.md` says what each set of methods reaches, as the client and a server find out."""

from docs.generated import page_with
from docs.reached import PAGE, table


def test_the_page_is_what_the_command_writes() -> None:
    page = PAGE.read_text()
    assert page == page_with(table(), page), "run uv run python -m docs.reached"
