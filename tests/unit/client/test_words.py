"""The table of what errors say: the person reads no word of the protocol and is told what to do, the developer too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generated import page_with
from docs.troubleshooting import PAGE
from docs.troubleshooting_client import client_part, kinds, rows_of
from support.desk import Desk
from support.words import protocol_words_in
from upstile import client
from upstile.client import ConfigurationError, StepUpError, StepUpRequired
from upstile.client._errors import clock_hint
from upstile.client.methods import MethodUnavailable
from upstile.client.words import SHOWN, TABLE

CLIENT = Path(client.__file__).parent
APART = ("testing", "cli", "words")
"""Folders whose errors a person who uses an app does not meet, or that hold the table."""


def _all_errors(kind: type[StepUpError] = StepUpError) -> Iterator[type[StepUpError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__.startswith("upstile."):
            yield from _all_errors(below)


ERRORS = list(_all_errors())
NAMES = {kind.__name__ for kind in ERRORS} | {MethodUnavailable.__name__, "_NotThisKey", "Unsatisfied"}


@pytest.mark.parametrize("name", TABLE)
def test_no_word_of_the_protocol_is_said_to_a_person(name: str) -> None:
    words = TABLE[name]
    assert protocol_words_in(f"{words.title}. {words.next_step}") == []
    assert "=" not in words.title + words.next_step


@pytest.mark.parametrize("name", TABLE)
def test_every_row_says_what_happened_and_what_to_do_to_both(name: str) -> None:
    words = TABLE[name]
    assert words.title[0].isupper() or words.title[0] == "{"
    assert not words.title.endswith(".")
    assert words.next_step.endswith(".") or words.next_step == "{clock}"
    assert words.hint
    assert not words.hint.endswith(".")


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_while_a_person_is_asked_has_no_word_of_the_protocol_and_is_used(name: str) -> None:
    assert protocol_words_in(SHOWN[name]) == []
    texts = [path.read_text() for path in _modules()] + [(CLIENT / "words" / "_shown.py").read_text()]
    found = re.findall(rf"""["']{name.removesuffix("-to")}["']""", "".join(texts))
    assert len(found) >= 2  # its row, and its use; with "-to" behind it where there is a hint


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_of_an_apps_own_part_has_both_as_well(kind: type[StepUpError]) -> None:
    assert protocol_words_in(kind.next_step) == []
    assert kind.next_step.endswith(".")
    assert isinstance(kind.hint, str)
    assert kind.hint


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_what_is_said_of_a_wrong_clock_is_for_the_person(ahead: int) -> None:
    said = clock_hint("Fri, 15 Jan 2027 08:00:00 GMT", 1_800_000_000 + ahead)
    assert said is not None
    assert said.endswith(".")
    assert protocol_words_in(said) == []


def test_a_wrong_configuration_is_told_to_developers_and_the_person_is_told_whom_to_ask() -> None:
    error = ConfigurationError("profile is a printable name")
    assert error.hint == "profile is a printable name"
    assert error.diagnostics() == "This app is not set up right. Tell the makers of this app."


def test_where_nobody_may_be_asked_the_person_is_told_where_and_the_developer_how() -> None:
    desk = Desk()
    with desk.client(interaction="never") as bank, pytest.raises(StepUpRequired) as caught:
        bank.post("/transfers")
    assert caught.value.diagnostics() == "This needs you: run it in a terminal."
    assert "Run it in a terminal." not in caught.value.__notes__
    assert "client.step_up(...)" in caught.value.hint
    assert "mfa of the last 300 seconds" in caught.value.hint
    assert "could do: totp" in caught.value.hint


def test_what_the_message_says_already_is_not_said_twice() -> None:
    error = StepUpError("This needs you: run it in a terminal", next_step="Run it in a terminal.")
    assert error.diagnostics() == "This needs you: run it in a terminal."


def test_every_error_of_the_client_takes_its_words_from_the_table() -> None:
    own = [f"{path.name}:{call.lineno}" for path, call in _made() if call.args and _is_text(call.args[0])]
    assert own == [], "put these words into upstile/client/words, and raise them by said(...)"


def test_every_row_is_used_and_by_the_class_that_it_names() -> None:
    used = {name for path in _modules() for name in _rows_in(path)}
    assert used == set(TABLE)
    for path, call in _made():
        for keyword in call.keywords:
            name = _row_of(keyword.value) if keyword.arg is None else None
            if name is not None:
                kind = {
                    "Unsatisfied": "StepUpUnsatisfied",
                    "_NotThisKey": "MethodUnavailable",
                    "Unmet": "NoMethodAvailable",
                }
                made = ast.unparse(call.func)
                assert TABLE[name].error == kind.get(made, made) or made == "super().__init__", f"{path.name}: {name}"


def test_the_page_is_what_the_command_writes() -> None:
    page = PAGE.read_text()
    assert page == page_with(client_part(), page), "run uv run python -m docs.troubleshooting"


def test_the_page_has_every_row_under_its_class() -> None:
    assert sum(len(rows_of(kind)) for kind in kinds()) == len(TABLE)
    for kind in kinds():
        assert f"### `{kind.__name__}` (`{kind.code}`)\n" in client_part()


def _modules() -> Iterator[Path]:
    for path in sorted(CLIENT.rglob("*.py")):
        if path.relative_to(CLIENT).parts[0] not in APART:
            yield path


def _made() -> Iterator[tuple[Path, ast.Call]]:
    """Where an error is made."""
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in NAMES:
                yield path, node


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _rows_in(path: Path) -> Iterator[str]:
    """The rows that a module names: in `said(...)`, in `TABLE[...]`, or in a table of its own."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in TABLE:
            yield node.value


def _row_of(node: ast.expr) -> str | None:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "said" and isinstance(node.args[0], ast.Constant):
        return str(node.args[0].value)
    return None
