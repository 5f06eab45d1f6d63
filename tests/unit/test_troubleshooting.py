"""docs/troubleshooting.md lists every refusal and every error of the start, with cause and remedy."""

import ast
from pathlib import Path

from docs.generated import page_with
from docs.troubleshooting import ERRORS, PAGE, SERVER, messages, rows, server_part
from upstile.server._words import WORDS

COMMAND = "uv run python -m docs.troubleshooting"


def test_no_error_of_the_start_is_without_cause_and_remedy_and_none_is_left_over() -> None:
    known = [row["message"] for row in rows()]
    assert len(known) == len(set(known))
    missing, left_over = messages() - set(known), set(known) - messages()
    assert not missing, f"add rows to {ERRORS}, then run {COMMAND}: {sorted(missing)}"
    assert not left_over, f"remove these from {ERRORS}, then run {COMMAND}: {sorted(left_over)}"


def test_the_page_is_what_the_command_writes() -> None:
    page = PAGE.read_text()
    assert page == page_with(server_part(), page), f"run {COMMAND}"


def test_the_page_has_each_refusal_and_each_error_once() -> None:
    page = PAGE.read_text()
    for name in WORDS:
        assert page.count(f"### `{name.replace('-', '_')}` (`urn:upstile:problem:{name}`)\n") == 1
    for row in rows():
        assert page.count(f"- `` {row['message']} ``\\\n") == 1
        assert row["cause"].endswith(".")
        assert row["remedy"].endswith(".")


def test_the_search_sees_every_error_that_the_code_raises_with_a_text() -> None:
    raised = sum(path.read_text().count("ConfigurationError(") for path in SERVER.rglob("*.py"))
    texts = sum(len(_first_texts(path)) for path in SERVER.rglob("*.py"))
    assert texts >= raised - 10  # the class itself, and what hands another error's text on
    for path in SERVER.rglob("*.py"):
        for text in _first_texts(path):
            assert any(text in message for message in messages()), f"{path.name}: {text}"


def _first_texts(path: Path) -> list[str]:
    """The longest literal of each `ConfigurationError(...)`, found in another way than the page's."""
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ConfigurationError"
    ]
    literals = [[part.value for part in ast.walk(call) if isinstance(part, ast.Constant)] for call in calls]
    return [max(map(str, found), key=len) for found in literals if found]
