"""A node dies in each phase of the story: it is finished elsewhere, or the app says what was lost."""

from pathlib import Path

import pytest

from faults.kills import killed_in
from faults.phases import PHASES, Phase
from support.nodes import NodeProgram
from support.postgres import PostgresServer
from support.redis_server import RedisServer

EVERY_DAY = ("answer, between T1 and the check", "token, after its transaction", "verify, after it is active")


@pytest.mark.parametrize(
    "phase",
    [pytest.param(phase, id=phase.id, marks=[] if phase.name in EVERY_DAY else pytest.mark.long) for phase in PHASES],
)
def test_a_node_dies(
    phase: Phase, program: NodeProgram, own_postgres: PostgresServer, own_redis: RedisServer, tmp_path: Path
) -> None:
    row = killed_in(phase, program, own_postgres, own_redis, tmp_path)
    assert row.unaided == phase.unaided, row
    assert row.attempts_left == [4] * phase.wrong, row
