"""Who was challenged and gave up, and where: the lines of docs/events.md, over a simulated day, beside the truth."""

import logging
import re
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Annotated

import psycopg
import pytest
from fastapi import Depends

from support.installed import missing
from support.own_app import OwnApp, own_app
from support.wire_driver import URL, Started, new_key
from upstile.server import Authentication, JsonLines
from upstile.server.storage import AuditRow
from upstile.server.storage.postgresql import PostgresStore

pytestmark = pytest.mark.anyio
PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
PATHS = {"POST /transfers/{id}": ("POST", "/transfers/7"), "GET /payouts": ("GET", "/payouts")}
TRANSFER, PAYOUTS = PATHS
STEPS = (
    "challenged",
    "start-refused",
    "ceremony-started",
    "answer-rejected",
    "answer-locked",
    "ceremony-succeeded",
    "token-issued",
    "served",
)
GaveUp = set[tuple[str, str, str]]
"""User, route and last step."""


def documented(name: str) -> str:
    """The line of the page under a mark."""
    found = re.search(rf"<!-- gave up: {name} -->\n```\w+\n(.*)\n```", PAGE)
    assert found is not None
    return found[1]


@contextmanager
def json_log(path: Path) -> Generator[None]:
    """The audit log in a file, as the page says."""
    handler, audit = logging.FileHandler(path), logging.getLogger("upstile.server.audit")
    handler.setFormatter(JsonLines())
    audit.addHandler(handler)
    audit.setLevel(logging.INFO)
    try:
        yield
    finally:
        audit.removeHandler(handler)
        audit.setLevel(logging.NOTSET)
        handler.close()


@asynccontextmanager
async def bank(folder: Path) -> AsyncGenerator[OwnApp]:
    """A bank with two routes that ask for a second factor."""
    with json_log(folder / "audit.jsonl"):
        async with own_app(folder) as app:
            guard = app.server.require(acr="mfa", max_age=300)

            @app.api.post("/transfers/{id}")
            async def transfer(id: int, auth: Annotated[Authentication, Depends(guard)]) -> int:
                return id

            @app.api.get("/payouts")
            async def payouts(auth: Annotated[Authentication, Depends(guard)]) -> str:
                return auth.subject

            yield app


class Customer:
    """One user with one app."""

    def __init__(self, app: OwnApp, name: str, random: Random) -> None:
        self.app, self.name, self._random = replace(app, key=new_key(), seed=b"", token=""), name, random

    async def arrive(self, *, enrols: bool) -> None:
        await self.app.sign_in(self.name)
        if enrols:
            assert (await self.app.enroll_totp()).status_code == 200

    async def challenged(self, route: str) -> str:
        self.app.clock.now += self._random.uniform(1, 20)
        method, path = PATHS[route]
        refused = await self.app.call(method, path)
        assert refused.status_code == 401
        return str(refused.json()["instance"])

    async def start(self, instance: str) -> Started:
        self.app.clock.now += self._random.uniform(0.2, 2)
        return await self.app.start(instance=instance)

    async def go_on(self, route: str, started: Started, last: str) -> None:
        """From the start to a step."""
        if last in ("ceremony-started", "start-refused"):
            return
        for _ in range({"answer-rejected": 1, "answer-locked": 5}.get(last, self._random.choice((0, 0, 1)))):
            self.app.clock.now += self._random.uniform(3, 30)
            await self.app.answer(started, otp="000000")
        if last.startswith("answer-"):
            return
        self.app.clock.now += self._random.uniform(31, 40)
        right = await self.app.answer(started, otp=self.app.code())
        assert right.status_code == 200, right.text
        if last == "ceremony-succeeded":
            return
        self.app.clock.now += 0.1
        token = (await self.app.redeem(started, right.json()["authorization_code"])).json()["access_token"]
        if last == "token-issued":
            return
        self.app.clock.now += 0.1
        method, path = PATHS[route]
        assert (await self.app.call(method, path, token=token)).status_code == 200

    async def drop_out(self, route: str, last: str) -> GaveUp:
        """One challenge, up to a step; who gave up by that."""
        instance = await self.challenged(route)
        if last != "challenged":
            await self.go_on(route, await self.start(instance), last)
        return set() if last == "served" else {(self.name, route, last)}


async def two_at_once(customer: Customer, first: str, second: str) -> GaveUp:
    """Two challenges on two routes, whose steps alternate; each ends by itself."""
    one, two = await customer.challenged(TRANSFER), await customer.challenged(PAYOUTS)
    begun = [
        (route, last, await customer.start(instance))
        for route, instance, last in ((TRANSFER, one, first), (PAYOUTS, two, second))
        if last != "challenged"
    ]
    for route, last, started in begun:
        await customer.go_on(route, started, last)
    return {(customer.name, route, last) for route, last in ((TRANSFER, first), (PAYOUTS, second)) if last != "served"}


async def one_ceremony_for_two_calls(customer: Customer) -> None:
    """Two calls wait on one route, the app asks once, and hands on the instance of the first."""
    first, _ = await customer.challenged(TRANSFER), await customer.challenged(TRANSFER)
    await customer.go_on(TRANSFER, await customer.start(first), "served")


async def a_day(app: OwnApp, users: int) -> GaveUp:
    """A day of customers; who gave up, and where."""
    random, truth = Random(7), GaveUp()  # noqa: S311
    for number in range(users):
        customer = Customer(app, f"user{number:03}", random)
        app.clock.now += random.uniform(60, 86_400 / users)
        last = STEPS[number % len(STEPS)]
        await customer.arrive(enrols=last != "start-refused")
        if last == "start-refused" or number % 3:
            truth |= await customer.drop_out(random.choice(list(PATHS)), last)
        else:
            truth |= await two_at_once(customer, random.choice(("served", "challenged", "ceremony-started")), last)
    pair = Customer(app, "pair", random)
    await pair.arrive(enrols=True)
    await one_ceremony_for_two_calls(pair)
    app.clock.now += 1000
    late = Customer(app, "late", random)
    await late.arrive(enrols=True)
    await late.drop_out(TRANSFER, "ceremony-started")  # is still looking for the phone
    return truth


def by_jq(log: Path, now: float) -> GaveUp:
    """What the line of the page says of the log."""
    if shutil.which("jq") is None:
        missing("jq, with which the line of docs/events.md is run,", "apt-get install jq")
    line = documented("jq").replace('"$(date +%s)"', str(int(now)))
    told = subprocess.run(["sh", "-c", line], cwd=log.parent, check=True, capture_output=True, text=True)  # noqa: S603,S607
    return {(user, route, step) for user, route, step in (row.split("\t") for row in told.stdout.splitlines())}


def by_sql(database: Path, now: float) -> GaveUp:
    """What the line of the page says of the table."""
    with closing(sqlite3.connect(database)) as connection:
        return set(connection.execute(documented("SQL"), {"now": now}))


async def check(folder: Path, users: int) -> None:
    async with bank(folder) as app:
        truth = await a_day(app, users)
        now = app.clock()
    assert {step for _, _, step in truth} == set(STEPS) - {"served"}
    assert by_jq(folder / "audit.jsonl", now) == truth
    assert by_sql(folder / "bank.db", now) == truth
    assert by_sql(folder / "bank.db", now + 901) == truth | {("late", TRANSFER, "ceremony-started")}


async def test_a_morning_of_32_users_with_drop_outs_at_every_point(tmp_path: Path) -> None:
    await check(tmp_path, 32)


@pytest.mark.long
async def test_a_day_of_200_users_with_drop_outs_at_every_point(tmp_path: Path) -> None:
    await check(tmp_path, 200)


async def test_the_line_says_the_same_of_a_table_in_postgresql(tmp_path: Path, postgres_url: str) -> None:
    async with bank(tmp_path) as app:
        truth = await two_at_once(await _arrived(app), "served", "answer-rejected")
        now = app.clock() + 901
    with closing(sqlite3.connect(tmp_path / "bank.db")) as connection:
        names = ", ".join(f'"{name}"' for name in AuditRow._fields)
        rows = [AuditRow(*row) for row in connection.execute(f"SELECT {names} FROM upstile_audit ORDER BY number")]  # noqa: S608
    store = PostgresStore(postgres_url, URL)
    await store.prepare()
    store.append(rows)
    await store.aclose()
    with psycopg.connect(postgres_url) as connection:
        assert set(connection.execute(documented("SQL").replace(":now", "%(now)s").encode(), {"now": now})) == truth


async def test_an_app_that_hands_on_nothing_is_seen_twice_where_it_gives_up_after_a_start(tmp_path: Path) -> None:
    async with bank(tmp_path) as app:
        customer = await _arrived(app)
        await customer.challenged(TRANSFER)
        await customer.app.start()
        now = app.clock() + 901
    assert {step for _, _, step in by_sql(tmp_path / "bank.db", now)} == {"challenged", "ceremony-started"}


async def _arrived(app: OwnApp) -> Customer:
    customer = Customer(app, "ada", Random(1))  # noqa: S311
    await customer.arrive(enrols=True)
    return customer
