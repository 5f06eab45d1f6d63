"""A deployment is looked at from outside its calls: stores, keys, clocks, issuers, and what was left at its default.

Nothing is made or changed: a storage that is not there yet is said to be missing, not begun.
"""

import asyncio
from collections.abc import AsyncIterator

from upstile.protocol import UpstileError
from upstile.server._errors import IssuerUnavailable
from upstile.server.deployment._authority import Authority
from upstile.server.deployment._deployment import Deployment
from upstile.server.inspection._finding import Finding
from upstile.server.keys._rotation import lives
from upstile.server.keys._sealed import needs, signing_keys
from upstile.server.storage import Storage
from upstile.server.storage._stores import DurableStore, Store
from upstile.server.storage.schema import NothingYet
from upstile.server.storage.sqlite import MemoryStore

APART = 1.0
"""Seconds by which the clocks of this machine and of a store may differ without a word."""
TOO_FAR = 5.0
"""From here on it is wrong: proofs are good for a minute, and one-time codes for half of one."""


async def inspect(deployment: Deployment) -> AsyncIterator[Finding]:
    """All findings about a deployment."""
    for finding in _defaults(deployment):
        yield finding
    if deployment.storage is not None:
        async for finding in _stores(deployment, deployment.storage):
            yield finding
    async for finding in _issuers(deployment):
        yield finding
    try:  # only now is it known what they offer
        deployment.check_declared()
    except UpstileError as error:
        yield Finding("guard", "wrong", str(error), "the server would not start: ask for what is offered")


def _defaults(deployment: Deployment) -> list[Finding]:
    """What may be as it is because nobody thought of it."""
    found: list[Finding] = []
    if deployment.url.startswith("http:"):
        found.append(Finding("url", "look", f"{deployment.url} is for development", "use https for anybody else"))
    else:
        found.append(Finding("url", "ok", deployment.url))
    if not deployment.events.knows_proxies:
        says = "no trusted_proxies: the audit has the address of whoever connects"
        found.append(Finding("proxies", "look", says, "name your proxies, if there are any"))
    if deployment.authority is not None and not deployment.events.tells_people:
        says = "neither notify= nor notices=: nobody is told when somebody tries to reach an account"
        found.append(Finding("notices", "look", says, "set one of them"))
    return found


async def _stores(deployment: Deployment, storage: Storage) -> AsyncIterator[Finding]:
    found = await _schema(storage.durable)
    yield found
    if found.level != "ok" and not isinstance(storage.durable, MemoryStore):
        return
    for store in storage.stores:
        try:
            await store.prepare()
            async for finding in _clock(store, deployment):
                yield finding
            if store is storage.durable and deployment.authority is not None:
                async for finding in _keys(deployment.authority):
                    yield finding
        except UpstileError as error:
            yield Finding(type(store).__name__, "wrong", str(error))
        finally:
            await store.aclose()


async def _schema(durable: DurableStore) -> Finding:
    if isinstance(durable, MemoryStore):
        says = "kept in memory, for tests: gone when the process ends"
        return Finding("storage", "look", says, "name a file or a database for anything else")
    try:
        version = await asyncio.to_thread(durable.check_schema)
    except UpstileError as error:
        return Finding("storage", "look" if isinstance(error, NothingYet) else "wrong", str(error))
    return Finding("storage", "ok", f"version {version} of the schema: this release works on it")


async def _clock(store: Store, deployment: Deployment) -> AsyncIterator[Finding]:
    before = deployment.clock()
    time = await store.time()
    if time is None:
        return
    # What lies between the two looks is the way there and back, not a difference.
    apart = max(before - time, time - deployment.clock(), 0.0)
    name = type(store).__name__
    if apart <= APART:
        yield Finding("clock", "ok", f"{name}'s clock and this machine's agree")
    else:
        says = f"{name}'s clock and this machine's are {apart:.0f} s apart"
        yield Finding("clock", "wrong" if apart > TOO_FAR else "look", says, "synchronise both by NTP")


async def _keys(authority: Authority) -> AsyncIterator[Finding]:
    records = await signing_keys(authority.storage.durable)
    if not records:
        yield Finding("signing keys", "ok", "none yet: the server makes one when it starts")
        return
    phases = [key.phase for key in lives(records, authority.clock())]
    told = ", ".join(f"{phases.count(phase)} {phase}" for phase in dict.fromkeys(phases))
    yield Finding("signing keys", "ok", told)
    authority.seal.load(anything_sealed=True)
    found = await needs(authority.storage.durable, authority.seal)
    missing = found.keys - set(authority.seal.names)
    if missing or found.unreadable:
        says = f"{sum(map(found.of, missing)) + found.unreadable.total()} sealed values cannot be opened"
        yield Finding("secret keys", "wrong", says, "see `upstile-server keys status`")
    elif old := [name for name in authority.seal.names if name != authority.seal.current and not found.of(name)]:
        yield Finding("secret keys", "look", f"{', '.join(old)} is needed by nothing", "remove it from secret_keys")
    else:
        yield Finding("secret keys", "ok", "all that is sealed can be opened")


async def _issuers(deployment: Deployment) -> AsyncIterator[Finding]:
    for each in deployment.external:
        name = each.issuers[0].identifier
        try:
            await each.prepare()
        except IssuerUnavailable as error:
            yield Finding("issuer", "wrong", str(error), "look whether this machine reaches it")
        except UpstileError as error:
            yield Finding("issuer", "wrong", str(error))
        else:
            ready = each.is_ready
            yield Finding("issuer", "ok" if ready else "wrong", f"{name} {'answers' if ready else 'does not answer'}")
        finally:
            await each.aclose()
