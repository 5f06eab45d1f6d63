"""Windows of Tk on a screen that nobody sees."""

import tkinter as tk

_kept: list[tk.Tk] = []


def new_window(screen: str) -> tk.Tk:
    """The window of an app.

    Tk aborts the process when it is freed in another thread than its own, so it is not freed at all, destroyed or not.
    """
    window = tk.Tk(screenName=screen)
    _kept.append(window)
    return window
