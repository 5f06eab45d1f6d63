"""The keys of one-time state."""

import hmac
from typing import get_args

import pytest

from upstile.server.storage._names import Kind, Names

KINDS: tuple[Kind, ...] = get_args(Kind)


def names(secret: bytes) -> Names:
    made = Names("https://bank.example")
    made.load(secret)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_the_mac_of_issuer_kind_and_name(kind: Kind) -> None:
    """Spelled out: another key would forget every lock and let used codes in again after an upgrade."""
    secret, named = b"s" * 32, b"https://bank.example\x00" + kind.encode() + b"\x00ada"
    expected = f"{kind}:{hmac.digest(secret, named, 'sha256').hex()[:40]}"
    made = names(secret)
    assert [made(kind, "ada") for _ in range(2)] == [expected, expected]


@pytest.mark.parametrize("kind", KINDS)
def test_another_secret_names_anew(kind: Kind) -> None:
    made = names(b"1" * 32)
    before = made(kind, "ada")
    made.load(b"2" * 32)
    assert made(kind, "ada") == names(b"2" * 32)(kind, "ada") != before


@pytest.mark.parametrize("kind", KINDS)
def test_only_names_that_are_no_secret_are_remembered(kind: Kind) -> None:
    made = names(b"s" * 32)
    made(kind, "a name")
    assert made._lasting.cache_info().currsize == (kind in ("user", "login"))


def test_nothing_is_named_before_the_secret_is_there() -> None:
    with pytest.raises(RuntimeError, match="before it was prepared"):
        Names("https://bank.example")("user", "ada")
