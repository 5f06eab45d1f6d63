"""Tells the story once for each phase, on a deployment of its own."""

from pathlib import Path

from faults.kept import check
from faults.phases import Phase
from faults.story import Row, Story
from support.clocks import SharedClock
from support.front import Front
from support.nodes import NodeProgram, Shared
from support.postgres import PostgresServer
from support.redis_server import RedisServer


def killed_in(phase: Phase, program: NodeProgram, postgres: PostgresServer, redis: RedisServer, folder: Path) -> Row:
    """What comes of killing a node in this phase; raises `AssertionError` where something is accepted twice or lost."""
    redis.do("FLUSHALL")
    clock = SharedClock(folder / "clock", goes=True)
    with Front().opened() as front:
        storage = postgres.new_database()
        shared = Shared(storage=storage, one_time=redis.url, clock=clock, url=front.url)
        with program.running(shared) as front.nodes:
            return Story(front, clock, phase, postgres, redis).tell(check)
