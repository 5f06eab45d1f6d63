"""The code of docs/existing-login.md runs: an API with a login of its own goes on, and one route of it steps up."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from time import time
from typing import Any

import httpx
import jwt
import pytest

from examples.bank.serving import serving
from support.pasted import ROOT, Person, run
from support.tokens import claims_of
from support.wire_driver import error_of, new_key, problem_of
from upstile.client import Client, StepUpError, Totp
from upstile.client.adapters import _auth as adapter
from upstile.protocol import create_proof

PAGE = (ROOT / "docs" / "existing-login.md").read_text()
BLOCK = re.compile(
    r"(?:<!-- (?:file|part): (?P<file>[^:\s]+)(?:: (?P<part>\S+))? -->\n)?```python\n(?P<code>.*?)```", re.DOTALL
)
JWT, SESSIONS, RANDOM = "examples/with_own_jwt", "examples/with_sessions", "examples/with_random_tokens"
WHO = {"username": "ada", "password": "correct horse"}
Browser = httpx.Client


def test_every_block_of_the_page_is_code_that_runs_here() -> None:
    found = [match.groupdict() for match in BLOCK.finditer(PAGE)]
    for block in found:
        assert block["file"], f"no example has this block:\n{block['code']}"
        source = (ROOT / block["file"]).read_text()
        if block["part"]:
            part = source.partition(f"# README: {block['part']}\n")[2].partition("# README: end")[0]
            source = f"{dedent(part).strip()}\n"
        assert block["code"] == source, block["file"]
    shown = [block["file"] for block in found]
    jwt = [f"{JWT}/{name}.py" for name in ("api", "app", "exchange")]
    assert sorted(shown) == [*jwt, f"{RANDOM}/api.py", f"{SESSIONS}/api.py"]
    for command in re.findall(r"^uv run .* (?:uvicorn|-m) (examples\.\S+)$", PAGE, re.MULTILINE):
        assert (ROOT / f"{command.partition(':')[0].replace('.', '/')}.py").exists()


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """In front of the app, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    reads = Person()
    monkeypatch.setattr(adapter, "TerminalPrompter", lambda: reads.prompter)
    monkeypatch.setattr("getpass.getpass", lambda _: WHO["password"])
    return reads


@contextmanager
def api(*files: str) -> Iterator[tuple[Browser, dict[str, Any]]]:
    """The service on a real socket, and a browser in front of it."""
    module: dict[str, Any] = {}

    def make(url: str) -> Any:
        module.update(run(url, *files))
        return module["app"]

    with serving(make) as url, Browser(base_url=url) as browser:
        yield browser, module


def test_a_service_with_its_own_jwts_goes_on_and_its_app_steps_up(
    person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    with api(f"{JWT}/api.py") as (web, module):
        text = web.post("/token", json=WHO).json()["access_token"]
        own = {"Authorization": f"Bearer {text}"}
        assert web.post("/notes", json={"text": "hello"}, headers=own).json() == "ada: hello"
        refused = web.delete("/notes", headers=own)
        assert (refused.status_code, error_of(refused)) == (401, "invalid_token")
        run(web_url(web), f"{JWT}/app.py")
        assert capsys.readouterr().out == "ada: buy milk\n{'deleted by': 'ada'}\n"
        assert len(person.asked) == 2  # the first code of the new authenticator, and that of the step-up
        assert web.get("/notes", headers=own).json() == []
        assert module["app"].openapi()["paths"]["/notes"]["get"]["security"] == [
            {},
            {"bearer": []},
            {"dpop": []},
            {"HTTPBearer": []},
        ]


def test_who_has_neither_token_does_not_get_into_the_service_with_jwts(person: Person) -> None:
    with api(f"{JWT}/api.py") as (web, module):
        week_ago = {"iss": "notes", "sub": "ada", "iat": int(time()) - 8 * 86_400, "exp": int(time()) - 86_400}
        forged = {**week_ago, "exp": int(time()) + 60}
        ours = {**forged, "iss": web_url(web)}
        own = [jwt.encode(week_ago, module["KEY"], "HS256"), jwt.encode(forged, "k" * 32, "HS256"), "opaque"]
        lines = [
            *(f"Bearer {text}" for text in own),
            f"Bearer {jwt.encode(ours, module['KEY'], 'HS256')}",
            "Basic YWRh",
        ]
        for line in (*lines, None):
            for method in ("GET", "DELETE"):
                refused = web.request(method, "/notes", headers={"Authorization": line} if line else {})
                assert refused.status_code == 401, line
        assert web.post("/app/sign-in", json={**WHO, "password": "wrong"}).status_code == 403


def test_a_token_of_ours_that_has_ended_is_not_made_good_by_a_cookie(person: Person) -> None:
    with api(f"{SESSIONS}/api.py") as (browser, module):
        browser.post("/session", json=WHO)
        token = sign_in(browser)["access_token"]  # without a key, so that it can be sent as it is
        ours = {"Authorization": f"Bearer {token}"}
        assert browser.get("/profile", headers=ours).status_code == 200
        asyncio.run(module["server"].end_sessions("ada"))
        ended = browser.get("/profile", headers=ours)
        assert (ended.status_code, error_of(ended)) == (401, "invalid_token")
        assert browser.get("/profile").status_code == 200  # each login ends by itself


def test_a_service_with_sessions_goes_on_and_its_app_steps_up(
    person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    with api(f"{SESSIONS}/api.py") as (browser, module):
        csrf = {"X-CSRF-Token": browser.post("/session", json=WHO).json()["csrf"]}
        assert browser.post("/profile", json={"city": "Linz"}, headers=csrf).json() == "changed by ada"
        assert browser.get("/profile").json()["city"] == "Linz"
        assert problem_of(browser.put("/profile/account", json={"account": "x"}, headers=csrf)) == "missing-token"
        run(web_url(browser), f"{SESSIONS}/app.py")
        assert capsys.readouterr().out == "changed by ada\nchanged by ada\n"
        assert module["profile"] == {"city": "Graz", "account": "AT61 1904 3002 3457 3201"}
        assert len(person.asked) == 2
        assert browser.get("/profile").json()["city"] == "Graz"  # the session is as good as it was


def test_a_site_of_somebody_else_changes_nothing_by_the_cookie_whatever_it_sends_beside_it(person: Person) -> None:
    sent = {None: 403, "Bearer opaque": 403, "Bearer null": 403, "Bearer": 401, "Basic YWRhOnB3": 401, "DPoP x": 401}
    with api(f"{SESSIONS}/api.py") as (browser, module):
        browser.post("/session", json=WHO)
        for line, status in sent.items():
            for csrf in (None, "", "guessed"):
                headers = {"Authorization": line, "X-CSRF-Token": csrf}
                some = {name: value for name, value in headers.items() if value is not None}
                assert browser.post("/profile", json={"city": "Evil"}, headers=some).status_code == status, line
        assert browser.post("/app/sign-in", json={}).status_code == 403  # the cookie begins no sign-in
        assert module["profile"]["city"] == ""


def test_the_sign_in_of_the_app_touches_no_session_and_no_cache(person: Person) -> None:
    with api(f"{SESSIONS}/api.py") as (browser, _):
        reply = browser.post("/app/sign-in", json=WHO)
        assert reply.headers["cache-control"] == "no-store"
        assert "set-cookie" not in reply.headers
        assert browser.get("/profile").status_code == 401


def test_what_start_session_returns_is_what_the_page_says(person: Person) -> None:
    with api(f"{JWT}/api.py") as (web, _):
        first, bound = sign_in(web), sign_in(web, new_key())
        assert (first["token_type"], bound["token_type"]) == ("Bearer", "DPoP")
        assert (first["expires_in"], "refresh_token" in first, "id_token" in first) == (12 * 3600, False, False)
        claims = claims_of(first["access_token"])
        assert (claims["sub"], claims["amr"], "acr" in claims) == ("ada", ["pwd"], False)
        assert claims["iss"] == claims["aud"] == web_url(web)
        for token in (first, sign_in(web)):  # a second sign-in ends no other
            authorization = {"Authorization": f"Bearer {token['access_token']}"}
            assert web.get("/notes", headers=authorization).status_code == 200
            asked = web.delete("/notes", headers=authorization)
            assert error_of(asked) == "insufficient_user_authentication"


def test_a_jwt_that_is_exchanged_keeps_its_age(person: Person) -> None:
    with api(f"{JWT}/api.py", f"{JWT}/exchange.py") as (web, module):
        now = int(time())

        @contextmanager
        def exchanged(age: int) -> Iterator[Client]:
            claims = {"iss": "notes", "sub": "ada", "iat": now - age, "exp": now + 600}
            own = {"Authorization": f"Bearer {jwt.encode(claims, module['KEY'], 'HS256')}"}
            with Client(web_url(web), client_id="notes-cli") as client:
                client.sign_in("/app/sign-in/by-token", headers=own)
                yield client

        with exchanged(601) as old:
            assert old.get("/notes").status_code == 200
            with pytest.raises(StepUpError) as refused:  # whoever has the JWT of yesterday adds no authenticator
                old.authenticators.enroll(Totp(), "a thief's phone")
            assert "takes a new sign-in" in refused.value.diagnostics()
        with exchanged(60) as fresh:
            fresh.authenticators.enroll(Totp(), "my phone")
            assert fresh.delete("/notes").json() == {"deleted by": "ada"}
        assert web.post("/app/sign-in/by-token", headers={"Authorization": "Bearer opaque"}).status_code == 401


def web_url(web: Browser) -> str:
    """Its address, as an issuer is named."""
    return str(web.base_url).rstrip("/")


def sign_in(web: Browser, key: Any = None) -> dict[str, Any]:
    """What the sign-in for apps that step up answers to one that proves this key, if it has one."""
    proof = key and create_proof(key, htm="POST", htu=f"{web_url(web)}/app/sign-in", now=time(), jti="one")
    reply = web.post("/app/sign-in", json=WHO, headers={"DPoP": proof} if proof else {})
    answer: dict[str, Any] = reply.raise_for_status().json()
    return answer


def test_a_random_token_goes_on_and_is_no_token_of_ours_at_a_guard(person: Person) -> None:
    with api(f"{RANDOM}/api.py") as (web, _):
        own = {"Authorization": f"Bearer {web.post('/token', json=WHO).json()['access_token']}"}
        assert web.get("/files", headers=own).json() == {"files of": "ada"}
        assert web.get("/files").status_code == 401
        assert web.get("/files", headers={"Authorization": "Bearer other"}).status_code == 401
        refused = web.delete("/files", headers=own)
        assert (refused.status_code, refused.json()["type"]) == (401, "urn:upstile:problem:invalid-token")
        assert refused.json()["hint"].startswith("not a compact JWS")
        with Client(str(web.base_url), client_id="files-cli", prompter=person.prompter) as client:
            client.sign_in("/app/sign-in", json=WHO)
            assert client.get("/files").json() == {"files of": "ada"}  # with the scheme DPoP
            client.authenticators.enroll(Totp(), "phone")
            assert client.delete("/files").json() == {"deleted by": "ada"}
