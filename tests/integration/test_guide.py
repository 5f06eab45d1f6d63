"""The code of docs/guards.md runs, and does what the guide says."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends

from support.own_app import OwnApp, own_app
from support.wire_driver import URL, SettableClock, error_of, problem_of
from upstile.server import Authentication
from upstile.server.fastapi import StepUp

pytestmark = pytest.mark.anyio
GUIDE = Path(__file__).parents[2] / "docs" / "guards.md"


async def test_the_guide_s_application_asks_for_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL))
    module: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, str(GUIDE), "exec"), module)  # noqa: S102
    api, server = module["app"], module["server"]
    assert isinstance(server, StepUp)
    async with api.router.lifespan_context(api):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=URL) as http:
            app = OwnApp(http, SettableClock(), api=api, server=server, bound=False)
            app.token = (await server.start_session("ada", amr=["pwd"], client_id="bank-cli")).access_token
            assert problem_of(await app.call("POST", "/transfers")) == "insufficient-user-authentication"
            for _ in range(2):
                lacking = await app.call("GET", "/reports")
                assert (lacking.status_code, error_of(lacking)) == (403, "insufficient_scope")
            asked = await app.call("GET", "/audit/log")
            assert (asked.status_code, 'scope="admin"' in asked.headers["www-authenticate"]) == (401, True)
            app.token = (await server.start_session("ada", amr=["pwd"], client_id="back-office")).access_token
            assert (await app.call("GET", "/reports")).json() == "ada"
        said = api.openapi()["paths"]
        assert said["/reports"]["get"]["security"] == [{"StepUp": ["admin"]}]
        assert said["/transfers"]["post"]["security"] == [{"StepUp": ["payments"]}]


async def test_a_422_after_the_guard_costs_a_token_for_one_call_and_in_the_handler_it_does_not(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        once, later = app.server.require(max_age=0), app.server.require(once_in_handler=True)

        @app.api.delete("/guard", dependencies=[Depends(once)])
        async def by_guard(number: int) -> int:
            return number

        @app.api.delete("/handler")
        async def in_handler(number: int, auth: Authentication = Depends(later)) -> int:  # noqa: B008
            auth.require(max_age=0)
            return number

        await app.sign_in()
        await app.enroll_totp()
        token = await app.elevate(max_age="0")
        assert (await app.call("DELETE", "/guard?number=x", token=token)).status_code == 422
        assert problem_of(await app.call("DELETE", "/guard?number=1", token=token)) == "token-used"
        assert (await app.call("DELETE", "/handler?number=x")).status_code == 422  # nobody was asked
        assert (await app.call("DELETE", "/handler?number=1")).status_code == 401
