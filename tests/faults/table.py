"""Prints docs/failover.md, what comes of killing a node in each phase: `PYTHONPATH=tests:. python -m faults.table`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from faults.kills import killed_in
from faults.phases import PHASES
from faults.story import Row
from support.nodes import node_program
from support.postgres import running_postgres
from support.redis_server import redis_server

PAGE = Path(__file__).parents[2] / "docs" / "failover.md"
_HEAD = """\
# When a node dies

Three nodes share one PostgreSQL (what is durable) and one Redis (what is short-lived). A person signs in, enrols an
authenticator app, sends money, enrols a security key, closes the account by a call whose token serves once, and signs
out; the app is `upstile.client.Client`, pointed at one address that leads to another node when one dies. In each row
one node is killed (`SIGKILL`) at the named place. In each row, too, Redis is restarted between the start and the
answer of the second enrolment, and PostgreSQL between the code and the token of the last step-up.

T1 is the transaction that claims an answer and counts its try; T2 writes what follows from it. What is used up lies in
PostgreSQL and is written first; the outcome lies in Redis and is written after it.

In every row, afterwards: no code, token or proof is accepted a second time at any node, every authenticator is there,
and a try that was counted stays counted.

“Finished” means that the app went on at another node by itself. Where it says that something was lost, the person does
the step once more, and it is finished then.

| A node is killed | The app | Codes typed | Tries left, as shown after a wrong code |
| --- | --- | --- | --- |
"""


def main() -> None:
    """Tell the story for all phases; takes some minutes."""
    sys.stdout.write(_HEAD)
    with (
        TemporaryDirectory() as folder,
        node_program() as program,
        running_postgres() as postgres,
        redis_server(Path(folder) / "redis", "--appendonly", "yes", "--appendfsync", "always") as redis,
    ):
        for number, phase in enumerate(PHASES):
            own = Path(folder) / str(number)
            own.mkdir()
            sys.stdout.write(line_of(killed_in(phase, program, postgres, redis, own)) + "\n")
            sys.stdout.flush()


def line_of(row: Row) -> str:
    """A row of the table."""
    tries = ", ".join(map(str, row.attempts_left)) or "none was wrong"
    return f"| {row.phase.name} | {_outcome(row)} | {row.codes} | {tries} |"


def _outcome(row: Row) -> str:
    if not row.unaided:
        return f"says `{row.said}`; done again, finished"
    if row.phase.costs_code:
        return "asked for the next code when the claim had ended (10 s): this one was used up; then finished"
    if row.waited:
        return "finished when the claim of the node that died had ended (10 s)"
    return "finished"


if __name__ == "__main__":
    main()
