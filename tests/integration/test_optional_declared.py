"""What routes with an optional guard declare: scopes, OpenAPI, and what is found out at start-up."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request, Security
from fastapi.security import HTTPBearer, SecurityScopes

from support.own_app import BANK_CLI, own_app
from support.wire_driver import URL, error_of
from upstile.server import App, ConfigurationError
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio


async def test_a_dependency_of_the_author_s_may_ask_it_and_scopes_count(tmp_path: Path) -> None:
    async with own_app(tmp_path, clients=[BANK_CLI, App("ops", scopes="admin")], dpop="optional") as app:
        app.bound = False
        anybody = app.server.optional()

        async def who(request: Request) -> str:
            auth = await anybody(request)
            return "nobody" if auth is None else auth.subject

        async def named(request: Request) -> str:
            return "" if await anybody(request, SecurityScopes(["admin"])) is None else "in"

        app.api.post("/around")(_says(Security(who, scopes=["admin"])))
        app.api.post("/handed")(_says(Depends(named)))
        app.api.post("/declared", dependencies=[Security(anybody, scopes=["admin"])])(lambda: "nobody")
        await app.sign_in()
        for path in ("/around", "/handed", "/declared"):
            assert error_of(await app.call("POST", path)) == "insufficient_scope"
            assert (await app.http.post(path, headers={"Authorization": "Bearer opaque"})).status_code == 200
        assert app.api.openapi()["paths"]["/declared"]["post"]["security"] == [
            {},
            {"bearer": ["admin"]},
            {"dpop": ["admin"]},
        ]


def _says(dependency: Any) -> Any:
    async def says(who: str = dependency) -> str:
        return who

    return says


async def test_openapi_says_where_a_credential_is_optional(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        anybody, own = app.server.optional(scope="payments"), HTTPBearer(scheme_name="Own", auto_error=False)
        insisting = HTTPBearer(scheme_name="Insists")
        required = app.server.require()
        for path, beside in {"/alone": None, "/own": own, "/insists": insisting, "/both": required}.items():
            guards = [Depends(each) for each in (anybody, beside) if each is not None]
            app.api.post(path, dependencies=guards)(lambda: None)
        said = {
            path: each["post"].get("security") for path, each in app.api.openapi()["paths"].items() if "post" in each
        }
        assert said["/alone"] == [{}, {"bearer": ["payments"]}, {"dpop": ["payments"]}]
        assert said["/own"] == [{}, {"bearer": ["payments"]}, {"dpop": ["payments"]}, {"Own": []}]
        assert said["/both"] == [{"bearer": ["payments"]}, {"dpop": ["payments"]}]
        assert said["/insists"] == [{"bearer": ["payments"]}, {"dpop": ["payments"]}, {"Insists": []}]
        assert said["/login"] is None
        calls = {call.path: (len(call.requirements), len(call.optional)) for call in app.server.calls()}
        alone, both = {"/alone": (0, 1), "/own": (0, 1), "/insists": (0, 1)}, {"/both": (1, 1)}
        assert calls == {"/login": (0, 0), "/me": (1, 0), **alone, **both}


def test_what_can_never_be_met_is_reported_with_its_route(tmp_path: Path) -> None:
    server = StepUp.embedded(
        url=URL, storage=f"sqlite:///{tmp_path}/s.db", clients=[BANK_CLI], allow_insecure_loopback=True
    )
    with pytest.raises(ConfigurationError, match=r"acr=\('gold',\) can never be reached"):
        server.optional(acr="gold")
    anybody = server.optional()
    for wrong, says in [
        (Security(anybody, scopes=["admin"]), r"POST /x: scope=\('admin',\): none of the clients"),
        (Depends(anybody.__call__), "POST /x: hand the guard itself"),
    ]:
        api = FastAPI()
        api.post("/x", dependencies=[wrong])(lambda: None)
        with pytest.raises(ConfigurationError, match=says):
            server.install(api)
