"""Secrets at rest: what opens where, and under which key."""

import logging
from base64 import b64encode, urlsafe_b64encode
from itertools import combinations
from typing import NamedTuple

import pytest
from cryptography.fernet import Fernet

from upstile.server import ConfigurationError
from upstile.server.keys._seal import Seal

OLD, NEW = (urlsafe_b64encode(bytes([number]) * 32).decode() for number in (1, 2))
SECRET = b"a seed of twenty byt"


class Place(NamedTuple):
    label: str = "totp-seed"
    issuer: str = "https://bank.example"
    user: str = "ada"
    id: str = "authenticator-1"
    field: str = "seed"

    def close(self, seal: Seal) -> bytes:
        return seal.close(SECRET, label=self.label, bound=self[1:])

    def open(self, seal: Seal, sealed: bytes) -> bytes:
        return seal.open(sealed, label=self.label, bound=self[1:])


HERE = Place()


def test_a_value_opens_where_it_was_closed_also_in_another_process() -> None:
    assert HERE.open(Seal([NEW]), HERE.close(Seal([NEW]))) == SECRET


@pytest.mark.parametrize("part", Place._fields)
def test_a_value_that_was_moved_does_not_open(part: str) -> None:
    seal = Seal([NEW])
    sealed = HERE.close(seal)
    with pytest.raises(ConfigurationError, match="was changed, or moved"):
        HERE._replace(**{part: "another"}).open(seal, sealed)


def test_no_two_places_are_bound_alike() -> None:
    seal = Seal([NEW])
    places = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("ab\x00", "c"), ("ab", "\x00c"), ()]
    for one, other in combinations(places, 2):
        with pytest.raises(ConfigurationError):
            seal.open(seal.close(SECRET, label="seed", bound=one), label="seed", bound=other)


def test_a_value_with_any_bit_changed_does_not_open() -> None:
    seal = Seal([NEW])
    sealed = HERE.close(seal)
    for place in range(len(sealed)):
        broken = bytearray(sealed)
        broken[place] ^= 1
        with pytest.raises(ConfigurationError):
            HERE.open(seal, bytes(broken))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 36, b"gAAAAABlong-enough-for-a-fernet-token-to-look-like"])
def test_what_is_no_sealed_value_is_refused(sealed: bytes) -> None:
    for attempt in (Seal([NEW]).needs, lambda value: HERE.open(Seal([NEW]), value)):
        with pytest.raises(ConfigurationError, match=r"db check|which is not among"):
            attempt(sealed)


def test_one_secret_closed_twice_looks_different() -> None:
    seal = Seal([NEW])
    assert len({HERE.close(seal) for _ in range(100)}) == 100


def test_a_key_is_retired_in_four_steps() -> None:
    sealed = HERE.close(Seal([OLD]))
    both = Seal([NEW, OLD])
    assert both.needs(sealed) == Seal([OLD]).current != both.current
    resealed = HERE.close(both) if HERE.open(both, sealed) == SECRET else b""
    assert both.needs(resealed) == both.current
    assert HERE.open(Seal([NEW]), resealed) == SECRET


def test_a_key_removed_too_early_is_named_with_the_way_back() -> None:
    sealed = HERE.close(Seal([OLD]))
    with pytest.raises(ConfigurationError, match=f"secret key {Seal([OLD]).current}.*put that key back"):
        HERE.open(Seal([NEW]), sealed)


def test_the_name_of_a_key_is_read_without_the_key() -> None:
    assert Seal([NEW]).needs(HERE.close(Seal([OLD]))) == Seal([OLD]).current


@pytest.mark.parametrize(
    "key", [Fernet.generate_key(), Fernet.generate_key().decode(), OLD.rstrip("="), b64encode(b"\xff\xfb" * 16)]
)
def test_the_usual_spellings_of_a_key_are_read(key: str | bytes) -> None:
    seal = Seal([key])
    assert HERE.open(seal, HERE.close(seal)) == SECRET


def test_one_key_in_two_spellings_is_one_key() -> None:
    assert Seal([OLD, OLD.rstrip("="), OLD.encode() + b"\n"]).names == Seal([OLD]).names


@pytest.mark.parametrize(
    "key", ["", "short", OLD[:-2] + "é=", OLD[:-4], OLD + "AAAA", "*" * 44, b"\xff" * 44, OLD[:20] + "\n" + OLD[20:]]
)
def test_a_malformed_key_is_named_by_its_place_and_never_shown(key: str | bytes) -> None:
    with pytest.raises(ConfigurationError, match="member 2 of secret_keys is not 32 bytes") as caught:
        Seal([NEW, key])
    assert not key or str(key) not in str(caught.value)
    assert "urlsafe_b64encode" in str(caught.value)


@pytest.mark.parametrize("keys", [[], (), OLD, OLD.encode()])
def test_no_key_and_a_bare_text_are_refused(keys: list[str] | str) -> None:
    with pytest.raises(ConfigurationError, match=r"secret_keys (is empty|must be a list)"):
        Seal(keys)


def test_no_secret_is_in_a_repr_a_message_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seal = Seal([NEW, OLD])
    shown = [repr(seal), str(seal), f"{seal.names}"]
    with pytest.raises(ConfigurationError) as caught:
        HERE._replace(user="eve").open(seal, HERE.close(seal))
    shown += [str(caught.value), repr(caught.value), caplog.text]
    for text in shown:
        for secret in (NEW, OLD, repr(b"\x02" * 32), (b"\x02" * 32).hex(), SECRET.decode()):
            assert secret not in text
