"""What an issuer said about tokens, for a short while."""

from support.issuer_server import NOW
from upstile.server.issuers._remembered import Remembered


def test_what_is_remembered_is_bounded_and_a_clock_that_is_set_back_asks_again() -> None:
    kept = Remembered(30, 1)
    for number in range(30_000):
        kept.put(str(number).encode(), "no", NOW)
    assert len(kept._young) + len(kept._old) <= 10_000
    assert kept.get(b"29999", NOW) == "no"
    assert kept.get(b"29999", NOW - 1) is None
