"""The process that makes the load: step-ups, or guarded calls, each begun when it is due."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, process_time, time
from typing import Any

import uvloop

from benchmarks.load.connections import Connections
from benchmarks.load.deployment import read_people
from benchmarks.load.story import Counts, StepUpStory, guarded_story

Story = Callable[[Connections, Counts], Awaitable[None]]
WARM = 16
"""Connections that are open before the first story."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What to offer.

    Attributes:
        kind: whole step-ups, or single guarded calls.
        rate: how many a second are begun, whatever became of those before; `None`: `clients` at a time, each the next
            when it has finished one.
        clients: how many at a time, where there is no rate.
        seconds: for how long.
        patience: seconds for which a reply is waited for.
        first: the number of the first person.
    """

    kind: str
    rate: float | None = None
    clients: int = 0
    seconds: float
    patience: float = 5.0
    first: int = 0
    most: int

    def stories(self, people: Path) -> list[Story]:
        """All that may be needed, with everything computed that can be."""
        everybody, token = read_people(people)
        if self.kind == "guarded":
            return [guarded_story(token, self.patience)] * self.most
        mine = everybody[self.first : self.first + self.most]
        now = time()
        return [StepUpStory(person, now, self.patience) for person in mine]


async def open_loop(offer: Offer, stories: Sequence[Story], connections: Connections, counts: Counts) -> None:
    """Begin each when it is due."""
    if offer.rate is None:
        raise ValueError("an open loop has a rate")
    began = monotonic()
    async with asyncio.TaskGroup() as group:
        for number, story in enumerate(stories[: int(offer.rate * offer.seconds)]):
            due = began + number / offer.rate
            if (wait := due - monotonic()) > 0:
                await asyncio.sleep(wait)
            counts.late.append(monotonic() - due)
            group.create_task(_told(story, connections, counts))


async def closed_loop(offer: Offer, stories: Sequence[Story], connections: Connections, counts: Counts) -> None:
    """So many at a time."""
    end, rest = monotonic() + offer.seconds, iter(stories)

    async def client(rest: Iterator[Story]) -> None:
        for story in rest:
            await _told(story, connections, counts)
            if monotonic() >= end:
                break

    await asyncio.gather(*(client(rest) for _ in range(offer.clients)))


async def _told(story: Story, connections: Connections, counts: Counts) -> None:
    counts.offered += 1
    try:
        await story(connections, counts)
    except TimeoutError:
        counts.timed_out += 1
    except OSError:
        counts.broken += 1


async def offered(offer: Offer, port: int, people: Path) -> Counts:
    """Make the load, once a line on the standard input says so."""
    stories, connections, counts = offer.stories(people), Connections(port), Counts()
    await connections.warm(WARM)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    cpu = process_time()
    began = monotonic()
    await (closed_loop if offer.rate is None else open_loop)(offer, stories, connections, counts)
    counts.seconds, counts.cpu = monotonic() - began, process_time() - cpu
    connections.close()
    return counts


def main() -> None:
    """The arguments: the offer as JSON, the port, the file of the people. Prints what was counted as JSON."""
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    counts = uvloop.run(offered(Offer(**arguments), int(sys.argv[2]), Path(sys.argv[3])))
    sys.stdout.write(json.dumps(asdict(counts)) + "\n")


if __name__ == "__main__":
    main()
