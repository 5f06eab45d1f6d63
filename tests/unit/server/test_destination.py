"""Where codes can be sent: addresses and numbers as mailers take them, and what is shown of them."""

import pytest

from upstile.protocol import MalformedMessage
from upstile.server.authorization.ceremony._sessions import form_mark
from upstile.server.authorization.methods._destination import email_address, phone_number


@pytest.mark.parametrize(
    ("written", "address", "hint"),
    [
        ("ada@example.com", "ada@example.com", "a•••@example.com"),
        ("Ada.L+bank@EXAMPLE.com", "Ada.L+bank@example.com", "A•••@example.com"),
        ("ada@straße.de", "ada@xn--strae-oqa.de", "a•••@xn--strae-oqa.de"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example", "a•••@xn--bcher-kva.example"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com", "a•••@example.com"),
    ],
)
def test_an_address_is_taken_with_its_domain_in_ascii(written: str, address: str, hint: str) -> None:
    place = email_address(written)
    assert (place.address, place.hint) == (address, hint)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@-example.com",
        "ada@example.com.",
        "ada@[127.0.0.1]",
        "ada@127.0.0.1",
        '"ada b"@example.com',
        "ada\t@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\x00",
        "äda@example.com",
        "ada@xn--.com",
        f"{'a' * 65}@example.com",
        f"ada@{'a' * 64}.com",
        f"ada@{'a.' * 124}com",
    ],
)
def test_what_is_no_address_is_refused(written: str | None) -> None:
    with pytest.raises(MalformedMessage, match="destination"):
        email_address(written)


@pytest.mark.parametrize("written", ["+49 170 1234567", "+49 (170) 123-4567", "+49170/1234567"])
def test_a_number_is_taken_however_it_is_written(written: str) -> None:
    place = phone_number(written)
    assert (place.address, place.hint) == ("+491701234567", "+49 ••• 67")


@pytest.mark.parametrize(
    "written",
    [None, "", "0170 1234567", "+0170 1234567", "+49", "+49x1701234567", "+4917012345678901", "+49170\n1234567"],
)
def test_what_is_no_number_is_refused(written: str | None) -> None:
    with pytest.raises(MalformedMessage, match="destination"):
        phone_number(written)


def test_the_mark_of_a_form_is_keyed_by_its_session() -> None:
    assert form_mark("one", b"password=x") == form_mark("one", b"password=x")
    assert form_mark("one", b"password=x") != form_mark("other", b"password=x")
