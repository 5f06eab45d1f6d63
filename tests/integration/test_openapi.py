"""What the OpenAPI document says of guarded routes, and that nothing is answered that it does not say."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import pytest
import schemathesis
from fastapi import APIRouter, Depends, FastAPI, Header
from fastapi.security import APIKeyHeader
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.guard_forms import DOORS, FORMS, Form, a_server, health, in_form, listening
from upstile.server import Authentication
from upstile.server.fastapi import StepUp

URL = "http://localhost:8000"
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
REASON = "Confirm it is you before payout details change"


def _api(folder: Path, **options: Any) -> tuple[StepUp, FastAPI]:
    server, app = a_server(URL, folder), FastAPI(**options)
    server.install(app)
    return server, app


def _operation(app: FastAPI, method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()["paths"][path][method]
    return found


def test_a_route_that_steps_up_says_so_to_the_eye_to_people_and_to_programs(tmp_path: Path) -> None:
    server, app = _api(tmp_path)
    recent = server.requirement(acr=("phr", "mfa"), max_age=300, scope="payments", reason=REASON)

    @app.post("/payout", responses={401: {"description": "The author's."}, 409: {"description": "Twice."}})
    async def payout(auth: Annotated[Authentication, Depends(recent)]) -> str:
        """Change where the money goes."""
        return auth.subject

    said = _operation(app, "post", "/payout")
    assert said["summary"] == "Payout · step-up: phr or mfa, within 5 minutes"
    assert said["x-step-up"] == [
        {"acr_values": ["phr", "mfa"], "max_age": 300, "scope": ["payments"], "reason": REASON}
    ]
    assert said["description"].startswith("Change where the money goes.\n\n**Step-up**")
    assert "with `phr` or `mfa`, at most 5 minutes ago" in said["description"]
    assert REASON in said["description"]
    assert said["security"] == [{"bearer": ["payments"]}, {"dpop": ["payments"]}]
    assert set(said["responses"]) == {"200", "400", "401", "403", "409", "503"}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/StepUpProblem"}}}
    assert all(said["responses"][status]["content"] == problem for status in ("400", "401", "403", "503"))
    assert said["responses"]["401"]["description"] == "The author's."
    assert said["responses"]["401"]["headers"]["WWW-Authenticate"]["required"]
    assert "WWW-Authenticate" in said["responses"]["403"]["headers"]
    assert "Retry-After" in said["responses"]["503"]["headers"]
    components = app.openapi()["components"]
    assert components["securitySchemes"].keys() == {"bearer", "dpop"}
    assert "acr_values" in components["schemas"]["StepUpProblem"]["properties"]


@pytest.mark.parametrize(
    ("asked", "mark", "words"),
    [
        ({"acr": "mfa"}, " · step-up: mfa", "with `mfa`."),
        ({"max_age": 0}, " · step-up: for each call", "for this very call."),
        ({"max_age": 90}, " · step-up: within 90 seconds", "at most 90 seconds ago."),
        ({"max_age": 60}, " · step-up: within 1 minute", "at most 1 minute ago."),
        ({"max_age": 86400}, " · step-up: within 1 day", "at most 1 day ago."),
        ({"once_in_handler": True}, "", "a confirmation of this very call."),
        ({"scope": "payments"}, "", None),
        ({}, "", None),
    ],
)
def test_requirements_are_said_in_words(tmp_path: Path, asked: Any, mark: str, words: str | None) -> None:
    server, app = _api(tmp_path)
    app.get("/x", summary="X", dependencies=[Depends(server.require(**asked))])(health)
    said = _operation(app, "get", "/x")
    assert said["summary"] == f"X{mark}"
    assert said.get("description", "").endswith(words) if words else "**Step-up**" not in said.get("description", "")
    assert ("x-step-up" in said) == bool(mark)


def test_an_open_route_says_nothing_and_one_with_another_scheme_keeps_it(tmp_path: Path) -> None:
    server, app = _api(tmp_path)
    key = APIKeyHeader(name="x-key")
    app.get("/open")(health)
    app.get("/key", dependencies=[Depends(key)])(health)
    app.get("/both", dependencies=[Depends(server.require()), Depends(key)])(health)
    assert set(_operation(app, "get", "/open")["responses"]) == {"200"}
    assert _operation(app, "get", "/key")["security"] == [{"APIKeyHeader": []}]
    assert {"dpop": []} in _operation(app, "get", "/both")["security"]
    assert app.openapi()["components"]["securitySchemes"].keys() == {"APIKeyHeader", "bearer", "dpop"}


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_is_documented(tmp_path: Path, form: Form) -> None:
    server = a_server(URL, tmp_path)
    app = in_form(form, server, server.require(acr="mfa"))
    api = app.app if form in DOORS and not isinstance(app, FastAPI) else app
    paths = api.openapi()["paths"]
    assert paths["/g/secret"]["get"]["x-step-up"] == [{"acr_values": ["mfa"]}]
    assert "security" not in paths["/health"]["get"]


def _walked(server: StepUp, *, with_class: bool) -> FastAPI:
    app = FastAPI()
    router = APIRouter(route_class=server.route_class) if with_class else APIRouter()

    @router.post("/pay/{name}")
    async def pay(
        name: str, amount: int, auth: Annotated[Authentication, Depends(server.require(acr="mfa", max_age=0))]
    ) -> int:
        return amount

    @router.get("/mine", dependencies=[Depends(server.require(scope="payments"))])
    async def mine(x_page: Annotated[int, Header()] = 0) -> int:
        return x_page

    @router.put("/settings", dependencies=[Depends(server.require(acr="phr", max_age=60))])
    async def settings_(values: dict[str, int]) -> dict[str, int]:
        return values

    app.include_router(router)
    server.install(app)
    return app


@pytest.mark.parametrize(
    ("form", "signed_in"),
    [
        ("route class", True),
        *(pytest.param(form, True, marks=pytest.mark.long) for form in ("depends", "door")),
        *(pytest.param(form, False, marks=pytest.mark.long) for form in ("depends", "route class", "door")),
    ],
)
def test_schemathesis_finds_no_undocumented_answer(tmp_path: Path, form: str, signed_in: bool) -> None:
    """It sends good and bad; status, media type, headers and body of each answer have to be documented."""
    server = a_server(URL, tmp_path)
    api = _walked(server, with_class=form == "route class")
    headers = {"Authorization": f"Bearer {asyncio.run(_token(server))}"} if signed_in else {}
    seen = set[int]()
    with listening(server.protect(api, server.require()) if form == "door" else api) as port:
        for found in schemathesis.openapi.from_dict(api.openapi()).get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            for mode in GenerationMode:

                @given(case=operation.as_strategy(generation_mode=mode))
                @settings(
                    max_examples=8,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    suppress_health_check=(
                        HealthCheck.too_slow,
                        HealthCheck.filter_too_much,
                        HealthCheck.data_too_large,
                    ),
                )
                def walk(case: Any) -> None:
                    reply = case.call(base_url=f"http://127.0.0.1:{port}", headers=headers)
                    seen.add(reply.status_code)
                    case.validate_response(reply, checks=CHECKS)

                try:
                    walk()
                except Unsatisfiable:  # there is nothing wrong to send
                    continue
    if signed_in:
        assert seen >= {200, 401, 422}
    else:
        assert seen == {401} if form != "depends" else 401 in seen  # FastAPI reads the body first


async def _token(server: StepUp) -> str:
    token = (await server.start_session("ada", amr=["pwd"], client_id="cli")).access_token
    await server._deployment.aclose()
    return str(token)
