"""The log of revocations, signing keys and secrets, in every durable store."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from time import time

import pytest

from support.stores import ISSUER, USER, Place, authenticator, enrol
from upstile.server import StorageUnavailable
from upstile.server.storage._records import ENDS_AFTER, GRACE, Account, Revocation, Settling, SigningKeyRecord, User
from upstile.server.storage._stores import Storage

pytestmark = pytest.mark.anyio
END = 1_800_000_060


def _token(name: str, expires_at: int = END) -> Revocation:
    return Revocation(kind="token", name=name, expires_at=expires_at)


def _after(storage: Storage, number: int = 0, now: float = 0) -> list[Revocation]:
    return storage.durable.revocations_after(number, now)


async def test_revocations_are_read_in_their_order_after_a_number(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        assert _after(storage) == []
        entries = [_token("b"), Revocation(kind="login", name="a", expires_at=END), _token("a")]
        for entry in entries:
            await storage.durable.revoke(entry)
        found = _after(storage)
        assert [replace(entry, number=0) for entry in found] == entries
        numbers = [entry.number for entry in found]
        assert numbers == sorted(set(numbers))
        assert _after(storage, numbers[0]) == found[1:]
        assert _after(storage, numbers[-1]) == []


async def test_a_repeated_revocation_writes_nothing(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await storage.durable.revoke(_token("a"))
        before = _after(storage)
        await storage.durable.revoke(_token("a"))
        await storage.durable.revoke(_token("a", END + 60))
        assert [(entry.kind, entry.name, entry.number) for entry in _after(storage)] == [
            (entry.kind, entry.name, entry.number) for entry in before
        ]
        await storage.durable.revoke(Revocation(kind="login", name="a", expires_at=END))
        assert len(_after(storage, before[-1].number)) == 1


async def test_what_has_expired_is_told_for_an_hour_more_in_case_a_clock_was_ahead(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await storage.durable.revoke(_token("short", END - 30))
        await storage.durable.revoke(_token("long"))
        assert [entry.name for entry in _after(storage, now=END - 31 + GRACE)] == ["short", "long"]
        assert [entry.name for entry in _after(storage, now=END - 30 + GRACE)] == ["long"]


async def test_a_number_is_never_given_again(durable_place: Place) -> None:
    """Not even after the newest entries were tidied away: who has read up to them would miss the next one."""
    async with durable_place.opened() as storage:
        for name in "abc":
            await storage.durable.revoke(_token(name))
        last = _after(storage)[-1].number
        for _ in range(3):
            storage.durable.tidy(END + 90_000.0)
    async with durable_place.opened() as storage:
        await storage.durable.revoke(_token("d"))
        assert [entry.name for entry in _after(storage, last)] == ["d"]


@pytest.mark.parametrize("kind", ["logins", "proofs"])
async def test_a_generation_that_goes_up_is_in_the_log(durable_place: Place, kind: str) -> None:
    def decide(account: Account) -> tuple[Account, int]:
        number = getattr(account, kind) + 1
        return replace(account, **{kind: number}), number

    async with durable_place.opened() as storage:
        assert await storage.durable.change_account(USER, decide) == 1
        assert await storage.durable.change_account(USER, decide) == 2
        assert getattr(await storage.durable.account(USER), kind) == 2
        found = [(entry.kind, entry.name, entry.below) for entry in _after(storage)]
        assert found == [(kind, "ada", 1), (kind, "ada", 2)]
        await enrol(storage, authenticator())
        assert len(_after(storage)) == 2


async def test_the_token_that_asked_stands_in_the_log_before_the_end_of_all_others(durable_place: Place) -> None:
    def decide(account: Account) -> tuple[Account, None]:
        return replace(account, proofs=account.proofs + 1), None

    async with durable_place.opened() as storage:
        await storage.durable.change_account(USER, decide, spared="0.asked")
        found = [(entry.kind, entry.name, entry.below) for entry in _after(storage)]
        assert found == [("spared", "0.asked", 1), ("proofs", "ada", 1)]
        await storage.durable.change_account(USER, lambda account: (account, None), spared="1.asked")
        assert len(_after(storage)) == 2  # nothing ended


async def test_a_forgotten_user_leaves_nothing_but_the_end_of_what_they_had(durable_place: Place) -> None:
    def raised(account: Account) -> tuple[Account, None]:
        return replace(account, logins=4, proofs=2), None

    async with durable_place.opened() as storage:
        await enrol(storage, authenticator())
        await storage.durable.change_account(USER, raised)
        last = _after(storage)[-1].number
        assert await storage.durable.forget_account(USER) == Account(user=USER, logins=5, proofs=3)
        assert await storage.durable.account(USER) == Account(user=USER)
        assert await storage.durable.authenticators_after("", 10) == []
        found = [(entry.kind, entry.name, entry.below) for entry in _after(storage, last)]
        assert found == [("logins", "ada", 5), ("proofs", "ada", 3)]
        await enrol(storage, authenticator(method="webauthn", data={"id": "cred"}))  # their place is free again


async def test_a_user_who_is_forgotten_twice_ends_twice(durable_place: Place) -> None:
    """The number goes on, so that nobody has to tell the second end from the first."""
    async with durable_place.opened() as storage:
        for below in (1, 2):
            await storage.durable.forget_account(USER)
            assert [(entry.kind, entry.below) for entry in _after(storage)[-2:]] == [
                ("logins", below),
                ("proofs", below),
            ]


async def test_a_generation_whose_change_fails_is_not_in_the_log(durable_place: Place) -> None:
    def decide(account: Account) -> tuple[Account, None]:
        return replace(account, authenticators=(authenticator(),), logins=1), None

    async with durable_place.opened() as storage:
        await enrol(storage, authenticator(), user=User(ISSUER, "eve"))
        with pytest.raises(StorageUnavailable):  # the id is somebody else's
            await storage.durable.change_account(USER, decide)
        assert _after(storage) == []
        assert await storage.durable.account(USER) == Account(user=USER)


async def test_signing_keys_are_read_newest_first_and_changed_as_one(durable_place: Place) -> None:
    def made(kid: str, created: int) -> SigningKeyRecord:
        return SigningKeyRecord(kid=kid, sealed=kid.encode() + b"\x00\xff", created=created, signs_from=created + 600)

    def keep(*records: SigningKeyRecord) -> object:
        return lambda found: (records, list(found))

    async with durable_place.opened() as storage:
        change = storage.durable.change_signing_keys
        assert await change(lambda _: ([made("b", 2), made("a", 1)], "done")) == "done"
        found: Sequence[SigningKeyRecord] = await change(lambda found: ([made("c", 3), *found], list(found)))
        assert found == [made("b", 2), made("a", 1)]
        await change(lambda found: (found[:2], None))
        assert await change(lambda found: (found, list(found))) == [made("c", 3), made("b", 2)]


async def test_a_decision_that_raises_changes_no_signing_key(durable_place: Place) -> None:
    class Broken(Exception):
        pass

    def decide(found: Sequence[SigningKeyRecord]) -> tuple[Sequence[SigningKeyRecord], None]:
        raise Broken

    async with durable_place.opened() as storage:
        with pytest.raises(Broken):
            await storage.durable.change_signing_keys(decide)
        assert await storage.durable.change_signing_keys(lambda found: (found, list(found))) == []


async def test_a_secret_is_made_once(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        assert await storage.durable.secret("names", b"\x00one") == b"\x00one"
        assert await storage.durable.secret("names", b"two") == b"\x00one"
        assert await storage.durable.secret("others", b"two") == b"two"
    async with durable_place.opened() as storage:
        assert await storage.durable.secret("names", b"three") == b"\x00one"


async def test_two_issuers_in_one_store_never_meet(durable_place: Place) -> None:
    other, eve = "https://other.example", User("https://other.example", "ada")
    key = SigningKeyRecord(kid="k", sealed=b"s", created=1, signs_from=1)
    async with durable_place.opened(ISSUER) as ours, durable_place.opened(other) as theirs:
        await ours.durable.change_signing_keys(lambda _: ([key], None))
        await ours.durable.revoke(_token("a"))
        await enrol(ours, authenticator(method="webauthn", data={"id": "cred"}))
        assert await theirs.durable.change_signing_keys(lambda found: ([key], list(found))) == []
        assert _after(theirs) == []
        assert await theirs.durable.account(eve) == Account(user=eve)
        await enrol(theirs, authenticator("theirs", method="webauthn", data={"id": "cred"}), user=eve)
        assert len((await ours.durable.account(USER)).authenticators) == 1


def _reset(account: Account) -> tuple[Account, None]:
    return replace(account, proofs=account.proofs + 1), None


async def test_of_several_resets_the_one_that_closes_longest_counts_until_it_is_over(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        store = storage.durable
        assert await store.settled_at(USER, 0) is None
        for until in (END, END + 60, END + 30):
            await store.change_account(USER, _reset, lambda _, until=until: [Settling(USER.subject, until)])  # type: ignore[misc]
        assert await store.settled_at(USER, END + 59) == END + 60
        assert await store.settled_at(USER, END + 60) is None
        assert await store.settled_at(User(ISSUER, "eve"), 0) is None
        assert await store.settled_at(User("https://other.example", "ada"), 0) is None
        await store.forget_account(USER)
        assert await store.settled_at(USER, END) == END + 60


@pytest.mark.parametrize("so_far", ["runs", "is over"])
async def test_a_reset_whose_number_came_back_closes_as_long_as_any_other(durable_place: Place, so_far: str) -> None:
    """A forgotten user, of whom the log has nothing left but how long to wait, begins with number one again."""
    later = int(time()) + ENDS_AFTER + int(GRACE) + 60
    async with durable_place.opened() as storage:
        store, until = storage.durable, later + 60 if so_far == "runs" else later - 60
        for minutes, closed, left in [(0, until, until), (1, later + 7200, later + 7200), (2, later, later + 7200)]:
            await store.change_account(USER, _reset, lambda _, closed=closed: [Settling(USER.subject, closed)])  # type: ignore[misc]
            assert await store.settled_at(USER, later - 120) == left
            await store.forget_account(USER)
            await asyncio.to_thread(store.tidy, later + 60.0 * minutes)
        assert len([entry for entry in _after(storage) if entry.kind == "settling"]) == 1


async def test_a_reset_that_fails_closes_nothing(durable_place: Place) -> None:
    def fails(account: Account) -> tuple[Account, None]:
        raise LookupError

    async with durable_place.opened() as storage:
        with pytest.raises(LookupError):
            await storage.durable.change_account(USER, fails, lambda _: [Settling(USER.subject, END)])
        assert await storage.durable.settled_at(USER, 0) is None


async def test_a_forgotten_user_is_forgotten_with_what_is_noted(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await storage.durable.forget_account(USER, [Settling(USER.subject, END)])
        assert await storage.durable.settled_at(USER, 0) == END
        assert [(entry.kind, entry.below) for entry in _after(storage)][-1] == ("settling", 1)
