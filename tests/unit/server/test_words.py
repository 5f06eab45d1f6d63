"""The table of what refusals say: the person reads no word of the protocol, and is told what to do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.words import protocol_words, protocol_words_in
from upstile.server._words import CASES, WORDS, Case, words_for

SERVER = Path(__file__).parents[3] / "server_sdk" / "upstile" / "server"
REFUSING = {
    "AuthorizationError": 0,
    "_rejection": 0,
    "problem": 0,
    "_refuse": 1,
}
"""What makes a refusal, and which of its arguments is the code."""


@pytest.mark.parametrize("code", WORDS)
def test_no_word_of_the_protocol_is_said_to_a_person(code: str) -> None:
    words = WORDS[code]
    assert protocol_words_in(words.sentences) == []


@pytest.mark.parametrize("code", WORDS)
def test_every_row_tells_the_person_what_to_do_and_the_developer_and_operator_too(code: str) -> None:
    words = WORDS[code]
    assert words.title[0].isupper()
    assert not words.title.endswith(".")
    assert all(text.endswith(".") for text in (words.next_step, words.cause, words.remedy))
    assert words.hint
    assert not words.hint.endswith(".")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.when)
def test_where_more_is_known_the_person_is_told_more_in_no_word_of_the_protocol(case: Case) -> None:
    assert case.of in WORDS
    assert protocol_words_in(case.sentences) == []
    assert case.title[0].isupper()
    assert not case.title.endswith(".")
    assert case.next_step.endswith(".")


def test_the_words_that_are_looked_for_are_found_wherever_they_hide() -> None:
    assert {"authorization server", "token", "acr", "scope", "endpoint", "subject_token"} <= protocol_words()
    text = "The Authorization Server says: your access_token lacks acr_values, scopes; ask the endpoint"
    assert {"authorization server", "token", "acr", "scope", "endpoint"} <= set(protocol_words_in(text))
    assert protocol_words_in("Type the code that the microscope shows, massacre nobody") == []


def test_every_refusal_in_the_code_has_words_and_all_words_are_used() -> None:
    used = {code.replace("_", "-") for path in SERVER.rglob("*.py") for code in _codes(path)}
    assert used == set(WORDS)


def test_a_code_without_words_is_refused_all_the_same() -> None:
    assert words_for("never_heard_of").next_step
    assert words_for("invalid_grant") is words_for("invalid-grant")


def _codes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if name in REFUSING and len(node.args) > REFUSING[name]:
                yield from _texts(node.args[REFUSING[name]])


def _texts(node: ast.expr) -> Iterator[str]:
    """A literal, or what a row of the challenges is called where the code is taken from them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id == "name":  # rows 4 and `token-used`: `step_up` in _refusal.py
        yield from ("token-used", "insufficient_user_authentication")
