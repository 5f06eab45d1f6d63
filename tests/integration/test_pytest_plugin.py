"""The plugin for pytest: there by itself, of no cost to who does not use it, and clear about what it needs."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

LAZY = """
import sys

def test_nothing_of_upstile_is_loaded_but_the_plugin():
    ours = sorted(name for name in sys.modules if name.startswith("upstile"))
    assert ours == ["upstile_pytest"]
    assert not {"fastapi", "httpx", "sqlalchemy", "cryptography", "pydantic"} & {*sys.modules}
"""
UNDEFINED = """
import pytest

def test_without_an_application(upstile_api): ...
def test_without_a_server(upstile_authenticator): ...

class TestWithSomethingElse:
    @pytest.fixture
    def upstile_server(self):
        return "shop"

    def test_it(self, upstile_authenticator): ...
"""
PLAIN = """
import sys
sys.modules["fido2"] = None  # as where upstile[client] is not installed

import pytest
from support.shop import shop
from upstile.server.testing import assert_challenged, token_for

app, server = shop()

@pytest.fixture
def upstile_app():
    return app

@pytest.fixture
def upstile_server():
    return server

def test_the_client_is_a_plain_one(upstile_client):
    assert type(upstile_client).__module__.startswith("httpx")
    assert_challenged(upstile_client.post("/orders/book", auth=token_for(server, "ada")), acr="mfa", max_age=300)
    assert upstile_client.post("/orders/book", auth=token_for(server, "ada", acr="mfa")).json() == ["ada", "book"]

@pytest.mark.anyio
async def test_the_async_one_as_well(upstile_async_client, anyio_backend):
    reply = await upstile_async_client.post("/orders/book", auth=token_for(server, "ada", acr="mfa"))
    assert reply.json() == ["ada", "book"]
"""
CODES = """
import pytest
from support.shop import shop
from upstile.client import Totp
from upstile.server.testing import Authenticator

app, server = shop()
real_time_app, real_time_server = shop(clock=__import__("time").time)

@pytest.fixture
def upstile_app():
    return app

@pytest.fixture
def upstile_server():
    return server

def test_each_code_is_a_new_one_and_moves_the_clock(upstile_client, upstile_authenticator, upstile_person):
    upstile_client.sign_in("/login", params={"user": "ada"})
    upstile_client.authenticators.enroll(Totp(), "phone")
    for _ in range(3):
        assert upstile_client.delete("/once").json() == "ada"
    assert upstile_person.attempts_left == []
    assert len({upstile_authenticator.code() for _ in range(3)}) == 3

def test_an_empty_one_says_what_to_do(upstile_authenticator):
    with pytest.raises(RuntimeError, match="is empty: scan"):
        upstile_authenticator.code()
    with pytest.raises(ValueError, match="has no secret"):
        upstile_authenticator.scan("otpauth://totp/ada")

def test_a_clock_that_goes_by_itself_shows_a_code_once():
    authenticator = Authenticator(lambda: 1_800_000_000.0)
    authenticator.scan("otpauth://totp/ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    authenticator.code()
    with pytest.raises(RuntimeError, match="a code is good once"):
        authenticator.code()

def test_what_the_start_raises_is_raised_and_what_a_handler_raises(upstile_api):
    import httpx
    from fastapi import FastAPI
    from upstile.server.testing import in_process

    broken = FastAPI()

    @broken.get("/")
    async def handler():
        raise LookupError("here")

    with in_process(broken) as api, httpx.Client(transport=api, base_url="http://localhost") as client:
        assert client.get("/other").status_code == 404
        with pytest.raises(LookupError, match="here"):
            client.get("/")

    async def never(app):
        raise LookupError("at the start")
        yield

    with pytest.raises(LookupError, match="at the start"), in_process(FastAPI(lifespan=never)):
        pass
"""


def test_it_is_registered_once() -> None:
    assert [point.value for point in entry_points(group="pytest11") if point.name == "upstile"] == ["upstile_pytest"]


def test_a_project_that_does_not_use_it_loads_nothing(tmp_path: Path) -> None:
    assert "1 passed" in _run(tmp_path, LAZY)


def test_a_fixture_that_is_missing_is_named(tmp_path: Path) -> None:
    said = _run(tmp_path, UNDEFINED)
    assert "define a fixture upstile_app in conftest.py that returns your application" in said
    assert "define a fixture upstile_server in conftest.py that returns your StepUp object" in said
    assert "the fixture upstile_server must return your StepUp object, not a str" in said


def test_where_there_is_no_client_of_ours_a_plain_one_serves(tmp_path: Path) -> None:
    assert "3 passed" in _run(tmp_path, PLAIN)


def test_the_authenticator_app_and_the_application_in_process(tmp_path: Path) -> None:
    assert "4 passed" in _run(tmp_path, CODES)


def _run(folder: Path, code: str) -> str:
    (folder / "test_it.py").write_text(code)
    support = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "upstile_pytest"]
    command += ["-p", "anyio.pytest_plugin", "-o", f"pythonpath={support}", "test_it.py"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
    return done.stdout
