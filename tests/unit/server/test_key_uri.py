"""Key URIs: one separator, one issuer, and nothing in a name that an authenticator app reads as something else."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstile.server.authorization.methods._key_uri import key_uri

NAMES = [
    "Acme: Bank",
    ":Acme",
    "Acme:",
    "a:b:c",
    "Acme%3ABank",
    "Acme\uff1aBank",
    "Acme\ufe55 Bank",
    " Acme ",
    "A+B & C?",
]


def parts(uri: str) -> tuple[str, str, str]:
    """Issuer and account in the label, and the issuer parameter, as an app takes them apart."""
    split = urlsplit(uri)
    issuer, account = unquote(split.path[1:]).split(":")
    return issuer, account, parse_qs(split.query)["issuer"][0]


def made(issuer: str, account: str) -> str:
    return key_uri(b"\x00" * 20, issuer=issuer, account=account, digits=6, period=30)


@pytest.mark.parametrize("issuer", NAMES)
@pytest.mark.parametrize("account", [*NAMES, "ada@example.com", "", ":", "\u202eada", "\ud800"])
def test_no_name_makes_an_ambiguous_key_uri(issuer: str, account: str) -> None:
    uri = made(issuer, account)
    assert uri.count(":") == 2  # of the scheme, and of the label
    label, name, parameter = parts(uri)
    assert label == parameter == label.strip()
    assert name == name.strip() != ""


@given(st.text(), st.text())
def test_whatever_the_names_the_label_has_two_parts(issuer: str, account: str) -> None:
    label, name, parameter = parts(made(issuer, account))
    assert label == parameter
    assert len(name) <= 100


def test_a_name_without_a_colon_stays_as_it_is() -> None:
    uri = made("Bank of Ada", "ada@example.com")
    assert parts(uri) == ("Bank of Ada", "ada@example.com", "Bank of Ada")
    assert "+" not in uri  # some apps show it
    assert uri.startswith("otpauth://totp/Bank%20of%20Ada:ada@example.com?secret=")
    query = parse_qs(urlsplit(uri).query)
    assert (query["digits"], query["period"], query["algorithm"]) == (["6"], ["30"], ["SHA1"])


def test_a_long_account_makes_a_picture_that_can_be_scanned() -> None:
    assert len(made("Bank", "a" * 10_000)) < 300
