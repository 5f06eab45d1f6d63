"""The code of docs/guards.md runs, and does what the guide says."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends
from fastapi.testclient import TestClient

from support.own_app import own_app
from support.wire_driver import problem_of
from upstile.server import Authentication
from upstile.server.fastapi import StepUp
from upstile.server.testing import assert_challenged, token_for

GUIDE = Path(__file__).parents[2] / "docs" / "guards.md"


def test_the_guide_s_application_asks_for_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "terms.txt").write_text("terms")
    code = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL))
    module: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, str(GUIDE), "exec"), module)  # noqa: S102
    api, server = module["app"], module["server"]
    assert isinstance(server, StepUp)
    with TestClient(api) as client:
        cli, office = (token_for(server, "ada", client_id=name) for name in ("bank-cli", "back-office"))
        assert_challenged(client.post("/transfers", auth=cli), acr="mfa", max_age=300)
        for _ in range(2):
            lacking = client.get("/reports", auth=cli)
            assert lacking.status_code == 403
            assert 'error="insufficient_scope"' in lacking.headers["www-authenticate"]
        assert_challenged(client.get("/audit/log", auth=cli), acr="mfa", max_age=300, scope="admin")
        assert client.get("/reports", auth=office).json() == "ada"
        confirmed = token_for(server, "ada", acr="mfa", client_id="bank-cli")
        assert client.post("/transfers", auth=confirmed).json() == "ada"
        with client.websocket_connect("/prices", headers=cli.headers("GET", "/prices")) as prices:
            assert prices.receive_text() == "hello ada"
        for path, status in (("/files/x", 401), ("/files/terms.txt", 200), ("/api/health", 200), ("/api/x", 404)):
            assert client.get(path).status_code == status
        assert client.put("/statement").status_code == 401
        assert_challenged(client.delete("/account", auth=cli), acr="mfa", max_age=0)
    said = api.openapi()["paths"]
    assert said["/account"]["delete"]["summary"] == "Close Account · step-up: mfa, for each call"
    assert said["/reports"]["get"]["security"] == [{"bearer": ["admin"]}, {"dpop": ["admin"]}]
    assert said["/transfers"]["post"]["security"] == [{"bearer": ["payments"]}, {"dpop": ["payments"]}]


@pytest.mark.anyio
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
