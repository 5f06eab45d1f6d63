"""A bank whose every refusal can be brought about, and its audit table."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI

from support.own_app import OwnApp, own_app
from upstile.server import Authentication
from upstile.server.fastapi._application import answer_errors, handlers, note_places
from upstile.server.storage import AuditRow


@asynccontextmanager
async def bank(folder: Path, **options: Any) -> AsyncGenerator[OwnApp]:
    """A bank with guarded routes, one of them in a mounted application."""
    async with own_app(folder, **options) as app:
        guard = app.server.require(acr="mfa", max_age=300, scope="payments", reason="Confirm it")
        below, router = FastAPI(), APIRouter(prefix="/v1")

        @router.post("/transfers/{id}")
        async def transfer(id: int, auth: Annotated[Authentication, Depends(guard)]) -> int:
            return id

        @app.api.get("/later")
        async def later(auth: Annotated[Authentication, Depends(app.server.require())]) -> str:
            auth.require(acr="phr")
            return auth.subject

        @below.get("/inner/{name}")
        async def inner(name: str, auth: Annotated[Authentication, Depends(guard)]) -> str:
            return name

        app.api.include_router(router)
        app.api.mount("/below", below)
        note_places(app.api)  # mounted after the lifespan began
        answer_errors(app.api, handlers(app.server._deployment))
        yield app


def rows(folder: Path) -> list[AuditRow]:
    """The table."""
    names = ", ".join(f'"{name}"' for name in AuditRow._fields)
    with closing(sqlite3.connect(folder / "bank.db")) as connection:
        return [AuditRow(*row) for row in connection.execute(f"SELECT {names} FROM upstile_audit ORDER BY at, number")]  # noqa: S608
