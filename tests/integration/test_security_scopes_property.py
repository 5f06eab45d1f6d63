"""Any nesting of `Security` and `Depends` around guards: a call passes exactly where the token has all scopes named."""

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Security
from hypothesis import event, given, settings
from hypothesis import strategies as st

from support.own_app import BANK_CLI
from support.scoped_places import by_hand, call_with
from support.tokens import mint
from support.wire_driver import NOON, URL
from upstile.server import App
from upstile.server.fastapi import StepUp

CLIENTS = [BANK_CLI, App("ops", scopes={"admin", "audit"})]
_SCOPES = ("payments", "admin", "audit")
_NAMED = st.lists(st.sampled_from(_SCOPES), max_size=2)
_LAYERS = st.lists(_NAMED, max_size=3)
_PLACES_OF_LAYERS = st.sampled_from(["parameter", "decorator", "router", "include", "application"])


@settings(max_examples=60, deadline=None)
@given(
    uses=st.lists(st.tuples(_PLACES_OF_LAYERS, _LAYERS, st.booleans()), min_size=1, max_size=3),
    calls=st.lists(st.sets(st.sampled_from(_SCOPES)), min_size=1, max_size=4),
)
def test_a_call_passes_exactly_where_its_token_has_all_scopes_that_are_named_above_a_guard(
    tmp_path_factory: pytest.TempPathFactory,
    uses: list[tuple[str, list[list[str]], bool]],
    calls: list[set[str]],
) -> None:
    server, tokens = _property_server(tmp_path_factory)
    app, wanted = _built(server, uses)
    for _ in range(2):  # quickly, the second time
        for scopes in calls:
            reply = asyncio.run(call_with(app, "/x", tokens[frozenset(scopes)]))
            event(f"{reply.status_code}")
            assert reply.status_code == (200 if wanted <= scopes else 403)


def _built(server: StepUp, uses: list[tuple[str, list[list[str]], bool]]) -> tuple[FastAPI, set[str]]:
    app, router, guard = FastAPI(), APIRouter(), server.require()
    at: dict[str, list[Any]] = {name: [] for name in ("parameter", "decorator", "router", "include", "application")}
    wanted: set[str] = set()
    for place, layers, called in uses:
        dependency: Any = by_hand(guard) if called else guard
        for named in layers[1:]:
            dependency = _layer(dependency, named)
        outermost = layers[0] if layers else []
        at[place].append(Security(dependency, scopes=outermost))
        wanted.update(outermost, *layers[1:])
    if any(called for *_, called in uses):  # such a guard counts all that is named on the route, which is the same
        event("by hand")

    async def x(**values: Any) -> str:
        return "in"

    kind = inspect.Parameter.KEYWORD_ONLY
    x.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f"p{at_}", kind, default=each) for at_, each in enumerate(at["parameter"])]
    )
    router.dependencies.extend(at["router"])
    router.get("/x", dependencies=at["decorator"])(x)
    app.router.dependencies.extend(at["application"])
    app.include_router(router, dependencies=at["include"])
    server.install(app)
    return app, wanted


def _layer(inner: Any, named: list[str]) -> Callable[..., Any]:
    async def layer(value: Annotated[Any, Security(inner, scopes=named)]) -> Any:
        return value

    return layer


_made: dict[str, Any] = {}


def _property_server(folders: pytest.TempPathFactory) -> tuple[StepUp, dict[frozenset[str], str]]:
    """One deployment for all examples: what it remembers of one is there for the next."""
    if not _made:
        folder = folders.mktemp("scopes")
        server = StepUp.embedded(
            url=URL,
            storage=f"sqlite:///{folder / 'bank.db'}",
            clients=CLIENTS,
            dpop="optional",
            clock=lambda: NOON,
            allow_insecure_loopback=True,
        )
        _made["all"] = server, asyncio.run(_all_tokens(server, folder))
    made: tuple[StepUp, dict[frozenset[str], str]] = _made["all"]
    return made


async def _all_tokens(server: StepUp, folder: Path) -> dict[frozenset[str], str]:
    await server.start_session("ada", amr=["pwd"], client_id="ops")
    sets = [frozenset(s for at, s in enumerate(_SCOPES) if number >> at & 1) for number in range(8)]
    claims = {"iss": URL, "aud": URL, "sub": "ada", "client_id": "ops", "iat": int(NOON), "exp": int(NOON) + 3600}
    tokens = {s: await mint(folder, {**claims, "jti": f"j{at}", "scope": " ".join(s)}) for at, s in enumerate(sets)}
    await server._deployment.aclose()
    return tokens
