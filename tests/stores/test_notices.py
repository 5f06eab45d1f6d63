"""The queue of notices, in every database: what waits is one row, one process sends it, and nobody is flooded."""

import asyncio
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from support.stores import ISSUER, NOW, USER, Place, go, key, live, said, stop
from upstile.server import ConfigurationError
from upstile.server.storage import AuditRow, ClaimedNotice, NoticeRow, Row, Storage
from upstile.server.storage import _notice_rules as rules
from upstile.server.storage._records import Account
from upstile.server.storage._stores import Found, Kept
from upstile.server.storage.schema import _upgrade, _version
from upstile.server.storage.sql import postgresql_engine, sqlite_engine

pytestmark = pytest.mark.anyio
STATE = key("state")
TRIED, REMOVED = "ceremony-started", "authenticator-removed"


def notice(kind: str = TRIED, at: float = NOW, subject: str = USER.subject, **members: str) -> NoticeRow:
    return NoticeRow(ISSUER, subject, kind, at, **members)


def issue(found: Found) -> tuple[Kept, str]:
    return {STATE: live()}, "result"


async def tell(storage: Storage, *rows: Row) -> None:
    """As a ceremony tells, in its transaction."""
    await storage.one_time.update_many([STATE], issue, NOW, lambda _: rows)


def claim(storage: Storage, now: float) -> ClaimedNotice | None:
    return storage.durable.with_notices(lambda notices: notices.claim(now))


def settle(storage: Storage, claimed: ClaimedNotice, now: float, again: float | None = None) -> None:
    storage.durable.with_notices(lambda notices: notices.settle(claimed, now, again))


def send(storage: Storage, now: float) -> ClaimedNotice | None:
    """Claim and settle, as if it was sent."""
    claimed = claim(storage, now)
    if claimed is not None:
        settle(storage, claimed, now)
    return claimed


async def test_a_notice_is_written_with_the_phase_and_with_nothing_else(durable_place: Place) -> None:
    def refuse(found: Found) -> tuple[Kept, None]:
        raise LookupError

    members = {"client_id": "cli'", "method": "totp", "address": "192.0.2.0/24", "detail": "é\\\U0001f600"}
    async with durable_place.opened() as storage:
        with pytest.raises(LookupError):
            await storage.one_time.update_many([STATE], refuse, NOW, lambda _: [notice()])
        assert claim(storage, NOW) is None
        await tell(storage, AuditRow(ISSUER, NOW, "login", "success", USER.subject), notice(at=NOW + 0.25, **members))
        claimed = claim(storage, NOW + 1)
        assert claimed is not None
        assert (claimed.issuer, claimed.subject, claimed.kind, claimed.at) == (ISSUER, USER.subject, TRIED, NOW + 0.25)
        assert {name: getattr(claimed, name) for name in members} == members
        assert (claimed.times, claimed.since, claimed.tries) == (1, NOW + 0.25, 1)
        assert [row.kind for row in await storage.durable.audited(USER)] == ["login"]


async def test_a_notice_is_written_with_a_change_or_later(durable_place: Place) -> None:
    def unchanged(account: Account) -> tuple[Account, None]:
        return account, None

    async with durable_place.opened() as storage:
        await storage.durable.change_account(USER, unchanged, lambda _: [notice(REMOVED)])
        storage.durable.append([notice()])
        assert [found.kind for found in (send(storage, NOW), send(storage, NOW)) if found] == [REMOVED]
        storage.durable.tidy(NOW)
        assert (send(storage, NOW) or notice()).kind == TRIED


async def test_what_happens_again_within_ten_minutes_waits_and_is_counted(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await tell(storage, notice())
        assert (send(storage, NOW) or notice()).at == NOW
        for seconds in (60, 120, 180):
            await tell(storage, notice(at=NOW + seconds), notice(REMOVED, at=NOW + seconds))
            if seconds == 60:
                assert (send(storage, NOW + 60) or notice()).kind == REMOVED  # a kind waits for itself alone
        assert claim(storage, NOW + 599) is None
        waited = send(storage, NOW + 600)
        assert waited is not None
        assert (waited.kind, waited.times, waited.since, waited.at) == (TRIED, 3, NOW + 60, NOW + 180)
        await tell(storage, notice(at=NOW + 3000))
        last = [found for found in (send(storage, NOW + 3000), send(storage, NOW + 3000)) if found]
        assert {found.kind: found.times for found in last} == {REMOVED: 2, TRIED: 1}


async def test_a_claim_is_one_process_s_own_until_its_lease_is_over_and_its_mail_stays_the_same(
    durable_place: Place,
) -> None:
    async with durable_place.opened() as storage, durable_place.opened() as other:
        await tell(storage, notice())
        first = claim(storage, NOW)
        assert first is not None
        await tell(storage, notice(at=NOW + 5))
        assert claim(other, NOW + rules.LEASE - 1) is None
        second = claim(other, NOW + rules.LEASE)  # the first process was killed
        assert second is not None
        assert second.mail() == first.mail()
        assert second.tries == 2
        settle(storage, first, NOW + rules.LEASE)  # it was only slow: it settles nothing any more
        third = claim(other, NOW + 2 * rules.LEASE)
        assert third is not None
        assert third.id == first.id
        settle(other, third, NOW + 2 * rules.LEASE)
        later = claim(storage, NOW + 2 * rules.LEASE + 600)
        assert later is not None
        assert (later.times, later.at) == (1, NOW + 5)
        assert later.id != first.id


async def test_a_notice_of_a_process_that_is_killed_is_sent_by_another(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await tell(storage, notice())
        (process,) = durable_place.started(1, "claim-notice")
        try:
            go(process)
            taken = said(process)
            assert claim(storage, NOW) is None
            process.kill()  # after the claim, before the mail
            process.wait()
            assert claim(storage, NOW + rules.LEASE - 1) is None
            claimed = claim(storage, NOW + rules.LEASE)
        finally:
            stop(process)
    assert claimed is not None
    assert (claimed.id, claimed.tries) == (taken, 2)


async def test_three_processes_send_each_notice_once(durable_place: Place) -> None:
    names = [f"user{number}" for number in range(40)]
    async with durable_place.opened() as storage:
        await tell(storage, *(notice(subject=name) for name in names))
    sent = durable_place.together(3, "send-notices")
    assert sorted(name for one in sent for name in one) == sorted(names)
    assert sum(bool(one) for one in sent) > 1


async def test_ceremonies_and_senders_do_not_lock_each_other_out(durable_place: Place) -> None:
    async with durable_place.opened() as storage:

        async def tells(kinds: Sequence[str]) -> None:
            for number in range(30):
                await storage.durable.change_account(
                    USER._replace(subject=kinds[0]),
                    lambda account: (account, None),
                    lambda _, at=NOW + number: [notice(kind, at=at) for kind in kinds],  # type: ignore[misc]
                )

        sending = asyncio.to_thread(lambda: [send(storage, NOW + 700 * number) for number in range(30)])
        done = await asyncio.gather(tells([TRIED, REMOVED]), tells([REMOVED, TRIED]), sending)
        rest = [send(storage, NOW + 10**6 + 700 * number) for number in range(40)]
    told = [found for found in (*done[2], *rest) if found is not None]
    assert sum(found.times for found in told) == 120


async def test_what_failed_is_tried_again_when_it_is_due(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await tell(storage, notice())
        first = claim(storage, NOW)
        assert first is not None
        settle(storage, first, NOW, again=NOW + 30)
        await tell(storage, notice(at=NOW + 1))
        assert claim(storage, NOW + 29) is None
        again = claim(storage, NOW + 30)
        assert again is not None
        assert (again.mail(), again.tries) == (first.mail(), 2)


async def test_a_day_has_so_many_mails_for_a_person_and_a_thief_cannot_use_up_those_of_changes(
    durable_place: Place,
) -> None:
    day = (NOW // rules.DAY + 1) * rules.DAY
    async with durable_place.opened() as storage:
        sent: list[ClaimedNotice] = []
        for number in range(100):
            now = day + 700 * number
            await tell(storage, notice(at=now), notice("answer-locked", at=now))
            while claimed := send(storage, now):
                sent.append(claimed)
        assert len(sent) == rules.A_DAY_BY_STRANGERS
        await tell(storage, notice(REMOVED, at=day + 80_000))
        assert (send(storage, day + 80_000) or notice()).kind == REMOVED
        await tell(storage, notice(at=day + 80_000, subject="bob"))
        assert (send(storage, day + 80_000) or notice()).subject == "bob"
        tomorrow = [found for found in (send(storage, day + rules.DAY), send(storage, day + rules.DAY)) if found]
        assert sum(found.times for found in (*sent, *tomorrow)) == 200  # told late, and none forgotten


async def test_a_full_queue_drops_attempts_first_and_says_what(
    durable_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MOST", 4)
    async with durable_place.opened() as storage:
        for number in range(4):
            await tell(storage, notice(REMOVED, subject=f"u{number}"), notice(at=NOW + number, subject=f"u{number}"))
        await tell(storage, notice(at=NOW, subject="u0"))
        dropped = storage.durable.with_notices(lambda notices: notices.tidy(NOW))
        assert dropped == {TRIED: 5}
        await tell(storage, *(notice(REMOVED, at=NOW + 1, subject=f"v{number}") for number in range(2)))
        assert storage.durable.with_notices(lambda notices: notices.tidy(NOW)) == {REMOVED: 2}
        kept = [send(storage, NOW + 1) for _ in range(5)]
        assert [found and (found.kind, found.subject) for found in kept] == [
            *((REMOVED, f"u{number}") for number in range(4)),
            None,
        ]


async def test_what_is_being_sent_is_not_dropped(durable_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST", 0)
    async with durable_place.opened() as storage:
        await tell(storage, notice())
        claimed = claim(storage, NOW)
        assert storage.durable.with_notices(lambda notices: notices.tidy(NOW)) == {}
        assert claimed is not None
        settle(storage, claimed, NOW, again=NOW + 30)
        assert storage.durable.with_notices(lambda notices: notices.tidy(NOW)) == {TRIED: 1}
        assert claim(storage, NOW + 30) is None


async def test_users_of_whom_nothing_waits_are_forgotten_after_the_day(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await tell(storage, notice())
        send(storage, NOW)

        def tidied(now: float) -> int:
            storage.durable.with_notices(lambda notices: notices.tidy(now))
            return count(durable_place)

        assert tidied(NOW + 3600) == 1
        assert tidied(NOW + 3 * rules.DAY) == 0


def count(place: Place) -> int:
    engine = (
        postgresql_engine(place.address) if place.address.startswith("postgresql") else sqlite_engine(place.address)
    )
    with engine.connect() as connection:
        found = connection.scalar(sa.text("SELECT count(*) FROM upstile_notices"))
    engine.dispose()
    return int(found or 0)


async def test_a_user_who_is_forgotten_is_told_nothing_more(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await tell(storage, notice(), notice(subject="bob"))
        await storage.durable.forget_account(USER)
        assert (send(storage, NOW) or notice()).subject == "bob"
        assert send(storage, NOW) is None


async def test_another_issuer_in_the_same_database_has_a_queue_of_its_own(durable_place: Place) -> None:
    async with durable_place.opened() as storage:
        await tell(storage, notice()._replace(issuer="https://shop.example"))
        assert claim(storage, NOW) is None


async def test_a_schema_without_a_queue_says_so(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("postgresql", postgres_url)
    with monkeypatch.context() as patch:
        patch.setattr(_version, "HEAD", 5)
        patch.setattr(_upgrade, "HEAD", 5)
        async with place.opened():
            pass
    async with place.opened() as storage:
        with pytest.raises(ConfigurationError, match="upstile-server db upgrade"):
            claim(storage, NOW)
        await storage.durable.forget_account(USER)
