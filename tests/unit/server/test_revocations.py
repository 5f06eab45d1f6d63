"""What ended before its time, as a node knows it (RFC 7009, upstile profile §3, §8)."""

import asyncio
from collections.abc import Sequence

import pytest

from upstile.server._errors import StorageUnavailable
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.storage import Account, Revocation, Revocations, Row, User, generation_of
from upstile.server.storage._records import GRACE

ISSUER = "https://as.example"
ADA = User(ISSUER, "ada")
NOW = 1_800_000_000.0


class Log:
    """As much of a durable store as matters here: a log, which may be out of reach."""

    def __init__(self) -> None:
        self.entries: list[Revocation] = []
        self.away = False
        self.read_from: list[int] = []

    async def revoke(self, entry: Revocation, rows: Sequence[Row] = ()) -> bool:
        self.write(entry)
        return True

    def write(self, entry: Revocation) -> None:
        number = len(self.entries) + 1
        self.entries.append(
            Revocation(kind=entry.kind, name=entry.name, below=entry.below, expires_at=entry.expires_at, number=number)
        )

    def revocations_after(self, number: int, now: float) -> list[Revocation]:
        if self.away:
            raise StorageUnavailable("gone")
        self.read_from.append(number)
        return [entry for entry in self.entries if entry.number > number and entry.expires_at > now]


class Elapsed:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
def revocations(log: Log, elapsed: Elapsed) -> Revocations:
    known = Revocations(log, ISSUER, elapsed=elapsed)  # type: ignore[arg-type]
    known.look(NOW)
    return known


def token(jti: str = "0.j", sid: str | None = "0.s", subject: str = "ada") -> AccessToken:
    none: tuple[object, ...] = ()
    return AccessToken(
        ISSUER,
        subject,
        "cli",
        ("a",),
        frozenset(),
        frozenset(),
        (),
        None,
        int(NOW),
        int(NOW) + 300,
        jti,
        sid,
        None,
        False,
        none,
    )


def test_what_this_node_revokes_holds_at_once(revocations: Revocations) -> None:
    asyncio.run(revocations.revoke("token", "0.j", NOW + 300))
    assert revocations.covers(token())
    assert not revocations.covers(token(jti="0.other"))


def test_a_revoked_login_ends_all_that_stems_from_it(revocations: Revocations, log: Log) -> None:
    log.write(Revocation(kind="login", name="0.s", expires_at=int(NOW) + 300))
    assert not revocations.covers(token())
    revocations.look(NOW)
    assert revocations.covers(token())
    assert not revocations.covers(token(sid="0.another"))
    assert not revocations.covers(token(sid=None))


def test_a_generation_ends_the_users_older_logins_or_proofs_and_nobody_elses(
    revocations: Revocations, log: Log
) -> None:
    log.write(Revocation(kind="logins", name="ada", below=2, expires_at=int(NOW) + 300))
    revocations.look(NOW)
    assert revocations.covers(token(sid="1.s"))
    assert not revocations.covers(token(sid="2.s"))
    assert not revocations.covers(token(sid="1.s", subject="eve"))
    log.write(Revocation(kind="proofs", name="ada", below=1, expires_at=int(NOW) + 300))
    revocations.look(NOW)
    assert revocations.covers(token(sid="2.s", jti="0.j"))
    assert not revocations.covers(token(sid="2.s", jti="1.j"))
    assert not revocations.covers(token(sid="2.s", jti="of-a-base-login"))


def test_one_token_is_spared_by_the_end_that_it_asked_for_and_by_no_later_one(
    revocations: Revocations, log: Log
) -> None:
    asked = Revocation(kind="spared", name="0.asked", below=1, expires_at=int(NOW) + 300)
    log.write(asked)
    log.write(Revocation(kind="proofs", name="ada", below=1, expires_at=int(NOW) + 300))
    revocations.look(NOW)
    assert not revocations.covers(token(jti="0.asked"))
    assert not revocations.names("0.asked", "0.s", ADA)
    assert revocations.covers(token(jti="0.other"))
    log.write(Revocation(kind="proofs", name="ada", below=2, expires_at=int(NOW) + 300))
    log.write(asked)  # an older entry brings nothing back
    revocations.look(NOW)
    assert revocations.covers(token(jti="0.asked"))


def test_a_spared_token_ends_with_its_login(revocations: Revocations) -> None:
    revocations.ended(Account(user=ADA, logins=0, proofs=1), NOW + 300, spared="0.asked")
    assert not revocations.covers(token(jti="0.asked"))
    revocations.ended(Account(user=ADA, logins=1, proofs=1), NOW + 300)
    assert revocations.covers(token(jti="0.asked"))


def test_what_the_account_says_outdates_a_token_that_the_list_does_not_name_yet(revocations: Revocations) -> None:
    assert revocations.outdates(Account(user=ADA, proofs=1), token())
    assert revocations.outdates(Account(user=ADA, logins=1), token(jti="of-a-base-login"))
    assert not revocations.outdates(Account(user=ADA, proofs=1), token(jti="of-a-base-login"))
    assert not revocations.covers(token())


def test_an_older_entry_brings_nothing_back(revocations: Revocations) -> None:
    revocations.ended(Account(user=ADA, logins=3, proofs=2), NOW + 300)
    revocations.ended(Account(user=ADA, logins=1, proofs=1), NOW + 300)
    assert revocations.covers(token(sid="2.s"))
    assert revocations.covers(token(sid="3.s", jti="1.j"))


def test_that_somebody_was_reset_ends_nothing(revocations: Revocations, log: Log) -> None:
    log.write(Revocation(kind="settling", name="ada", below=7, expires_at=int(NOW) + 300))
    revocations.look(NOW)
    assert not revocations.covers(token())
    assert revocations.first_good(ADA) == (0, 0)


def test_each_entry_is_read_once(revocations: Revocations, log: Log) -> None:
    log.write(Revocation(kind="token", name="a", expires_at=int(NOW) + 300))
    for _ in range(3):
        revocations.look(NOW)
    assert log.read_from == [0, 0, 1, 1]


def test_what_expired_leaves_memory(revocations: Revocations, log: Log, elapsed: Elapsed) -> None:
    log.write(Revocation(kind="token", name="0.j", expires_at=int(NOW) + 60))
    log.write(Revocation(kind="spared", name="0.asked", below=1, expires_at=int(NOW) + 60))
    log.write(Revocation(kind="proofs", name="ada", below=1, expires_at=int(NOW) + 60))
    revocations.look(NOW)
    assert revocations.covers(token(jti="0.other"))
    for later in (61, 61 + GRACE):  # a clock that was ahead and is set back brings nothing back
        assert revocations.covers(token(jti="0.other"))
        elapsed.now += 61
        revocations.look(NOW + later)
    assert not revocations.covers(token())
    assert (revocations._dead, revocations._ended, revocations._spared) == ({}, {}, {})


def test_while_the_log_cannot_be_read_the_last_known_list_holds_for_ten_seconds(
    revocations: Revocations, log: Log, elapsed: Elapsed
) -> None:
    asyncio.run(revocations.revoke("token", "0.j", NOW + 300))
    log.away = True
    elapsed.now += 10
    with pytest.raises(StorageUnavailable):
        revocations.look(NOW)
    assert revocations.usable
    assert revocations.covers(token())
    elapsed.now += 0.1
    assert not revocations.usable
    log.away = False
    revocations.look(NOW)
    assert revocations.usable


def test_a_list_that_was_never_read_is_not_usable(log: Log, elapsed: Elapsed) -> None:
    assert not Revocations(log, ISSUER, elapsed=elapsed).usable  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("identifier", "generation"),
    [("3.abc", 3), ("12.a.b", 12), ("abc", 0), ("", 0), (".abc", 0), ("x.abc", 0), ("٣.abc", 0), ("-1.a", 0)],
)
def test_an_identifier_begins_with_its_generation(identifier: str, generation: int) -> None:
    assert generation_of(identifier) == generation


def test_a_forked_process_admits_nobody_before_it_has_read_the_log(revocations: Revocations) -> None:
    assert revocations.usable
    revocations.forked()
    assert not revocations.usable
    revocations.look(NOW)
    assert revocations.usable
