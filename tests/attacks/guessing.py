"""A thief with the user's password who guesses codes, and the owner who goes on working beside it, in simulated time.

The thief signs in anew for each try, with keys and addresses of its own, waits as long as it is told, and comes back.
A guess is *judged* if it is compared with a code of the user; what is refused before that tells the thief nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from support.own_app import OwnApp, own_app
from support.wire_driver import URL, new_key, with_passkey
from upstile.protocol import plain_code
from upstile.server import SecurityEvent
from upstile.server.authorization.methods import Totp
from upstile.server.authorization.methods._out_of_band import OutOfBandCode

DAY = 24 * 3600
ADDRESSES = 50
AT_ONCE = 5
"""Ceremonies that the thief runs side by side."""
_WRONG = "a guess"


@dataclass(kw_only=True)
class Tally:
    """What came of an attack.

    Attributes:
        tried: guesses that the thief wanted judged.
        judged: guesses that were compared with a code.
        ends: how the server answered the thief.
        owner: how often the owner was served, and how often not, by what the owner used.
        began, ended: epoch seconds of simulated time.
        told: what the deployment was told.
    """

    tried: int = 0
    judged: int = 0
    ends: Counter[str] = field(default_factory=Counter[str])
    owner: dict[str, Counter[bool]] = field(default_factory=dict[str, Counter[bool]])
    began: float = 0
    ended: float = 0
    told: list[SecurityEvent] = field(default_factory=list[SecurityEvent])

    def times(self, kind: str) -> int:
        """How often something was reported."""
        return sum(event.kind == kind for event in self.told)

    @property
    def always_served(self) -> bool:
        """Whether the owner was served each time."""
        return bool(self.owner) and all(not counted[False] for counted in self.owner.values())


@dataclass(kw_only=True)
class Scene:
    """The owner's two machines, and the thief's means.

    Attributes:
        known: the owner's machine whose key is known; it answers with codes.
        new: the owner with a security key, each time on a machine that was never used before.
        thieves: the thief's apps, each at another address.
    """

    tally: Tally
    known: OwnApp
    new: OwnApp
    thieves: list[OwnApp]

    async def owner_with_the_known_key(self) -> None:
        """The owner signs in on the usual machine and confirms with a code."""
        await self._owner("known key, code", self.known)

    async def owner_on_a_new_machine(self) -> None:
        """The owner signs in on a machine that is new, and confirms with the security key."""
        await self._owner("new machine, security key", replace(self.new, key=new_key()))

    async def _owner(self, how: str, app: OwnApp) -> None:
        await app.sign_in()
        try:
            served = bool(await app.elevate())
        except AssertionError:
            served = False
        self.tally.owner.setdefault(how, Counter())[served] += 1


@asynccontextmanager
async def scene(folder: Path, **options: Any) -> AsyncGenerator[Scene]:
    """A deployment, an owner with a phone and a security key, and a thief with the owner's password."""
    tally = Tally()
    async with own_app(folder, notify=tally.told.append, **options) as known:
        await known.sign_in()
        assert (await known.enroll_totp()).status_code == 200
        await with_passkey(known)
        new = replace(known)
        known.passkey = None
        tally.began = known.clock.now
        thieves = [replace(known, http=_from(known, n), key=new_key()) for n in range(ADDRESSES)]
        with _counted(tally):
            yield Scene(tally=tally, known=known, new=new, thieves=thieves)
        tally.ended = known.clock.now


async def guess(on: Scene, guesses: int, *, owner_every: int) -> Tally:
    """The thief wants so many more guesses judged; the owner comes by every so many tries."""
    tally, thieves, next_visit, end = on.tally, cycle(on.thieves), on.tally.tried, on.tally.tried + guesses
    while tally.tried < end:
        thief = replace(next(thieves), key=new_key())
        waits = await asyncio.gather(*(_try(on, thief) for _ in range(AT_ONCE)))
        until = on.known.clock.now + max(1, *waits)
        if tally.tried >= next_visit:  # while the thief is locked out
            next_visit += owner_every
            await on.owner_with_the_known_key()
            await on.owner_on_a_new_machine()
        on.known.clock.now = max(until, on.known.clock.now)
    return tally


async def guess_until_closed(on: Scene) -> Tally:
    """The thief guesses until the phone is closed, once more; the owner comes by each time that the thief waits."""
    before = on.tally.times("authenticator-closed")
    while on.tally.times("authenticator-closed") == before:
        await guess(on, 1, owner_every=1)
    return on.tally


async def beside_an_owner(on: Scene, days: float) -> Tally:
    """The owner confirms each hour with a code; the thief comes back each quarter of an hour, the longest lock."""
    thieves = cycle(on.thieves)
    for quarter in range(int(days * 24 * 4)):
        end = on.tally.began + (quarter + 1) * 900
        await _try(on, replace(next(thieves), key=new_key()))
        if quarter % 4 == 0:
            await on.owner_with_the_known_key()
        on.known.clock.now = max(end, on.known.clock.now)
    return on.tally


async def use_up_starts(on: Scene, starts: int, *, owner_every: int) -> Tally:
    """The thief starts ceremonies and answers none; the owner comes by every so many starts."""
    thieves = cycle(on.thieves)
    for number in range(starts):
        if number % owner_every == 0:
            await on.owner_with_the_known_key()
            await on.owner_on_a_new_machine()
        thief = replace(next(thieves), key=new_key())
        await thief.sign_in()
        on.tally.tried += 1
        on.tally.ends[_end((await thief.start()).reply)] += 1
        on.known.clock.now += 1
    return on.tally


async def _try(on: Scene, thief: OwnApp) -> int:
    """Sign in, start, guess until the ceremony ends or nothing more is taken; the seconds to wait then."""
    app = replace(thief)
    await app.sign_in()
    started = await app.start(authn_methods_supported="totp")
    reply = started.reply
    if reply.status_code != 403:
        on.tally.tried += 1
        return _ended(on, reply)
    while reply.status_code == 403:
        on.tally.tried += 1
        reply = await app.answer(started, otp=_WRONG)
    return _ended(on, reply)


async def guess_at_everything(on: Scene, rounds: int, password: str) -> Tally:
    """The thief has codes sent, guesses at those and at the phone, and types the password that it knows in between."""
    thieves = cycle(on.thieves)
    for number in range(rounds):
        thief = replace(next(thieves), key=new_key())
        await thief.sign_in()
        waits = [await _try_everything(on, thief, acr, password) for acr in ("mfa", None)]
        until = on.known.clock.now + max(1, *waits)
        if number % 10 == 0:
            await on.owner_with_the_known_key()
            await on.owner_on_a_new_machine()
        on.known.clock.now = max(until, on.known.clock.now)
    return on.tally


async def _try_everything(on: Scene, thief: OwnApp, acr: str | None, password: str) -> int:
    started = await thief.start(authn_methods_supported="totp otp password", acr_values=acr)
    reply, turn = started.reply, 0
    while reply.status_code == 403:
        offers = {offer["method"]: offer for offer in reply.json()["authn_methods"]}
        turn += 1
        if "password" in offers and turn % 3 == 0:
            reply = await thief.answer(started, authn_method="password", password=password)
        elif "otp" in offers and turn % 3 == 1:
            chosen = {"authn_method": "otp", "authn_id": offers["otp"]["id"]}
            await thief.answer(started, **chosen)
            on.tally.tried += 1
            reply = await thief.answer(started, **chosen, otp=_WRONG)
        else:
            on.tally.tried += 1
            reply = await thief.answer(started, otp=_WRONG)
    return _ended(on, reply)


def _ended(on: Scene, reply: httpx.Response) -> int:
    end = _end(reply)
    on.tally.ends[end] += 1
    return int(reply.headers.get("retry-after", 60 if end == "unmet_authentication_requirements" else 1))


def _end(reply: httpx.Response) -> str:
    return str(reply.json().get("error", reply.status_code))


def _from(app: OwnApp, number: int) -> httpx.AsyncClient:
    """Another address. NOTE: its transport holds nothing open."""
    transport = httpx.ASGITransport(app.api, raise_app_exceptions=True, client=(f"203.0.113.{number}", 40_000))
    return httpx.AsyncClient(transport=transport, base_url=URL)


@contextmanager
def _counted(tally: Tally) -> Generator[None]:
    """Count the guesses that are compared with a code, where they are compared: an app's and a sent one."""
    with _counting(tally, Totp), _counting(tally, OutOfBandCode):
        yield


@contextmanager
def _counting(tally: Tally, method: type[Totp] | type[OutOfBandCode]) -> Generator[None]:
    verify = method.verify

    def counting(self: Any, response: str, state: Any, user: Any, authenticators: Any, now: float) -> Any:
        tally.judged += response == plain_code(_WRONG) and bool(authenticators)
        return verify(self, response, state, user, authenticators, now)

    with patch.object(method, "verify", counting):
        yield
