"""Three processes share what guesses closed, and what opened it again; a Redis that forgets all changes nothing."""

from typing import Any

import pytest

from support.nodes import Cluster, NodeProgram, Shared, cluster
from support.redis_server import RedisServer
from support.wire_driver import WireApp, new_key

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


async def _closed_by_a_thief(bank: Cluster) -> WireApp:
    """The owner's app, whose key is known, after a thief has given a hundred wrong codes at all nodes in turn."""
    owner = await bank.enrolled_app()
    await owner.elevate()
    thief = bank.new_app()
    thief.key = new_key()
    for n in range(20):
        thief = bank.at(thief, n % 3)
        await thief.sign_in()
        started = await thief.start()
        for _ in range(5):
            assert (await thief.answer(started, otp="000000")).status_code in (403, 429)
        bank.shared.clock.now += 900
    await owner.sign_in()
    return owner


async def _at_each_node(bank: Cluster) -> list[Any]:
    """What a start on a new device is told."""
    told = []
    for node in range(3):
        device = bank.new_app(node)
        await device.sign_in()
        told.append((await device.start()).reply.json()["error"])
    return told


async def _open(owner: WireApp) -> None:
    (entry,) = (await owner.call("GET", PATH)).json()["authenticators"]
    assert entry["closed"] is True
    token = await owner.elevate(scope="authenticators", max_age="60")
    opened = await owner.call("POST", f"{PATH}/{entry['id']}/open", token=token)
    assert (opened.status_code, "closed" in opened.json()) == (200, False)


@pytest.mark.requirement("profile-7-closed")
async def test_closed_and_opened_at_one_node_is_so_at_all(program: NodeProgram, shared: Shared) -> None:
    async with cluster(program, shared) as bank:
        owner = await _closed_by_a_thief(bank)
        assert await _at_each_node(bank) == ["unmet_authentication_requirements"] * 3
        await _open(bank.at(owner, 1))
        assert await _at_each_node(bank) == ["insufficient_authorization"] * 3


@pytest.mark.parametrize("shared", ["postgresql and redis"], indirect=True)
async def test_a_redis_that_forgets_all_opens_nothing(program: NodeProgram, shared: Shared, redis: RedisServer) -> None:
    async with cluster(program, shared) as bank:
        owner = await _closed_by_a_thief(bank)
        redis.do("FLUSHALL")
        assert await _at_each_node(bank) == ["unmet_authentication_requirements"] * 3
        await owner.sign_in()
        (entry,) = (await owner.call("GET", PATH)).json()["authenticators"]
        assert entry["closed"] is True
