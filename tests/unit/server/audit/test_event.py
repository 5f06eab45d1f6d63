"""How an event looks in the log and in the table, whatever its texts hold."""

import json
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.wire_driver import URL
from upstile.server import JsonLines
from upstile.server.audit import KINDS, EventKind, Events, SecurityEvent, stored_subject
from upstile.server.audit.__main__ import FIELDS, rewritten
from upstile.server.audit._event import LONGEST
from upstile.server.storage import AuditRow, User
from upstile.server.storage.sqlite import SqliteStore

PAGE = Path(__file__).parents[4] / "docs" / "events.md"
HOSTILE = "ada\r\n2026-01-01 INFO login subject=root\x1b[2J\x00\u202e\u2028\ud800"


def event(**members: object) -> SecurityEvent:
    return SecurityEvent(**{"kind": "login", "user": User(URL, "ada"), "at": 1.0, **members})  # type: ignore[arg-type]


def test_a_line_break_or_an_escape_sequence_in_a_name_makes_no_line_and_reaches_no_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="upstile.server.audit")
    hostile = event(user=User(URL, HOSTILE), client_id=HOSTILE, reason=HOSTILE, detail=HOSTILE, by=HOSTILE)
    Events(SqliteStore(tmp_path / "bank.db", URL)).note(hostile)
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert vars(record)["subject"] == (
        "ada\\x0d\\x0a2026-01-01 INFO login subject=root\\x1b[2J\\x00\\u202e\\u2028\\ud800"
    )
    line = JsonLines().format(record)
    assert line.isprintable()
    assert json.loads(line)["by"] == vars(record)["subject"]
    assert all(str(value).isprintable() for value in hostile.row() if value is not None)


def test_a_quote_in_a_name_does_not_end_it_in_a_log_that_shows_messages_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="upstile.server.audit")
    Events(SqliteStore(tmp_path / "bank.db", URL)).note(event(user=User(URL, 'x" reason="all is well')))
    assert """subject="x' reason='all is well\"""" in caplog.text


@pytest.mark.parametrize("name", ["x" * 10_000, "\x1b" * 10_000, "é" * 10_000, "\U0001f600" * 513])
def test_a_name_of_10_000_characters_is_cut_to_its_column(name: str) -> None:
    row = event(user=User(URL, name), client_id=name, requirement=name, route=name, reason=name).row()
    assert {len(value) for value in row if isinstance(value, str) and value.endswith("…")} == {512}
    assert row.client_id == row.reason
    assert row.subject == stored_subject(name)
    assert len(stored_subject(name)) == 512


def test_an_ordinary_name_is_left_as_it_is() -> None:
    assert event(user=User(URL, "Zoë Brien 日本")).row().subject == "Zoë Brien 日本"


def test_every_kind_is_described() -> None:
    assert tuple(KINDS) == get_args(EventKind)


def test_every_field_is_in_the_row_and_in_the_page() -> None:
    own = {field.name for field in fields(SecurityEvent)} - {"user", "verified", "told"} | {
        "issuer",
        "subject",
        "outcome",
    }
    assert set(AuditRow._fields) == set(FIELDS) == own


def test_the_page_is_as_the_code_says() -> None:
    assert PAGE.read_text() == rewritten(PAGE.read_text()), "run: python -m upstile.server.audit docs/events.md"


_NAMES = st.text(st.sampled_from("ax0\\\n\u3000\U000e0001…")) | st.text()


@settings(max_examples=500)
@given(st.lists(_NAMES.map(lambda name: name * 40) | _NAMES, min_size=2, max_size=2, unique=True))
@example(["ada\u3000l", "ada\\u3000l"])
@example(["ada\nl\\", "ada\\x0al\\"])
@example(["v" * 600, "v" * 512 + "w" * 88])
@example(["v" * 600, stored_subject("v" * 600)])
@example(["\n" * 300, "\\x0a" * 127 + "\\x0…"])
def test_no_two_subjects_are_stored_as_one(names: list[str]) -> None:
    stored = [stored_subject(name) for name in names]
    assert stored[0] != stored[1]
    for name, text in zip(names, stored, strict=True):
        assert len(text) <= LONGEST
        assert text.isprintable()
        assert SecurityEvent(kind="login", user=User("i", name), at=1.0).row().subject == text
