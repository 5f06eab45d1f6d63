"""Below what an application is mounted, as templates: a caller chooses what stands in the place of `{tenant}`."""

import re
from weakref import WeakKeyDictionary

from starlette.applications import Starlette
from starlette.routing import compile_path

UNKNOWN = "…"
"""Stands for what an application is mounted below where nobody said it."""

_places: WeakKeyDictionary[Starlette, dict[str, re.Pattern[str]]] = WeakKeyDictionary()


def note_place(app: Starlette, template: str) -> None:
    """Note that routes of an application stand below a template, such as `/tenants/{tenant}`."""
    if template.startswith("/"):
        try:
            pattern = compile_path(template)[0]
        except ValueError:  # a name that stands twice in it
            return
        _places.setdefault(app, {})[template] = pattern


def place_of(app: Starlette | None, below: str) -> str:
    """The template of what the routes of an application stand below in a call.

    Args:
        app: the application that has the route.
        below: the path before the route's own, as it came.
    """
    if not below or app is None:
        return UNKNOWN if below else ""
    known = _places.get(app, {})
    return next((template for template, pattern in known.items() if pattern.fullmatch(below)), UNKNOWN)
