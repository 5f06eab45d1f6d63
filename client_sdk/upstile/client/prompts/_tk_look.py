"""How the Tk dialogue looks: two palettes, and the plain widgets in them. Only its own widgets are styled."""

import tkinter as tk
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from time import monotonic
from tkinter import font


@dataclass(frozen=True, kw_only=True, slots=True)
class Palette:
    """Colours of one look; each pair of text and ground has a contrast of 4.5 at least (WCAG 2.2 §1.4.3)."""

    ground: str
    field: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    warning: str


LIGHT = Palette(
    ground="#ffffff",
    field="#f4f5f7",
    border="#c3c8d0",
    text="#1b1f27",
    muted="#59616e",
    accent="#1f5fd0",
    on_accent="#ffffff",
    warning="#a8321c",
)
DARK = Palette(
    ground="#1d2027",
    field="#282c35",
    border="#49505d",
    text="#eceef2",
    muted="#a7afbc",
    accent="#7ba8ff",
    on_accent="#10141c",
    warning="#ff9a85",
)
_PULSE = 600
_TICK = 200
WIDTH = 400
"""Pixels that a text may be wide before it breaks."""


def is_dark(parent: tk.Misc) -> bool:
    """Whether the app's own window is dark."""
    try:
        red, green, blue = parent.winfo_rgb(parent.winfo_toplevel()["background"])
    except tk.TclError:
        return False
    return red * 0.299 + green * 0.587 + blue * 0.114 < 0x8000


def pulse(line: tk.Label, palette: Palette) -> None:
    """Have words pulse, until they go."""
    colours = [palette.text, palette.accent]

    def tick() -> None:
        with suppress(tk.TclError):
            colours.reverse()
            line.configure(fg=colours[0])
            line.after(_PULSE, tick)

    line.after(_PULSE, tick)


def until(page: tk.Misc, at: float, say: Callable[[int], object]) -> None:
    """Say how many seconds are left to `at` (monotonic), again and again until there are none, or the page has gone."""

    def tick() -> None:
        left = ceil(at - monotonic())
        with suppress(tk.TclError):
            say(left)
            if left > 0:
                page.after(_TICK, tick)

    tick()


def place_above(window: tk.Toplevel, owner: tk.Misc) -> None:
    """Make a window, before it is shown, belong to another one, in whose middle it opens, all of it on the screen.

    Where the other one is not to be seen, such as an icon, the window stands for itself: else it were hidden, too.
    """
    window.update_idletasks()  # it knows how large it will be
    if not owner.winfo_viewable():
        window.tk.call("wm", "transient", str(window), "")
        return
    window.tk.call("wm", "transient", str(window), str(owner))
    width, height = window.winfo_reqwidth(), window.winfo_reqheight()
    x = owner.winfo_rootx() + (owner.winfo_width() - width) // 2
    y = owner.winfo_rooty() + (owner.winfo_height() - height) // 2
    left, top = owner.winfo_vrootx(), owner.winfo_vrooty()
    x = max(left, min(x, left + owner.winfo_vrootwidth() - width))
    y = max(top, min(y, top + owner.winfo_vrootheight() - height))
    window.geometry(f"+{x}+{y}")


class Look:
    """Makes widgets of one palette.

    Args:
        parent: a widget of the app, for its fonts.
        palette: the colours.
    """

    def __init__(self, parent: tk.Misc, palette: Palette) -> None:
        self.palette = palette
        family = font.nametofont("TkDefaultFont", parent).actual("family")
        self._sizes = {name: (family, size) for name, size in (("head", 14), ("body", 11), ("small", 10))}
        self._entry = (font.nametofont("TkFixedFont", parent).actual("family"), 16)

    def label(self, into: tk.Misc, text: str, *, kind: str = "body", colour: str | None = None) -> tk.Label:
        """Words, broken where they are too long."""
        weight = "bold" if kind == "head" else "normal"
        return tk.Label(
            into,
            text=text,
            font=(*self._sizes[kind], weight),
            bg=into["background"],
            fg=colour or self.palette.text,
            justify="left",
            anchor="w",
            wraplength=WIDTH,
        )

    def quote(self, into: tk.Misc, whose: str, text: str) -> tk.Frame:
        """What somebody else says, in a box of its own."""
        box = tk.Frame(into, bg=self.palette.field, highlightthickness=1, highlightbackground=self.palette.border)
        self.label(box, whose, kind="small", colour=self.palette.muted).pack(fill="x", padx=12, pady=(8, 0))
        self.label(box, text).pack(fill="x", padx=12, pady=(0, 8))
        return box

    def entry(self, into: tk.Misc, *, hidden: bool) -> tk.Entry:
        """A line to type, in a box that shows where the focus is."""
        palette = self.palette
        box = tk.Frame(into, bg=palette.field, highlightthickness=2, highlightbackground=palette.border)
        box.configure(highlightcolor=palette.accent)
        box.pack(fill="x", pady=(4, 0))
        made = tk.Entry(
            box,
            font=self._entry,
            show="•" if hidden else "",
            bg=palette.field,
            fg=palette.text,
            readonlybackground=palette.field,
            insertbackground=palette.text,
            relief="flat",
            borderwidth=0,
            highlightthickness=0,
        )
        made.pack(fill="x", padx=10, pady=8)
        made.bind("<FocusIn>", lambda event: box.configure(highlightbackground=palette.accent))
        made.bind("<FocusOut>", lambda event: box.configure(highlightbackground=palette.border))
        return made

    def block(self, into: tk.Misc, text: str, *, rows: int) -> tk.Text:
        """Rows to be read and marked, and not changed."""
        made = tk.Text(
            into,
            height=rows,
            width=1,
            font=(self._entry[0], 12),
            bg=self.palette.field,
            fg=self.palette.text,
            relief="flat",
            highlightthickness=1,
            highlightbackground=self.palette.border,
            padx=12,
            pady=8,
        )
        made.insert("1.0", text)
        made.configure(state="disabled")
        return made

    def choice(self, into: tk.Misc, text: str, value: str, variable: str) -> tk.Radiobutton:
        """One of several."""
        made = tk.Radiobutton(
            into,
            text=text,
            value=value,
            font=self._sizes["body"],
            bg=self.palette.ground,
            fg=self.palette.text,
            selectcolor=self.palette.field,
            activebackground=self.palette.ground,
            activeforeground=self.palette.text,
            highlightthickness=0,
            anchor="w",
        )
        made["variable"] = variable
        return made

    def button(self, into: tk.Misc, text: str, *, main: bool) -> tk.Button:
        """Something to press."""
        ground, words = (
            (self.palette.accent, self.palette.on_accent) if main else (self.palette.ground, self.palette.text)
        )
        return tk.Button(
            into,
            text=text,
            font=self._sizes["body"],
            bg=ground,
            fg=words,
            activebackground=ground,
            activeforeground=words,
            relief="flat",
            borderwidth=0,
            highlightthickness=1,
            highlightbackground=self.palette.accent if main else self.palette.border,
            highlightcolor=self.palette.accent,
            padx=16,
            pady=6,
        )

    def picture(self, into: tk.Misc, modules: list[list[bool]], scale: int = 4) -> tk.Canvas:
        """A QR code: dark on light in both looks, as cameras want it."""
        side = len(modules) * scale
        canvas = tk.Canvas(into, width=side, height=side, bg="#ffffff", highlightthickness=0)
        for y, row in enumerate(modules):
            for x, dark in enumerate(row):
                if dark:
                    left, top = x * scale, y * scale
                    canvas.create_rectangle(left, top, left + scale, top + scale, fill="#000000", width=0)
        return canvas
