"""Prints docs/attacks.md, what a thief with the password gets: `PYTHONPATH=tests:. python -m attacks.table`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.guessing import DAY, Scene, Tally, beside_an_owner, guess, scene, use_up_starts
from upstile.server.authorization.ceremony import _overload

PAGE = Path(__file__).parents[2] / "docs" / "attacks.md"
_HEAD = """\
# What guessing gets

A thief knows the password, and signs in as often as it likes: anew for each try, with keys of its own, from fifty
addresses. It runs five ceremonies side by side, waits as long as it is told to, and comes back. The owner has an
authenticator app and a security key, and goes on working. Time is simulated.

A guess is **judged** if it is compared with a code of the user. What is refused before that tells the thief nothing.
After five wrong guesses in a row there is a lock, 30 seconds at first and 15 minutes at most, for devices that the user
has not used before. After a hundred, such devices are not asked for codes of this authenticator any more, until the
owner opens it from a device that is known or with the security key, or the help desk does. A hundred guesses at six
digits, of which two codes are good at a time, are right once in 5,000 such attacks.

A right code from a device that was new begins the count anew. An owner who types codes on ever new devices, or into an
app that makes a new key each time it runs, leaves only the locks between the thief and the codes: five guesses in 15
minutes, 480 a day. Use a security key there, or an app that keeps its key.

Made by

```sh
PYTHONPATH=tests:. uv run python -m attacks.table > docs/attacks.md
```

which takes some minutes. `tests/attacks/` asserts what the table says.

| attack | simulated time | tried | judged | owner, known device, code | owner, new device, security key |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A row of the table: its name, how many guesses get judged, and what is done on the scene."""

    name: str
    judged: int
    done: Callable[[Scene], Awaitable[Tally]]


ATTACKS = (
    Attack(
        name="10,000 guesses as fast as they are taken",
        judged=100,
        done=lambda on: guess(on, 10_000, owner_every=25),
    ),
    Attack(
        name="a guess each quarter of an hour, for 30 days",
        judged=100,
        done=lambda on: beside_an_owner(on, 30),
    ),
    Attack(
        name="2,000 ceremonies started, none answered",
        judged=0,
        done=lambda on: use_up_starts(on, 2_000, owner_every=50),
    ),
)


def main() -> None:
    """Carry all attacks out; takes some minutes."""
    _overload.LATE = inf  # they share their event loop with the server
    sys.stdout.write(_HEAD)
    for attack in ATTACKS:
        sys.stdout.write(line_of(attack, asyncio.run(carried_out(attack))) + "\n")
        sys.stdout.flush()


async def carried_out(attack: Attack) -> Tally:
    """What comes of an attack on a fresh deployment."""
    with TemporaryDirectory() as folder:
        async with scene(Path(folder)) as on:
            return await attack.done(on)


def line_of(attack: Attack, tally: Tally) -> str:
    """A row of the table."""
    time = f"{(tally.ended - tally.began) / DAY:.1f} days"
    owner = [_served(tally, how) for how in ("known key, code", "new machine, security key")]
    return f"| {attack.name} | {time} | {tally.tried:,} | {tally.judged} | {' | '.join(owner)} |"


def _served(tally: Tally, how: str) -> str:
    counted = tally.owner.get(how)
    return "not tried" if counted is None else f"served {counted[True]} of {counted.total()} times"


if __name__ == "__main__":
    main()
