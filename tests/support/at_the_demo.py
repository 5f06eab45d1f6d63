"""A person in front of the interactive demo, whose authenticator app, mails and recovery codes are on the screen."""

import re
from pathlib import Path
from time import time

from support.terminal import Sitting
from support.totp import code_at, seed_in

ROOT = Path(__file__).parents[2]
AT_THE_TERMINAL = """
from examples.bank import demo, person, story
from upstile.server.authorization.ceremony import _overload
_overload.LATE = float("inf")  # a busy machine must not refuse what a test starts
story.CtapHidDevice.list_devices = list  # whatever is connected here stays out of it
clock = demo.Clock()
demo.Clock = lambda: clock
ask = person.PersonAtTheTerminal.code
def code(person, label, cancel):
    clock.move(90 if label == "Code that you were sent" else 30)  # so that nobody waits for the next code
    return ask(person, label, cancel)
person.PersonAtTheTerminal.code = code
raise SystemExit(demo.main())
"""


class AtTheDemo(Sitting):
    """A person in front of the interactive demo."""

    def __init__(self, stdout: int | None = None) -> None:
        super().__init__(["-c", AT_THE_TERMINAL, "--interactive"], cwd=ROOT, stdout=stdout)
        self._codes = 0

    def types_a_code(self, *, after: str, wrong: bool = False) -> str:
        """The code of the secret that was shown last, at the time to which the demo's clock was moved."""
        seen = self.sees(after)
        self._codes += 1
        secret = re.findall(r"type this secret: ([A-Z2-7 ]+)", self.shown)[-1]
        code = code_at(seed_in(secret.replace(" ", "")), int(time()) // 30 + self._codes)
        self.writes(f"{'000000' if wrong else code}\n")
        return seen

    def types_the_mailed_code(self, *, after: str, slowly: bool = False) -> None:
        """The code of the mail that was shown last; the first one, for a new address, takes more than a minute."""
        self.sees(after)
        self._codes += 3 if slowly else 1
        self.writes(f"{re.findall(r'│ ([0-9]{8})', self.shown)[-1]}\n")

    def types_a_recovery_code(self, *, after: str) -> None:
        """The first of them."""
        self.sees(after)
        self._codes += 1
        self.writes(f"{re.findall(r'(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}', self.shown)[0]}\n")
