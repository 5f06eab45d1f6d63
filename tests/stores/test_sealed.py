"""Secret keys are retired and signing keys replaced, in every durable store."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from support.stores import ISSUER, NOW, USER, Place, authenticator, enrol
from upstile.protocol import base64url_decode, base64url_encode
from upstile.server.keys._rotation import PUBLISHED_AHEAD
from upstile.server.keys._seal import TOTP_SEED, Seal
from upstile.server.keys._sealed import PAGE, Resealed, needs, reseal
from upstile.server.keys._secret_keys import new_key
from upstile.server.keys._signing import SigningKeys
from upstile.server.storage._records import Account, AuthenticatorRecord, User
from upstile.server.storage._stores import DurableStore

pytestmark = pytest.mark.anyio
OLD, NEW = new_key(), new_key()
BEFORE, BOTH, AFTER = Seal([OLD]), Seal([NEW, OLD]), Seal([NEW])
MANY = PAGE + 20


def seed_of(user: User, id: str) -> bytes:
    return f"seed of {user.subject}".encode().ljust(20) + id.encode()


def app(user: User, id: str, seal: Seal = BEFORE) -> AuthenticatorRecord:
    sealed = seal.close(seed_of(user, id), label=TOTP_SEED, bound=(*user, id, "seed"))
    return authenticator(id, data={"seed": base64url_encode(sealed), "algorithm": "SHA1"})


def opened(user: User, record: AuthenticatorRecord, seal: Seal) -> bytes:
    return seal.open(base64url_decode(record.data["seed"]), label=TOTP_SEED, bound=(*user, record.id, "seed"))


def ignore(_: Resealed) -> None:
    """Nobody looks at the progress."""


@asynccontextmanager
async def bank(place: Place) -> AsyncGenerator[DurableStore]:
    """A signing key, and many users with seeds, under the old secret key."""
    async with place.opened() as storage:
        await SigningKeys(storage.durable, BEFORE, ISSUER).prepare(NOW)
        await enrol(storage, *(app(USER, f"id-{number:03}") for number in range(MANY)))
        for state in ("pending", "disabled"):
            user = User(ISSUER, state)
            await enrol(storage, replace(app(user, state), state=state, expires_at=int(NOW) + 600), user=user)
        await enrol(storage, authenticator("key", method="webauthn", data={"id": "credential"}))
        yield storage.durable


async def test_a_secret_key_is_retired(durable_place: Place) -> None:
    async with bank(durable_place) as store:
        found = await needs(store, Seal([new_key()]))  # which key is needed is said without any that opens
        assert found.counts == {(TOTP_SEED, BEFORE.current): MANY + 2, ("signing-key", BEFORE.current): 1}
        work = await reseal(store, BOTH, ISSUER, ignore)
        assert (work.done, work.current, work.failed) == (MANY + 3, 0, {})
        assert (await needs(store, AFTER)).keys == {AFTER.current}
        for record in (await store.account(USER)).authenticators:
            if record.method == "totp":
                assert opened(USER, record, AFTER) == seed_of(USER, record.id)
                assert record == replace(app(USER, record.id), data=record.data)
                assert record.data["algorithm"] == "SHA1"
        await SigningKeys(store, AFTER, ISSUER).prepare(NOW)
        again = await reseal(store, AFTER, ISSUER, ignore)
        assert (again.done, again.current) == (0, MANY + 3)


async def test_a_run_that_was_cut_off_is_taken_up_again(durable_place: Place) -> None:
    def cut_off(work: Resealed) -> None:
        if work.done == 100:
            raise KeyboardInterrupt

    async with bank(durable_place) as store:
        with pytest.raises(KeyboardInterrupt):
            await reseal(store, BOTH, ISSUER, cut_off)
        found = await needs(store, BOTH)
        assert (found.of(BOTH.current), found.of(BEFORE.current)) == (100, MANY - 97)
        work = await reseal(store, BOTH, ISSUER, ignore)
        assert (work.done, work.current) == (MANY - 97, 100)


async def test_what_servers_change_meanwhile_stays_as_they_wrote_it(durable_place: Place) -> None:
    removed, replaced, counted, late = "id-050", "id-060", "id-070", "zz-late"

    def change(account: Account) -> tuple[Account, None]:
        def changed(record: AuthenticatorRecord) -> AuthenticatorRecord:
            if record.id == replaced:
                return app(USER, replaced, BOTH)
            return replace(record, counter=7, name="renamed") if record.id == counted else record

        kept = [changed(record) for record in account.authenticators if record.id != removed]
        return replace(account, authenticators=(*kept, app(USER, late, BOTH))), None

    async with bank(durable_place) as store:
        reached = asyncio.Event()

        def told(work: Resealed) -> None:
            if work.done == 40:  # the page that names them all was read already
                reached.set()

        async def server() -> None:
            await reached.wait()
            await store.change_account(USER, change)

        work, _ = await asyncio.gather(reseal(store, BOTH, ISSUER, told), server())
        assert not work.failed
        records = {record.id: record for record in (await store.account(USER)).authenticators}
        assert removed not in records
        assert (records[counted].counter, records[counted].name) == (7, "renamed")
        for id in (replaced, counted, late):
            assert opened(USER, records[id], AFTER) == seed_of(USER, id)


async def test_what_cannot_be_opened_is_told_and_left_alone(durable_place: Place) -> None:
    eve = User(ISSUER, "eve")
    stolen = replace(app(USER, "moved"), id="moved-here")
    gone = app(eve, "gone", Seal([new_key()]))
    torn = authenticator("torn", data={"seed": "not base64url!"})
    async with bank(durable_place) as store:
        await store.change_account(eve, lambda account: (replace(account, authenticators=(stolen, gone, torn)), None))
        work = await reseal(store, BOTH, ISSUER, ignore)
        assert sorted(work.failed) == ["totp-seed gone", "totp-seed moved-here", "totp-seed torn"]
        assert "not among secret_keys" in work.failed["totp-seed gone"]
        assert "was changed, or moved" in work.failed["totp-seed moved-here"]
        assert work.done == MANY + 3
        left_alone = {record.id: record for record in (await store.account(eve)).authenticators}
        assert left_alone == {record.id: record for record in (stolen, gone, torn)}
        left = await needs(store, BOTH)
        assert (left.of(BEFORE.current), left.unreadable[TOTP_SEED]) == (1, 1)


async def test_nodes_that_start_and_rotate_at_once_share_their_keys(durable_place: Place) -> None:
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(durable_place.opened()) for _ in range(3)]
        nodes = [SigningKeys(storage.durable, BEFORE, ISSUER) for storage in places]
        await asyncio.gather(*(node.prepare(NOW) for node in nodes))
        first = {node.jwks()["keys"][0]["kid"] for node in nodes}
        assert len(first) == 1
        await asyncio.gather(*(node.rotate(NOW + number) for number, node in enumerate(nodes)))
        for node in nodes:
            await node.tick(NOW + 90)
        assert {len(node.jwks()["keys"]) for node in nodes} == {2}
        heads = {node.sign({}, NOW + 5 + PUBLISHED_AHEAD).partition(".")[0] for node in nodes}
        assert len(heads) == 1
        assert nodes[0].sign({}, NOW).partition(".")[0] not in heads
