"""What an application, and those below it, answer, with what the guards of each route ask."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from starlette.applications import Starlette

from upstile.protocol import Requirement
from upstile.server.fastapi._guard import guard_in, guards
from upstile.server.fastapi._optional import optional_guards
from upstile.server.fastapi._protect import Doors, doors_among, doors_at, doors_before, doors_of
from upstile.server.fastapi._routes import declared_routes, mounted_in, plain_routes
from upstile.server.inspection._call import DeclaredCall


def declared_calls(app: Starlette, before: str = "", doors: Doors | None = None) -> Iterator[DeclaredCall]:
    """The routes of an application, then those of what is mounted in it.

    Args:
        app: an application.
        before: the template of what it is mounted below itself.
        doors: those around it, where it is mounted.
    """
    doors = doors_of(app) if doors is None else doors
    overrides = _overrides(app)
    for route in declared_routes(app):
        lenient = optional_guards(route.dependant, overrides)
        asking = dict.fromkeys(guards(route, overrides))
        asked = tuple(guard.requirement for guard in asking if guard not in lenient)
        optional, path = tuple(guard.requirement for guard in lenient), before + route.path
        for first, named in _by_doors(path, route.methods, doors):
            yield DeclaredCall(path, named, (*first, *asked), optional)
    for plain in plain_routes(app):
        for first, named in _by_doors(before + plain.path, plain.methods, [*doors, *doors_among(plain.passed)]):
            yield DeclaredCall(before + plain.path, named, first)
    for template, below, passed in mounted_in(app):
        if below is not None:
            yield from declared_calls(below, before + template, [*doors, *doors_at(below, passed)])


def _by_doors(
    path: str, methods: tuple[str, ...], doors: Doors
) -> Iterable[tuple[tuple[Requirement, ...], tuple[str, ...]]]:
    """The methods of a route, together where the same doors stand before them."""
    found = dict[tuple[Requirement, ...], tuple[str, ...]]()
    for method in methods or ("WEBSOCKET",):
        first = tuple(guard.requirement for guard in doors_before(doors, method, path))
        found[first] = (*found.get(first, ()), *({method} & {*methods}))
    return found.items()


def _overrides(app: Starlette) -> Mapping[Any, Any]:
    """What replaces an author's dependency, and the guards inside it. A test's stand-in for a guard does not count."""
    overrides: Mapping[Any, Any] = getattr(app, "dependency_overrides", {})
    return {call: other for call, other in overrides.items() if guard_in(call) is None}
