"""What another process does with a storage: `python -m support.store_jobs KIND ADDRESS JOB ARGUMENTS`."""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from support.stores import ISSUER, NOW, USER, Place, increment, key, live, put, use
from upstile.server.storage._records import Revocation, SigningKeyRecord
from upstile.server.storage._stores import Found, Kept, Notices, Storage, use_once

CROWD = 22
"""How many at once in each process: with three of them it is more than 64."""


def _say(*lines: object) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _all(work: Iterable[Awaitable[object]]) -> list[object]:
    return list(await asyncio.gather(*work))


async def _use_once(storage: Storage) -> None:
    won = await _all(use_once(storage.one_time, [key("code")], NOW + 60, NOW) for _ in range(CROWD))
    _say(won.count(None))


async def _increment(storage: Storage) -> None:
    _say(*await _all(increment(storage.one_time, "counter") for _ in range(CROWD)))


async def _pairs(storage: Storage) -> None:
    """Write two records with the same number, again and again, until somebody kills us."""
    number = 0
    while True:
        number += 1
        await put(storage.one_time, {key(half): live(b"%d" % number) for half in ("left", "right")})
        _say(number)


async def _secret(storage: Storage) -> None:
    _say((await storage.durable.secret("names", secrets.token_bytes(32))).hex())


async def _first_key(storage: Storage) -> None:
    """Make the first signing key, unless there is one."""
    made = _signing_key()

    def decide(found: Iterable[SigningKeyRecord]) -> tuple[list[SigningKeyRecord], str]:
        kept = list(found) or [made]
        return kept, kept[0].kid

    _say(await storage.durable.change_signing_keys(decide))


async def _more_keys(storage: Storage) -> None:
    for _ in range(5):
        _say(await _one_more_key(storage))


async def _one_more_key(storage: Storage) -> str:
    made = _signing_key()
    return await storage.durable.change_signing_keys(lambda found: ([made, *found], made.kid))


def _signing_key() -> SigningKeyRecord:
    return SigningKeyRecord(kid=secrets.token_hex(8), sealed=b"sealed", created=int(NOW), signs_from=int(NOW))


async def _revoke(storage: Storage) -> None:
    for _ in range(20):
        entry = Revocation(kind="token", name=secrets.token_hex(8), expires_at=int(NOW) + 60)
        await storage.durable.revoke(entry)
        _say(entry.name)


async def _generations(storage: Storage) -> None:
    for _ in range(10):
        await storage.durable.change_account(USER, lambda account: (replace(account, logins=account.logins + 1), None))
    _say("done")


async def _use(storage: Storage) -> None:
    won = await _all(storage.durable.use(use(7)) for _ in range(CROWD))
    _say(won.count(True))


async def _settle(storage: Storage) -> None:
    def decide(found: Found, first: bool) -> tuple[Kept, bool]:
        return {}, first

    won = await _all(storage.settle(use(7), [key("session")], decide, NOW) for _ in range(CROWD))
    _say(won.count(True))


async def _claim_notice(storage: Storage) -> None:
    """Claim a notice, say which, and send it never."""
    claimed = storage.durable.with_notices(lambda notices: notices.claim(NOW))
    _say("nothing" if claimed is None else claimed.id)
    await asyncio.sleep(3600)


async def _send_notices(storage: Storage) -> None:
    """Send what is due, and say who got it."""
    while subject := await storage.durable.with_notices(_send_one):
        _say(subject)


async def _send_one(notices: Notices) -> str | None:
    claimed = notices.claim(NOW)
    if claimed is None:
        return None
    await asyncio.sleep(0.005)  # the mail server takes its time
    notices.settle(claimed, NOW)
    return claimed.subject


async def _nothing(storage: Storage) -> None:
    _say("done")


JOBS: dict[str, Callable[[Storage], Awaitable[None]]] = {
    "use-once": _use_once,
    "increment": _increment,
    "pairs": _pairs,
    "secret": _secret,
    "first-key": _first_key,
    "more-keys": _more_keys,
    "revoke": _revoke,
    "generations": _generations,
    "use": _use,
    "settle": _settle,
    "claim-notice": _claim_notice,
    "send-notices": _send_notices,
    "nothing": _nothing,
}


async def main() -> None:
    """Wait to be told, open the storage, wait to be told, do the job."""
    kind, address, job = sys.argv[1:4]
    issuer = sys.argv[4] if len(sys.argv) > 4 else ISSUER
    _say("loaded")
    sys.stdin.readline()
    async with Place(kind, address).opened(issuer) as storage:
        _say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        await JOBS[job](storage)


if __name__ == "__main__":
    asyncio.run(main())
