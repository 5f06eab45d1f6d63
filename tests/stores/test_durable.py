"""Accounts, in every durable store."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from support.stores import ISSUER, USER, Place, authenticator, close, enrol, use
from upstile.server import StorageUnavailable
from upstile.server._errors import CredentialTaken
from upstile.server.storage._records import Account, AuthenticatorRecord, Revocation, User
from upstile.server.storage._stores import Storage

pytestmark = pytest.mark.anyio
EVE = User(ISSUER, "eve")


async def _stored(storage: Storage) -> AuthenticatorRecord:
    return (await storage.durable.account(USER)).authenticators[0]


async def test_an_account_that_was_never_written_is_empty(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        assert await storage.durable.account(USER) == Account(user=USER)
        assert await storage.durable.change_account(USER, lambda account: (account, "told")) == "told"
        assert await storage.durable.account(USER) == Account(user=USER)


async def test_what_was_written_of_an_account_is_read_as_it_was(durable_place: Place) -> None:
    pending = AuthenticatorRecord(
        id="second",
        method="webauthn",
        name="Schlüssel 🔑 'x'\"",
        state="pending",
        created=1_700_000_001,
        data={"id": "cred", "nested": {"null": None, "list": [1, "ü", True]}},
        counter=2**32 - 1,
        closed=True,
        transports=("usb", "teleport"),
        begun_by="login\x1fkey",
        first=True,
        expires_at=1_800_000_600,
    )
    records = (authenticator(created=1_700_000_000, last_used=5), pending)
    async with durable_place.opened() as storage:
        await enrol(storage, *records)
        assert await storage.durable.account(USER) == Account(user=USER, authenticators=records)
        assert await storage.durable.account(EVE) == Account(user=EVE)
    async with durable_place.opened() as storage:
        assert await storage.durable.account(USER) == Account(user=USER, authenticators=records)


async def test_the_oldest_authenticator_comes_first(durable_place: Place) -> None:
    records = [authenticator(id, created=created) for id, created in (("a", 30), ("b", 10), ("c", 20))]
    async with durable_place.opened() as storage:
        await enrol(storage, *records)
        account = await storage.durable.account(USER)
    assert [record.id for record in account.authenticators] == ["b", "c", "a"]


async def test_authenticators_are_changed_removed_and_added_in_one_go(durable_place: Place) -> None:
    one, two, three = (authenticator(id, created=n) for n, id in enumerate("abc"))
    renamed = replace(one, name="new name", state="disabled", closed=True)

    def decide(account: Account) -> tuple[Account, list[str]]:
        found = [record.id for record in account.authenticators]
        return replace(account, authenticators=(renamed, three)), found

    async with durable_place.opened() as storage:
        await enrol(storage, one, two)
        assert await storage.durable.change_account(USER, decide) == ["a", "b"]
        assert (await storage.durable.account(USER)).authenticators == (renamed, three)


async def test_a_decision_that_raises_changes_nothing_of_an_account(durable_place: Place) -> None:
    class Broken(Exception):
        pass

    def decide(account: Account) -> tuple[Account, None]:
        raise Broken

    async with durable_place.opened() as storage:
        await enrol(storage, authenticator())
        with pytest.raises(Broken):
            await storage.durable.change_account(USER, decide)
        assert (await storage.durable.account(USER)).authenticators == (authenticator(),)


@pytest.mark.parametrize("owner", [USER, EVE])
async def test_a_credential_is_enrolled_once(durable_place: Place, owner: User) -> None:
    key = {"method": "webauthn", "data": {"id": "cred"}}
    async with durable_place.opened() as storage:
        await enrol(storage, authenticator("first", **key))
        before = await storage.durable.account(owner)
        with pytest.raises(CredentialTaken):
            await storage.durable.change_account(owner, lambda account: (_with(account, "second", **key), None))
        assert await storage.durable.account(owner) == before
        await enrol(storage, authenticator("third", method="webauthn", data={"id": "another"}), user=owner)
        assert [entry async for entry in _logged(storage)] == []


def _with(account: Account, id: str, **members: object) -> Account:
    added = (*account.authenticators, authenticator(id, **members))
    return replace(account, authenticators=added, logins=account.logins + 1)


async def _logged(storage: Storage):  # type: ignore[no-untyped-def]
    for entry in storage.durable.revocations_after(0, 0):
        yield entry


async def test_a_use_raises_the_counter_once(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await enrol(storage, authenticator(counter=4))
        assert [await storage.durable.use(use(counter)) for counter in (4, 3, 5, 5, 6)] == [
            False,
            False,
            True,
            False,
            True,
        ]
        assert (await _stored(storage)).counter == 6


async def test_a_key_without_a_counter_may_be_used_again(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await enrol(storage, authenticator())
        assert [await storage.durable.use(use(counter)) for counter in (0, 0, 1, 0)] == [True, True, True, False]


async def test_a_counter_that_went_back_is_taken_only_from_the_one_it_was_compared_with(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await enrol(storage, authenticator(counter=7))
        assert not await storage.durable.use(use(3))
        assert not await storage.durable.use(use(3, back_from=6))  # somebody else used it in between
        assert not await storage.durable.use(use(9, back_from=8))
        assert (await _stored(storage)).counter == 7
        assert await storage.durable.use(use(3, back_from=7))
        assert not await storage.durable.use(use(3, back_from=7))
        assert await storage.durable.use(use(3, back_from=3))  # it stands still
        assert await storage.durable.use(use(0, back_from=3))
        assert await storage.durable.use(use(5))
        assert (await _stored(storage)).counter == 5


async def test_a_counter_that_went_back_is_settled_with_its_outcome(place: Place) -> None:
    async with place.opened() as storage:
        await enrol(storage, authenticator(counter=7))
        for back_from, right in ((6, False), (7, True)):
            used = use(3, back_from=back_from)
            assert await storage.settle(used, [], lambda _, first: ({}, first), 0) is right


async def test_a_use_notes_when_and_what_was_learnt(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await enrol(storage, authenticator())
        assert await storage.durable.use(use(1, at=1_800_000_007))
        assert await _stored(storage) == authenticator(counter=1, last_used=1_800_000_007)
        assert await storage.durable.use(use(2, at=1_800_000_008, data={"learnt": ["ü", None]}))
        learnt = authenticator(counter=2, last_used=1_800_000_008, data={"learnt": ["ü", None]})
        assert await _stored(storage) == learnt
        assert not await storage.durable.use(use(2, at=1_800_000_009, data={}))
        assert await _stored(storage) == learnt


@pytest.mark.parametrize(
    ("record", "used"),
    [
        (authenticator(state="pending"), use(1)),
        (authenticator(state="disabled"), use(1)),
        (authenticator(state="disabled"), use(0)),
        (authenticator(), use(1, id="second")),
        (authenticator(), use(1, user=EVE)),
        (authenticator(), use(1, user=User("https://other.example", "ada"))),
    ],
)
async def test_only_an_active_authenticator_of_the_user_is_used(
    durable_place: Place, record: AuthenticatorRecord, used: object
) -> None:
    async with durable_place.opened() as storage:
        await enrol(storage, record)
        assert not await storage.durable.use(used)  # type: ignore[arg-type]
        assert await _stored(storage) == record


async def test_a_durable_store_that_is_closed_says_so(durable_place: Place) -> None:
    calls: list[Callable[[Storage], object]] = [
        lambda storage: storage.durable.account(USER),
        lambda storage: storage.durable.use(use(1)),
        lambda storage: storage.durable.change_account(USER, lambda account: (account, None)),
        lambda storage: storage.durable.change_signing_keys(lambda keys: (keys, None)),
        lambda storage: storage.durable.revoke(Revocation(kind="token", name="t", expires_at=9)),
        lambda storage: storage.durable.secret("names", b"made"),
        lambda storage: storage.durable.ping(),
        lambda storage: storage.settle(use(1), [], lambda _, first: ({}, first), 0),
    ]
    async with durable_place.opened() as storage:
        await close(storage)
        for call in calls:
            with pytest.raises(StorageUnavailable):
                await call(storage)  # type: ignore[misc]
        with pytest.raises(StorageUnavailable):
            storage.durable.revocations_after(0, 0)
