"""What a server says cannot pose as the app's own words, and what a person types is read in any spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstile.client._text import harmless, rows
from upstile.protocol import plain_code

POSING = {
    "a right-to-left override": "Pay\u202e OT 1 RUE",
    "an isolate": "Pay\u2067 1 EUR \u2069",
    "a line break": "Pay 1 EUR\n  Confirmed.",
    "a carriage return over our words": "Pay 1 EUR\r  Confirmed.",
    "a paragraph separator": "Pay 1 EUR\u2029  Confirmed.",
    "an escape sequence": "Pay 1 EUR\x1b[1A\x1b[2K  Confirmed.",
    "a C1 control": "Pay 1 EUR\x9b2K  Confirmed.",
    "empty Braille up to the next row": "Pay 1 EUR" + "\u2800" * 60 + "Confirmed.",
    "Hangul fillers": "Pay 1 EUR" + "\u3164" * 60 + "Confirmed.",
    "halfwidth fillers": "Pay 1 EUR" + "\uffa0\u115f\u1160" * 20 + "Confirmed.",
    "ideographic blanks": "Pay 1 EUR" + "\u3000" * 30 + "Confirmed.",
    "blanks without breaks": "Pay 1 EUR" + "\u00a0" * 60 + "Confirmed.",
    "marks without a base": "Pay 1 EUR " + "\u0301 " * 60 + "Confirmed.",
    "tags": "Pay 1 EUR" + "\U000e0041" * 60 + "Confirmed.",
    "variation selectors": "Pay 1 EUR " + "\ufe0f\U000e0100" * 60 + " Confirmed.",
    "joiners": "Pay 1 EUR" + "\u200b\u200d\u2060" * 30 + "Confirmed.",
    "musical nothing": "Pay 1 EUR" + "\U0001d159" * 60 + "Confirmed.",
}


@pytest.mark.parametrize("attack", POSING)
def test_no_text_leaves_its_place_or_makes_room_for_another(attack: str) -> None:
    shown = harmless(POSING[attack])
    assert shown is not None
    assert len(shown) < 30
    assert shown.isprintable()
    assert "  " not in shown


@pytest.mark.parametrize("nothing", ["\u2800" * 9, "\u3164", " \u0301\u0302 ", "\u200b", "\ufe0f", "", "\u034f"])
def test_a_text_that_shows_nothing_is_none(nothing: str) -> None:
    assert harmless(nothing) is None


def test_marks_do_not_pile_up_over_the_rows_above() -> None:
    assert harmless("Pay" + "\u0301" * 200) == "Pay" + "\u0301" * 3


@pytest.mark.parametrize(
    "text",
    ["Überweisung an Zoë, 5 000 €", "Zoe\u0308", "हिन्दी में भुगतान", "支払いを確認", "أكّد الدفع", "ad••@example.com"],
)
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@given(text=st.text(), width=st.integers(4, 80))
def test_no_row_is_longer_than_the_terminal_is_wide(text: str, width: int) -> None:
    clean = harmless(text) or ""
    made = rows(clean, width)
    assert "".join(made).replace(" ", "") == clean.replace(" ", "")
    for row in made:
        assert len(row) <= width
        assert "\n" not in row


def test_a_word_without_end_and_a_wide_one_are_broken_before_the_edge() -> None:
    assert rows("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert rows("支払いを確認", 5) == ["支払", "いを", "確認"]
    assert rows("Pay 5 EUR to ACME", 10) == ["Pay 5 EUR", "to ACME"]


@pytest.mark.parametrize(
    "spelt",
    [
        "123456",
        " 123 456\n",
        "123-456",
        "123\u2011456",
        "123\u2013456",
        "123\u2212456",
        "1\u200b2\u200b3\u200b4\u200b5\u200b6",
        "\ufeff123\u00a0456\u202c",
        "".join(chr(0xFF10 + n) for n in range(1, 7)),
        "١٢٣٤٥٦",
        "१२३४५६",
        "①②③④⑤⑥",
        "\u2800123\u3164456",
    ],
)
def test_a_code_is_read_in_any_spelling(spelt: str) -> None:
    assert plain_code(spelt) == "123456"


@pytest.mark.parametrize("typed", ["12345", "1234567", "12345O", "hunter2", "https://example.com/123456"])
def test_what_is_no_code_does_not_become_one(typed: str) -> None:
    assert not (plain_code(typed).isdigit() and len(plain_code(typed)) == 6)
