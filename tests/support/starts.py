"""Many processes that start at the same moment: `python -m support.starts KIND ADDRESS PROCESSES`.

They are forked from one that has imported everything, so nothing lies between the signal and the storage. Each opens
the storage, makes the first signing key and the storage's own secret unless they are there, and says what it got.
"""

import asyncio
import os
import sys
from typing import BinaryIO

from support import store_jobs
from support.stores import Place


def main() -> None:
    """Start them, let them go, wait for them."""
    place, processes = Place(*sys.argv[1:3]), int(sys.argv[3])
    reading, writing = os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            os.close(writing)
            _be_one(place, os.fdopen(reading, "rb"))
        children.append(child)
    os.close(writing)  # they all read its end
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


def _be_one(place: Place, signal: BinaryIO) -> None:
    code = 1
    try:
        signal.read()
        asyncio.run(_start(place))
        code = 0
    except Exception as error:
        sys.stdout.write(f"{type(error).__name__} {error}\n")
    finally:
        sys.stdout.flush()
        os._exit(code)


async def _start(place: Place) -> None:
    async with place.opened() as storage:
        await store_jobs.JOBS["first-key"](storage)
        await store_jobs.JOBS["secret"](storage)


if __name__ == "__main__":
    main()
