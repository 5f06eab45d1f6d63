"""What an event calls a route is a template all the way: callers choose none of it."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.routing import Mount

from support.own_app import another_process
from support.wire_driver import NOON, URL
from upstile.server.audit import SecurityEvent
from upstile.server.audit._telemetry import Telemetry

pytestmark = pytest.mark.anyio
PLACES = {
    "/tenants/{}/x": "GET /tenants/{tenant}/x",
    "/tenants/{}/deeper/{}/x": "GET /tenants/{tenant}/deeper/{name:path}/x",
    "/routed/{}/x": "GET /routed/{room}/x",
    "/twice/{}/{}/x": "GET …/x",  # two parameters of one name: nobody can say which is which
    "/plain/x": "GET /plain/x",
}


async def test_routes_below_a_parameter_are_told_and_counted_by_their_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: set[str | None] = set()

    def count(self: Telemetry, event: SecurityEvent) -> None:
        told.add(event.route)

    monkeypatch.setattr(Telemetry, "count", count)
    server, app = another_process(tmp_path, lambda: NOON), FastAPI()
    tenants, deeper, twice = FastAPI(), FastAPI(), FastAPI()
    guard = Depends(server.require())
    for each in (tenants, deeper):
        each.get("/x", dependencies=[guard])(lambda: "in")
    tenants.mount("/deeper/{name:path}", deeper)
    twice.mount("/{id}", deeper)
    app.mount("/tenants/{tenant}", tenants)
    app.mount("/plain", deeper)
    app.mount("/twice/{id}", twice)
    app.router.routes.append(Mount("/routed/{room}", routes=tenants.router.routes[-2:-1]))
    server.install(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http,
    ):
        for path, template in PLACES.items():
            told.clear()
            for chosen in ("ada", "plain", "x", "%7Btenant%7D", "7"):
                assert (await http.get(path.replace("{}", chosen))).status_code == 401
            assert told == {template}


async def test_one_endpoint_is_one_span_however_its_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def span(self: Telemetry, name: str) -> AbstractContextManager[None]:
        names.append(name)
        return nullcontext()

    monkeypatch.setattr(Telemetry, "span", span)
    server, app = another_process(tmp_path, lambda: NOON), FastAPI()
    server.install(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http,
    ):
        for path in ("/stepup/token", "/stepup/%74oken", "/%73tepup/tok%65n"):
            assert (await http.post(path)).status_code == 400
    assert names == ["POST /stepup/token"] * 3
