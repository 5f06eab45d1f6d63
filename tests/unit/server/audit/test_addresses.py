"""Where a call came from: said by named proxies only, and masked."""

from time import process_time

import pytest

from upstile.server import ConfigurationError
from upstile.server._http import HttpRequest
from upstile.server.audit import Addresses

PROXIES = Addresses(["10.0.0.0/8", "2001:db8:ff::/48"])


def call(peer: str | None, *headers: tuple[str, str]) -> HttpRequest:
    lines = [(name.encode(), value.encode()) for name, value in headers]
    return HttpRequest(method="GET", path="/", headers=lines, peer=peer)


def forwarded(*hops: str) -> tuple[str, str]:
    return "x-forwarded-for", ", ".join(hops)


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("testclient", None),
        (None, None),
    ],
)
def test_an_address_is_masked(peer: str | None, shown: str | None) -> None:
    assert Addresses().of(call(peer)) == shown
    assert PROXIES.of(call(peer)) == shown


def test_a_stranger_cannot_name_another_address() -> None:
    forged = [forwarded("198.51.100.1"), ("forwarded", "for=198.51.100.1")]
    assert Addresses().of(call("203.0.113.77", *forged)) == "203.0.113.0/24"
    assert PROXIES.of(call("203.0.113.77", *forged)) == "203.0.113.0/24"


def test_what_stands_before_the_first_stranger_is_the_strangers_word() -> None:
    lie = forwarded("198.51.100.1", "203.0.113.77", "10.1.1.1")
    assert PROXIES.of(call("10.0.0.1", lie)) == "203.0.113.0/24"


def test_several_lines_are_one_list() -> None:
    assert PROXIES.of(call("10.0.0.1", forwarded("198.51.100.1"), forwarded("203.0.113.77"))) == "203.0.113.0/24"


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (("x-forwarded-for", "203.0.113.77:4711"), "203.0.113.0/24"),
        (("x-forwarded-for", "[2001:db8:1::7]:4711"), "2001:db8:1::/48"),
        (("forwarded", 'for="[2001:db8:1::7]:4711";proto=https'), "2001:db8:1::/48"),
        (("forwarded", "proto=https; FOR=203.0.113.77"), "203.0.113.0/24"),
        (("forwarded", "for=198.51.100.1, for=unknown"), "10.0.0.0/24"),
        (("forwarded", "for=_hidden"), "10.0.0.0/24"),
        (("forwarded", "by=203.0.113.77"), "10.0.0.0/24"),
        (("x-forwarded-for", ""), "10.0.0.0/24"),
        (("x-forwarded-for", "\x1b[31mred"), "10.0.0.0/24"),
        (("x-forwarded-for", "10.2.3.4"), "10.2.3.0/24"),
        (("x-forwarded-for", ",".join(["10.0.0.9"] * 5000)), "10.0.0.0/24"),
    ],
)
def test_a_named_proxy_says_who_was_behind_it(header: tuple[str, str], shown: str) -> None:
    assert PROXIES.of(call("10.0.0.1", header)) == shown


def test_where_two_headers_disagree_none_is_believed() -> None:
    """A proxy that sets one of them may pass the other one on as the client wrote it."""
    both = forwarded("203.0.113.77"), ("forwarded", "for=198.51.100.1")
    assert PROXIES.of(call("10.0.0.1", *both)) == "10.0.0.0/24"


@pytest.mark.parametrize("wrong", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example", ""])
def test_a_proxy_that_is_no_network_or_everybody_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        Addresses([wrong])


@pytest.mark.parametrize(
    "line",
    [
        "for=" + " " * 60_000 + '"',
        "for=" + " " * 60_000,
        ";" * 60_000,
        '";for="' * 10_000,
        "for=" + " \t" * 30_000 + '";',
    ],
    ids=["blanks before a quote", "blanks", "semicolons", "quotes", "blanks and tabs"],
)
def test_a_long_header_costs_no_more_than_its_length(line: str) -> None:
    """The guard writes the address of each refusal, before any token is good: this must not hold the loop up."""
    began = process_time()
    assert PROXIES.of(call("10.0.0.1", ("forwarded", line))) == "10.0.0.0/24"
    assert process_time() - began < 1  # a pattern that goes over its blanks once for each of them takes a minute
