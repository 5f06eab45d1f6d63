"""What the Tk dialogue shows while the person is at a page in a browser: its address, and where to paste its last."""

import tkinter as tk
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from tkinter import font

from upstile.client.prompts._tk_look import WIDTH, Look
from upstile.client.prompts._tk_shown_once import copied
from upstile.client.words import shown

_MOST_ROWS = 6


@dataclass(kw_only=True)
class PageElsewhere:
    """One page.

    Attributes:
        url: its address.
        opened: whether a browser was started with it.
        again: starts one, and tells what it is given whether that was so; `None` where none may be opened.
        asked: how often the person was asked where it ended.
    """

    url: str
    opened: bool
    again: Callable[[Callable[[bool], None]], None] | None
    asked: int = field(default=0, init=False)

    def put(self, page: tk.Frame, look: Look, *, asks: bool) -> tk.Entry | None:
        """Put it on a page of the dialogue; returns where the last address is typed, if that is asked."""
        look.label(page, shown("page-opened" if self.opened else "page-to-open")).pack(fill="x", pady=(8, 2))
        self._put_address(page, look)
        told = self._put_buttons(page, look)
        if not asks:
            told.configure(text=shown("page-waits"))
            return None
        look.label(page, f"{shown('paste-address')}:").pack(fill="x", pady=(8, 2))
        if self.asked:
            look.label(page, shown("not-that-address"), colour=look.palette.warning).pack(fill="x", pady=(0, 2))
        self.asked += 1
        entry = look.entry(page, hidden=False)
        entry.configure(font=(font.Font(font=entry["font"], root=page).actual("family"), 10))
        return entry

    def _put_address(self, page: tk.Frame, look: Look) -> None:
        block = look.block(page, self.url, rows=1)
        block.configure(wrap="char", font=(font.Font(font=block["font"], root=page).actual("family"), 10))
        in_a_row = (WIDTH - 2 * 12) // font.Font(font=block["font"], root=page).measure("0")
        block.configure(height=min(_MOST_ROWS, ceil(len(self.url) / max(1, in_a_row))))
        block.bind("<Button-1>", lambda event: block.focus_set(), add=True)  # so that it can be marked everywhere
        block.pack(fill="x")

    def _put_buttons(self, page: tk.Frame, look: Look) -> tk.Label:
        """The buttons, and the line below that says what became of them."""
        row = tk.Frame(page, bg=page["background"])
        row.pack(fill="x", pady=(8, 0))
        told = look.label(page, "", kind="small", colour=look.palette.muted)
        told.pack(fill="x", pady=(4, 0))
        copy = look.button(row, shown("copy-address"), main=False)
        copy.configure(command=lambda: told.configure(text=copied(page, self.url)))
        copy.pack(side="left")
        again = self.again
        if again is not None:
            button = look.button(row, shown("open-again" if self.opened else "open-page"), main=False)
            button.configure(command=lambda: again(lambda started: _say(told, started)))
            button.pack(side="left", padx=(8, 0))
        return told


def _say(told: tk.Label, started: bool) -> None:
    with suppress(tk.TclError):  # the page may have gone
        told.configure(text=shown("opened" if started else "not-opened"))
