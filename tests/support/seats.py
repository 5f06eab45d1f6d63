"""Where a person sits who is asked by an app: at a terminal, or in front of a Tk window. Each plays the same lines."""

import os
import re
import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Protocol

from support.terminal import Terminal
from support.tk_person import Step, TkPerson
from support.totp import seed_in
from upstile.client import Prompter, TerminalPrompter
from upstile.client.tk import TkPrompter


@dataclass(frozen=True)
class Line:
    """What a person types.

    Attributes:
        label: what they are asked for.
        what: what they type, or how they find out.
        after: what they have to have seen besides.
    """

    label: str
    what: str | Callable[[], str]
    after: str = ""

    def typed(self) -> str:
        """The characters."""
        return self.what if isinstance(self.what, str) else self.what()


SCANS = Line("add to an authenticator app", "")
"""They add what is shown to their authenticator app."""
SAVES = Line("recovery codes", "")
"""They save the recovery codes that are shown."""


class Seat(Protocol):
    """A place.

    Attributes:
        prompter: what asks there.
        seed: of the authenticator app.
        codes: the recovery codes that were saved last.
    """

    seed: bytes
    codes: list[str]

    @property
    def prompter(self) -> Prompter: ...

    def plays(self, work: Callable[[], object], *lines: Line) -> None:
        """Do some work while the person types the lines; raises what it raises."""
        ...


class AtATerminal:
    """A pseudo terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.prompter = TerminalPrompter(terminal.device)
        self.seed, self.codes = b"", list[str]()

    def plays(self, work: Callable[[], object], *lines: Line) -> None:
        """Type each line once its label is there."""
        missed = list[str]()

        def person() -> None:
            for line in lines:
                if line is not SCANS:  # the secret stands above the next question
                    missed.extend(self._answers(line))

        typing = Thread(target=person, daemon=True)
        typing.start()
        try:
            work()
        finally:
            typing.join(20)
        assert not missed

    def _answers(self, line: Line) -> list[str]:
        """Type a line; returns what should have been seen before it, and was not."""
        shown = self._terminal.sees("once you have saved them: " if line is SAVES else line.label)
        if line is SAVES:
            self.codes = re.findall(r"    ((?:[0-9A-Z]{4}-){3}[0-9A-Z]{4})\r\n", shown)
        for secret in re.findall(r"type this secret: ([A-Z2-7 ]+)", shown):
            self.seed = seed_in(secret.replace(" ", ""))
        typed = "saved" if line is SAVES else line.typed()
        os.write(self._terminal.person, f"{typed}\n".encode())
        return [] if line.after in shown else [line.after]


class InFrontOfAWindow:
    """The Tk dialogue."""

    def __init__(self, root: tk.Tk) -> None:
        self._person = TkPerson(root)
        self.prompter = TkPrompter(root)
        self.seed, self.codes = b"", list[str]()

    def plays(self, work: Callable[[], object], *lines: Line) -> None:
        """Type each line once the page with its label is there."""
        self._person.plays([self._step(line) for line in lines], work)

    def _step(self, line: Line) -> Step:
        if line is SCANS:
            return "secret into", self._scan
        if line is SAVES:
            return "Save them now", self._save
        return line.after or line.label, lambda who: who.types(line.typed())

    def _scan(self, who: TkPerson) -> None:
        self.seed = seed_in(who.line().get().replace(" ", ""))
        who.presses("Next")

    def _save(self, who: TkPerson) -> None:
        who.presses("Copy")
        self.codes = who.root.clipboard_get().split()
        who.presses("I have saved them")
