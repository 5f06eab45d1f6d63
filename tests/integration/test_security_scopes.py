"""`Security(guard, scopes=…)`: a token without the scope is refused wherever FastAPI lets an author write it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Security
from fastapi.security import SecurityScopes

from support.own_app import BANK_CLI, OwnApp, another_process, own_app
from support.scoped_places import PLACES, Guard, Place, answer, by_hand, call_with, include_router, user_of
from support.tokens import mint
from support.wire_driver import NOON, URL, error_of, problem_of
from upstile.protocol import parse_challenges
from upstile.server import App, ConfigurationError
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio
CLIENTS = [BANK_CLI, App("ops", scopes={"admin", "audit"})]
_everywhere = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)


@asynccontextmanager
async def _at(folder: Path, place: Place) -> AsyncGenerator[OwnApp]:
    async with own_app(folder, clients=CLIENTS, dpop="optional") as app:
        app.bound = False
        other = FastAPI()
        other.get("/any", dependencies=[Depends(app.server.require())])(answer)
        place(other, app.server.require())
        app.server.install(other)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=URL, follow_redirects=True) as http:
            await app.sign_in()
            app.http, app.api = http, other
            yield app


@_everywhere
async def test_a_token_without_the_scope_is_refused_and_one_with_it_is_not(tmp_path: Path, place: Place) -> None:
    async with _at(tmp_path, place) as app:
        lacking, having = await _tokens(app, tmp_path)
        for _ in range(3):  # the first is judged with care, the later ones quickly
            assert (await app.call("GET", "/any", token=lacking)).status_code == 200
            refused = await app.call("GET", "/x", token=lacking)
            assert (refused.status_code, error_of(refused)) == (403, "insufficient_scope")
            (challenge,) = parse_challenges(refused.headers["www-authenticate"])
            assert challenge.params["scope"] == "admin"
            assert (await app.call("GET", "/x", token=having)).status_code == 200


@_everywhere
async def test_a_scope_that_no_client_may_have_is_found_at_start_up_or_lets_nobody_in(
    tmp_path: Path, place: Place
) -> None:
    server = another_process(tmp_path, lambda: NOON)  # whose one client may have `payments` alone
    app = FastAPI()
    place(app, server.require())
    token = (await server.start_session("ada", amr=["pwd"])).access_token
    if "called" in place.__name__ or "override" in place.__name__:  # which nobody can see from outside
        server.install(app)
        with pytest.raises(ConfigurationError, match="'admin'"):
            await call_with(app, "/x", token)
    else:
        with pytest.raises(ConfigurationError, match=r"GET /.*'admin'"):
            server.install(app)
    await server._deployment.aclose()


async def test_a_route_that_is_added_after_install_is_checked_when_the_application_starts(tmp_path: Path) -> None:
    server, app = another_process(tmp_path, lambda: NOON), FastAPI()
    server.install(app)
    include_router(app, server.require())
    with pytest.raises(ConfigurationError, match=r"GET /x: scope=\('admin',\)"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize("scopes", ["payments", ["two words"], ["ä"], [""]])
async def test_scopes_that_are_none_are_found_at_start_up(tmp_path: Path, scopes: Any) -> None:
    server, app = another_process(tmp_path, lambda: NOON), FastAPI()
    app.get("/x", dependencies=[Security(server.require(), scopes=scopes)])(answer)
    with pytest.raises(ConfigurationError, match="GET /x"):
        server.install(app)


@pytest.mark.parametrize("made", [partial, lambda guard: guard.__call__], ids=["partial", "bound method"])
async def test_what_is_made_of_a_guard_is_refused_at_start_up(tmp_path: Path, made: Callable[[Any], Any]) -> None:
    """Older versions of FastAPI would not wait for a partial, and OpenAPI would not show a method."""
    server, app = another_process(tmp_path, lambda: NOON), FastAPI()
    app.get("/x", dependencies=[Depends(made(server.require()))])(answer)
    with pytest.raises(ConfigurationError, match="the guard itself"):
        server.install(app)


async def test_an_author_who_calls_a_guard_can_say_that_no_scopes_count(tmp_path: Path) -> None:
    def place(app: FastAPI, guard: Guard) -> None:
        async def user(request: Request) -> str:
            return str((await guard(request, SecurityScopes())).subject)

        app.get("/x", dependencies=[Security(user, scopes=["of-another-scheme"])])(answer)

    async with _at(tmp_path, place) as app:
        assert (await app.call("GET", "/x")).status_code == 200


async def test_a_guard_that_cannot_tell_which_scopes_are_named_lets_nobody_in(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("pages")

    def place(app: FastAPI, guard: Guard) -> None:
        app.router.dependencies.append(Security(by_hand(guard), scopes=["admin"]))
        app.frontend("/x", directory=pages)

    async with _at(tmp_path, place) as app:
        with pytest.raises(ConfigurationError, match=r"guard\(request, scopes\)"):
            await app.call("GET", "/x/index.html")


async def test_a_guard_around_pages_counts_the_scopes_it_is_handed(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("pages")

    def place(app: FastAPI, guard: Guard) -> None:
        app.router.dependencies.append(Security(guard, scopes=["admin"]))
        app.frontend("/x", directory=pages)

    async with _at(tmp_path, place) as app:
        lacking, having = await _tokens(app, tmp_path)
        assert (await app.call("GET", "/x/index.html", token=lacking)).status_code == 403
        assert (await app.call("GET", "/x/index.html", token=having)).text == "pages"


async def test_named_scopes_are_added_to_those_of_the_guard(tmp_path: Path) -> None:
    async with own_app(tmp_path, clients=CLIENTS) as app:
        guard = app.server.require(acr="mfa", max_age=300, scope="payments")
        app.api.get("/x", dependencies=[Security(guard, scopes=["admin", "payments", "audit"])])(answer)
        await app.sign_in()
        reply = await app.call("GET", "/x")
        (challenge,) = parse_challenges(reply.headers["www-authenticate"])
        assert (reply.status_code, challenge.params["scope"]) == (401, "payments admin audit")


async def test_a_token_for_one_call_that_lacks_a_named_scope_is_not_used_up(tmp_path: Path) -> None:
    async with own_app(tmp_path, clients=CLIENTS) as app:
        once = app.server.require(acr="mfa", max_age=0)
        app.api.delete("/admin", dependencies=[Security(once, scopes=["admin"])])(answer)
        app.api.delete("/all", dependencies=[Security(once, scopes=["payments"])])(answer)
        await app.sign_in()
        await app.enroll_totp()
        token = await app.elevate(max_age="0")
        assert (await app.call("DELETE", "/admin", token=token)).status_code == 403
        assert (await app.call("DELETE", "/all", token=token)).status_code == 200
        assert problem_of(await app.call("DELETE", "/all", token=token)) == "token-used"


async def test_a_weak_guard_of_the_application_knows_of_a_stricter_one_where_a_router_is_included(
    tmp_path: Path,
) -> None:
    async with own_app(tmp_path) as app:
        app.api.router.dependencies.append(Depends(app.server.require()))
        router = APIRouter()
        router.delete("/x")(answer)
        app.api.include_router(router, dependencies=[Depends(app.server.require(acr="mfa", max_age=0))])
        await app.sign_in()
        await app.enroll_totp()
        token = await app.elevate(max_age="0")
        assert (await app.call("DELETE", "/x", token=token)).status_code == 200
        assert problem_of(await app.call("DELETE", "/x", token=token)) == "token-used"


async def test_openapi_names_the_scopes_that_are_asked_for(tmp_path: Path) -> None:
    server = StepUp.embedded(
        url=URL, storage=f"sqlite:///{tmp_path}/s.db", clients=CLIENTS, allow_insecure_loopback=True
    )
    app, below, router = FastAPI(), FastAPI(), APIRouter()
    app.get("/free")(answer)
    app.get("/any", dependencies=[Depends(server.require())])(answer)
    own = server.require(scope="payments")
    app.get("/own", dependencies=[Depends(own)])(answer)
    router.get("/{both}", dependencies=[Depends(own)])(answer)
    below.post("/below", dependencies=[Security(user_of(own), scopes=["audit"])])(answer)
    server.install(app)
    app.include_router(router, prefix="/in", dependencies=[Security(server.require(), scopes=["admin"])])
    app.mount("/sub", below)
    async with app.router.lifespan_context(app):
        for _ in range(2):
            assert {path: _scopes_said(app, path) for path in app.openapi()["paths"]} == {
                "/free": None,
                "/any": [{"bearer": []}, {"dpop": []}],
                "/own": [{"bearer": ["payments"]}, {"dpop": ["payments"]}],
                "/in/{both}": [{"bearer": ["admin", "payments"]}, {"dpop": ["admin", "payments"]}],
            }
        assert below.openapi()["paths"]["/below"]["post"]["security"] == [
            {"bearer": ["payments", "audit"]},
            {"dpop": ["payments", "audit"]},
        ]


async def _tokens(app: OwnApp, folder: Path) -> tuple[str, str]:
    """One without and one with the scope `admin`."""
    now = int(app.clock())
    claims = {"iss": URL, "aud": URL, "sub": "ada", "client_id": "ops", "iat": now, "exp": now + 300}
    return (
        await mint(folder, {**claims, "jti": "lacking", "scope": "payments audit"}),
        await mint(folder, {**claims, "jti": "having", "scope": "admin"}),
    )


def _scopes_said(app: FastAPI, path: str) -> Any:
    return app.openapi()["paths"][path]["get"].get("security")
