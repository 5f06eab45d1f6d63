"""What an application, and those below it, answer, with what the guards of each route ask."""

from collections.abc import Iterator

from starlette.applications import Starlette

from upstile.server.fastapi._guard import guards
from upstile.server.fastapi._optional import optional_guards
from upstile.server.fastapi._routes import declared_routes, mounted_in
from upstile.server.inspection._call import DeclaredCall


def declared_calls(app: Starlette, before: str = "") -> Iterator[DeclaredCall]:
    """The routes of an application that FastAPI resolves dependencies for, then those of what is mounted in it.

    Args:
        app: an application.
        before: the template of what it is mounted below itself.
    """
    for route in declared_routes(app):
        lenient = optional_guards(route.dependant)
        asked = tuple(guard.requirement for guard in guards(route.dependant) if guard not in lenient)
        optional = tuple(guard.requirement for guard in lenient)
        yield DeclaredCall(before + route.path, route.methods, asked, optional)
    for template, below in mounted_in(app):
        if below is not None:
            yield from declared_calls(below, before + template)
