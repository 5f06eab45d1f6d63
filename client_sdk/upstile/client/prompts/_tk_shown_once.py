"""What the Tk dialogue shows once: a new key URI; new recovery codes, to be copied or saved to a file of this user."""

import os
import tkinter as tk
from collections.abc import Sequence
from pathlib import Path

from upstile.client.prompts._key_uri import is_key_uri, picture_of, secret_in
from upstile.client.prompts._tk_look import Look
from upstile.client.words import shown

_OURS_ALONE = 0o600
_NAME = "recovery-codes.txt"


def put_key_uri(page: tk.Frame, look: Look, uri: str) -> None:
    """Put a key URI on a page: as a picture to scan (extra `qr`), and its secret to type."""
    if not is_key_uri(uri):
        look.label(page, "The key URI is malformed.").pack(fill="x", pady=(8, 2))
        return
    picture = picture_of(uri)
    if picture is None:
        told = "Type this secret into your authenticator app:"
    else:
        told = "Scan this with your authenticator app, or type the secret into it:"
    look.label(page, told).pack(fill="x", pady=(8, 2))
    if picture is not None:
        look.picture(page, picture).pack(pady=(8, 4))
    secret = look.entry(page, hidden=False)
    secret.insert(0, secret_in(uri))
    secret.configure(state="readonly", font="TkFixedFont")


def put_codes(page: tk.Frame, look: Look, codes: Sequence[str]) -> None:
    """Put recovery codes on a page, and below them what can be done with them."""
    look.label(page, shown("your-codes")).pack(fill="x", pady=(8, 0))
    look.label(page, shown("save-codes"), colour=look.palette.warning).pack(fill="x", pady=(0, 6))
    text = "\n".join(codes)
    look.block(page, text, rows=len(codes)).pack(fill="x")
    row = tk.Frame(page, bg=page["background"])
    row.pack(fill="x", pady=(8, 0))
    told = look.label(page, "", kind="small", colour=look.palette.muted)
    told.pack(fill="x", pady=(4, 0))
    copy = look.button(row, shown("copy"), main=False)
    copy.configure(command=lambda: told.configure(text=copied(page, f"{text}\n")))
    copy.pack(side="left")
    save = look.button(row, shown("save-file"), main=False)
    save.configure(command=lambda: told.configure(text=_saved(page, text) or told["text"]))
    save.pack(side="left", padx=(8, 0))


def copied(page: tk.Frame, text: str) -> str:
    """Put a text where it can be pasted from; returns what is said then."""
    page.clipboard_clear()
    page.clipboard_append(text)
    return shown("copied")


def _saved(page: tk.Frame, text: str) -> str:
    """What became of it; empty where the person chose no file."""
    from tkinter.filedialog import asksaveasfilename  # here, because few ever need it

    chosen = asksaveasfilename(parent=page, initialfile=_NAME)
    if not chosen:
        return ""
    try:
        write_alone(Path(chosen), text)
    except OSError as error:
        return shown("file-not-saved", why=error.strerror)
    return shown("file-saved", file=Path(chosen).name)


def write_alone(file: Path, text: str) -> None:
    """Write a file that only this user of the machine can read, before anything stands in it."""
    opened = os.open(file, os.O_WRONLY | os.O_CREAT, _OURS_ALONE)
    with os.fdopen(opened, "w", encoding="utf-8") as writing:
        if hasattr(os, "fchmod"):  # Windows has none: there the folder says who reads
            os.fchmod(opened, _OURS_ALONE)
        writing.truncate()
        writing.write(f"{text}\n")
