"""Every place where FastAPI lets an author write `Security(guard, scopes=["admin"])`; each answers `GET /x`."""

from collections.abc import Callable
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, FastAPI, Request, Security
from fastapi.security import SecurityScopes

from support.wire_driver import URL
from upstile.server import Authentication

Guard = Any
Place = Callable[[FastAPI, Guard], None]


async def answer() -> str:
    """Somebody was let in."""
    return "in"


def user_of(guard: Guard) -> Callable[..., Any]:
    """A dependency of an author's around a guard."""

    async def user(auth: Annotated[Authentication, Depends(guard)]) -> str:
        return auth.subject

    return user


def by_hand(guard: Guard) -> Callable[..., Any]:
    """A dependency of an author's that calls a guard itself."""

    async def user(request: Request) -> str:
        return str((await guard(request)).subject)

    return user


def parameter(app: FastAPI, guard: Guard) -> None:
    """At a parameter."""

    @app.get("/x")
    async def x(auth: Annotated[Authentication, Security(guard, scopes=["admin"])]) -> str:
        return "in"


def default(app: FastAPI, guard: Guard) -> None:
    """As a default value."""

    @app.get("/x")
    async def x(auth: Authentication = Security(guard, scopes=["admin"])) -> str:  # noqa: B008 - FastAPI's old style
        return "in"


def decorator(app: FastAPI, guard: Guard) -> None:
    """At the decorator of a route."""
    app.get("/x", dependencies=[Security(guard, scopes=["admin"])])(answer)


def router(app: FastAPI, guard: Guard) -> None:
    """At a router."""
    router = APIRouter(dependencies=[Security(guard, scopes=["admin"])])
    router.get("/x")(answer)
    app.include_router(router)


def include_router(app: FastAPI, guard: Guard) -> None:
    """Where a router is included, which is included in another one."""
    router, outer = APIRouter(), APIRouter()
    router.get("/x")(answer)
    outer.include_router(router, dependencies=[Security(guard, scopes=["admin"])])
    app.include_router(outer)


def application(app: FastAPI, guard: Guard) -> None:
    """At the application."""
    app.router.dependencies.append(Security(guard, scopes=["admin"]))
    app.get("/x")(answer)


def application_over_a_router(app: FastAPI, guard: Guard) -> None:
    """At the application, for the routes of a router."""
    app.router.dependencies.append(Security(guard, scopes=["admin"]))
    router = APIRouter()
    router.get("/x")(answer)
    app.include_router(router)


def mounted(app: FastAPI, guard: Guard) -> None:
    """At an application that is mounted."""
    below = FastAPI(dependencies=[Security(guard, scopes=["admin"])])
    below.get("/")(answer)
    app.mount("/x", below)


def around(app: FastAPI, guard: Guard) -> None:
    """Around the guard."""

    @app.get("/x")
    async def x(user: Annotated[str, Security(user_of(guard), scopes=["admin"])]) -> str:
        return "in"


def twice_around(app: FastAPI, guard: Guard) -> None:
    """Around what is around the guard."""

    async def outer(user: Annotated[str, Depends(user_of(guard))]) -> str:
        return user

    app.get("/x", dependencies=[Security(outer, scopes=["admin"])])(answer)


def beside_the_same_without(app: FastAPI, guard: Guard) -> None:
    """Beside the same dependencies without scopes, which FastAPI remembers."""
    user = user_of(guard)

    @app.get("/x", dependencies=[Depends(guard), Depends(user)])
    async def x(auth: Annotated[str, Security(user, scopes=["admin"])]) -> str:
        return "in"


def in_an_override(app: FastAPI, guard: Guard) -> None:
    """Around a guard that only an override uses."""

    async def replaced() -> None:
        raise AssertionError("replaced")

    app.dependency_overrides[replaced] = user_of(guard)
    app.get("/x", dependencies=[Security(replaced, scopes=["admin"])])(answer)


def called_by_hand_in_an_override(app: FastAPI, guard: Guard) -> None:
    """Around a dependency that calls the guard, in what overrides an override."""

    async def replaced() -> None:
        raise AssertionError("replaced")

    async def replaced_below() -> None:
        raise AssertionError("replaced")

    async def real(user: Annotated[str, Security(by_hand(guard), scopes=["admin"])]) -> str:
        return user

    async def between(user: Annotated[str, Depends(replaced_below)]) -> str:
        return user

    app.dependency_overrides |= {replaced: between, replaced_below: real}
    app.get("/x", dependencies=[Depends(replaced)])(answer)


def called_by_hand_in_an_override_below(app: FastAPI, guard: Guard) -> None:
    """The same where a router is included."""
    router = APIRouter()

    async def replaced() -> None:
        raise AssertionError("replaced")

    async def real(user: Annotated[str, Security(by_hand(guard), scopes=["admin"])]) -> str:
        return user

    router.get("/x", dependencies=[Depends(replaced)])(answer)
    app.include_router(router)
    app.dependency_overrides[replaced] = real


def called_by_hand(app: FastAPI, guard: Guard) -> None:
    """Around a dependency that calls the guard."""
    app.get("/x", dependencies=[Security(by_hand(guard), scopes=["admin"])])(answer)


def called_by_hand_below(app: FastAPI, guard: Guard) -> None:
    """Around what is around a dependency that calls the guard, where a router is included."""

    async def outer(user: Annotated[str, Depends(by_hand(guard))]) -> str:
        return user

    router = APIRouter()
    router.get("/x")(answer)
    app.include_router(router, dependencies=[Security(outer, scopes=["admin"])])


def called_with_what_fastapi_said(app: FastAPI, guard: Guard) -> None:
    """Around a dependency that calls the guard with the scopes that FastAPI names."""

    async def user(request: Request, scopes: SecurityScopes) -> str:
        return str((await guard(request, scopes)).subject)

    app.get("/x", dependencies=[Security(user, scopes=["admin"])])(answer)


def called_in_the_handler(app: FastAPI, guard: Guard) -> None:
    """On a route whose handler calls the guard."""

    @app.get("/x", dependencies=[Security(answer, scopes=["admin"])])
    async def x(request: Request) -> str:
        await guard(request)
        return "in"


PLACES: list[Place] = [
    parameter,
    default,
    decorator,
    router,
    include_router,
    application,
    application_over_a_router,
    mounted,
    around,
    twice_around,
    beside_the_same_without,
    in_an_override,
    called_by_hand,
    called_by_hand_in_an_override,
    called_by_hand_in_an_override_below,
    called_by_hand_below,
    called_with_what_fastapi_said,
    called_in_the_handler,
]


async def call_with(app: FastAPI, path: str, token: str) -> httpx.Response:
    """A call with a bearer token."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=URL, follow_redirects=True) as http:
        return await http.get(path, headers={"Authorization": f"Bearer {token}"})
