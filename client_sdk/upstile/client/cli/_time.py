"""Points in time, as a person reads them."""

from datetime import datetime
from time import time


def at(seconds: float) -> str:
    """A time of this machine's time zone; without the date if it is today."""
    then, now = datetime.fromtimestamp(seconds).astimezone(), datetime.now().astimezone()
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"


def until(seconds: float | None) -> str:
    """When something ends, as the end of a sentence; nothing where nobody knows."""
    return "" if seconds is None else f" until {at(seconds)}"


def ago(seconds: float) -> str:
    """How long ago something was."""
    passed = max(0, int(time() - seconds))
    if passed < 60:
        return f"{passed} s ago"
    return f"{passed // 60} min ago" if passed < 3600 else f"{passed // 3600} h ago"
