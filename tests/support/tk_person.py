"""A person in front of a Tk window."""

import tkinter as tk
from collections.abc import Callable, Sequence
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

T = TypeVar("T")
_PATIENCE = 20.0

Step = tuple[str, Callable[["TkPerson"], object]]
"""What the person waits to see, and what they do then."""


class TkPerson:
    """Sees what the windows above the app's show, and presses and types.

    Attributes:
        ticks: how often the main loop came round: it stands still while something blocks it.
    """

    def __init__(self, root: tk.Tk) -> None:
        self.root = root
        self.ticks = 0
        self._steps: list[Step] = []

    def plays(self, steps: Sequence[Step], work: Callable[[], T]) -> T:
        """Do `work` in another thread, and the steps here, while Tk's main loop runs; returns what came of it."""
        self._steps = list(steps)
        outcome: list[Any] = []
        worker = Thread(target=lambda: outcome.append(_result(work)), daemon=True)
        until = monotonic() + _PATIENCE

        def tick() -> None:
            self.ticks += 1
            if self._steps and self._steps[0][0] in self.sees():
                self._steps.pop(0)[1](self)
            if outcome or monotonic() > until:
                self.root.quit()
            else:
                self.root.after(20, tick)

        worker.start()
        self.root.after(20, tick)
        self.root.mainloop()
        assert outcome, f"still waiting for {self._steps[:1]} in front of {self.sees()!r}"
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]  # type: ignore[no-any-return]

    def sees(self) -> str:
        """All that the dialogue shows, in its order."""
        worded = (tk.Label, tk.Button, tk.Radiobutton)
        return "\n".join(str(widget["text"]) for widget in self._widgets() if isinstance(widget, worded))

    def types(self, text: str) -> None:
        """Type into the line, and press Enter."""
        entry = self._first(tk.Entry)
        entry.insert(0, text)
        entry.focus_force()
        self.root.update()  # without a window manager nobody else gives it the focus
        entry.event_generate("<Return>")

    def presses(self, text: str) -> None:
        """Press a button, or pick a choice."""
        for widget in self._widgets():
            if isinstance(widget, tk.Button | tk.Radiobutton) and widget["text"] == text:
                widget.invoke()
                return
        raise AssertionError(f"no {text!r} in {self.sees()!r}")

    def closes_the_window(self) -> None:
        """Close it by its frame."""
        window = self.dialogue()
        window.tk.call(window.protocol("WM_DELETE_WINDOW"))

    def line(self) -> tk.Entry:
        """Where something is typed."""
        return self._first(tk.Entry)

    def dialogue(self) -> tk.Toplevel:
        """The window that is shown."""
        return next(window for window in self._windows() if window.winfo_viewable())

    def _windows(self) -> list[tk.Toplevel]:
        return [child for child in self.root.winfo_children() if isinstance(child, tk.Toplevel)]

    def _widgets(self) -> list[tk.Misc]:
        found: list[tk.Misc] = [window for window in self._windows() if window.winfo_viewable()]
        for widget in found:
            found.extend(widget.winfo_children())
        return found

    def _first(self, kind: type[T]) -> T:
        return next(widget for widget in self._widgets() if isinstance(widget, kind))


def _result(work: Callable[[], T]) -> T | BaseException:
    try:
        return work()
    except BaseException as error:
        return error
