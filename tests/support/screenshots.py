"""What stands on a screen of Xvfb, as a picture."""

import tkinter as tk

from PIL import Image, ImageGrab


def picture_of(screen: str, *windows: tk.Misc, margin: int = 0) -> Image.Image:
    """The part of the screen that holds these windows, with some pixels around."""
    lefts = [window.winfo_rootx() for window in windows]
    tops = [window.winfo_rooty() for window in windows]
    rights = [window.winfo_rootx() + window.winfo_width() for window in windows]
    bottoms = [window.winfo_rooty() + window.winfo_height() for window in windows]
    box = (min(lefts) - margin, min(tops) - margin, max(rights) + margin, max(bottoms) + margin)
    return ImageGrab.grab(box, xdisplay=screen)
