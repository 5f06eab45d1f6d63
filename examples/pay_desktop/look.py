"""How the app looks: light or dark, in Tk's own widgets."""

import tkinter as tk
from dataclasses import dataclass
from tkinter import font, ttk


@dataclass(frozen=True, kw_only=True)
class Palette:
    """The colours of one look."""

    ground: str
    field: str
    border: str
    text: str
    muted: str
    accent: str
    pressed: str
    on_accent: str
    good: str
    bad: str


LIGHT = Palette(
    ground="#ffffff",
    field="#f4f5f7",
    border="#c3c8d0",
    text="#1b1f27",
    muted="#59616e",
    accent="#1f5fd0",
    pressed="#184ca8",
    on_accent="#ffffff",
    good="#1b6e3c",
    bad="#a8321c",
)
DARK = Palette(
    ground="#1d2027",
    field="#282c35",
    border="#49505d",
    text="#eceef2",
    muted="#a7afbc",
    accent="#7ba8ff",
    pressed="#9cbeff",
    on_accent="#10141c",
    good="#7fd6a0",
    bad="#ff9a85",
)


def dress(root: tk.Tk, palette: Palette) -> None:
    """Style the widgets that the app uses: `Card.TFrame`, `Head.TLabel`, `Send.TButton` and so on."""
    family = font.nametofont("TkDefaultFont", root).actual("family")
    body, small = (family, 11), (family, 10)
    root.configure(bg=palette.ground)
    root.option_add("*TEntry.font", f"{{{family}}} 11")
    style = ttk.Style(root)
    style.theme_use("clam")
    style.configure(".", font=body, background=palette.ground, foreground=palette.text)
    style.configure("Head.TLabel", font=(family, 17, "bold"))
    style.configure("Sum.TLabel", font=(family, 22, "bold"))
    for name, colour in (("Muted", palette.muted), ("Good", palette.good), ("Bad", palette.bad)):
        style.configure(f"{name}.TLabel", font=small, foreground=colour)
    edge = {"lightcolor": palette.field, "darkcolor": palette.field, "bordercolor": palette.border}
    style.configure(
        "TEntry",
        fieldbackground=palette.field,
        foreground=palette.text,
        insertcolor=palette.text,
        padding=8,
        **edge,
    )
    style.map(
        "TEntry",
        bordercolor=[("focus", palette.accent)],
        lightcolor=[("focus", palette.accent)],
        fieldbackground=[("disabled", palette.ground)],
        foreground=[("disabled", palette.muted)],
    )
    style.configure(
        "Send.TButton",
        background=palette.accent,
        foreground=palette.on_accent,
        bordercolor=palette.accent,
        lightcolor=palette.accent,
        darkcolor=palette.accent,
        focuscolor=palette.on_accent,
        padding=(20, 8),
        width=-4,
    )
    style.map(
        "Send.TButton",
        background=[("disabled", palette.border), ("active", palette.pressed)],
        foreground=[("disabled", palette.muted)],
        bordercolor=[("disabled", palette.border)],
        lightcolor=[("disabled", palette.border)],
        darkcolor=[("disabled", palette.border)],
    )
