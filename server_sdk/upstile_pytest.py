"""The plugin for pytest: `docs/testing.md` says what its fixtures are for.

pytest loads it in every project of an environment. So its names begin with `upstile_`, and nothing of upstile is
imported before a test asks for one of them.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from upstile.client.testing import ScriptedPrompter, VirtualKey
    from upstile.server.testing import Authenticator, Clock, InProcess

_PIN = "1234"


@pytest.fixture
def upstile_clock() -> Clock:
    """A clock that a test moves, for `StepUp.embedded(clock=…)`; the app's client goes by the server's."""
    from upstile.server.testing import Clock

    return Clock()


@pytest.fixture
def upstile_storage(tmp_path: Path) -> str:
    """The `storage=` of an empty file, where `:memory:` will not do: for several processes, or a second start."""
    return f"sqlite:///{tmp_path / 'stepup.db'}"


@pytest.fixture
def upstile_app() -> Any:
    """Your application. Define a fixture of this name that returns it."""
    pytest.fail("define a fixture upstile_app in conftest.py that returns your application", pytrace=False)


@pytest.fixture
def upstile_server() -> Any:
    """Your `StepUp` object. Define a fixture of this name that returns it."""
    pytest.fail("define a fixture upstile_server in conftest.py that returns your StepUp object", pytrace=False)


@pytest.fixture
def upstile_client_id(upstile_server: Any) -> str:
    """The app that the client is: the one that was registered first."""
    client_id: str = _deployment_of(upstile_server).own.sign_in.apps.first.client_id
    return client_id


@pytest.fixture
def upstile_api(upstile_app: Any) -> Generator[InProcess]:
    """The application, running in this process: the `transport=` of any client of httpx or httpx2."""
    from upstile.server.testing import in_process

    with in_process(upstile_app) as api:
        yield api


@pytest.fixture
def upstile_authenticator(upstile_server: Any) -> Authenticator:
    """The person's authenticator app: what they enrol with the client is scanned, and `code()` shows the next code."""
    from upstile.server.testing import Authenticator

    return Authenticator(_deployment_of(upstile_server).clock)


@pytest.fixture
def upstile_key() -> VirtualKey:
    """The person's security key, in software, with the PIN 1234. Needs `upstile[client]`."""
    from upstile.client.testing import VirtualKey

    return VirtualKey(pin=_PIN)


@pytest.fixture
def upstile_person(upstile_authenticator: Authenticator) -> ScriptedPrompter:
    """The person at the client: types codes and the PIN, and remembers what was asked. Needs `upstile[client]`."""
    from upstile.client.testing import ScriptedPrompter

    class Person(ScriptedPrompter):
        def show_key_uri(self, uri: str) -> None:
            super().show_key_uri(uri)
            upstile_authenticator.scan(uri)

    return Person(upstile_authenticator.code, pin=_PIN)


@pytest.fixture
def upstile_client(request: pytest.FixtureRequest, upstile_api: InProcess, upstile_server: Any) -> Generator[Any]:
    """A client of the application in this process, nobody signed in: one that steps up where `upstile[client]` is."""
    with _client(request, "Client", upstile_api, upstile_server) as client:
        yield client


@pytest.fixture
def upstile_async_client(request: pytest.FixtureRequest, upstile_api: InProcess, upstile_server: Any) -> Generator[Any]:
    """The same for `async` tests, of whatever plugin runs them."""
    client = _client(request, "AsyncClient", upstile_api, upstile_server)
    yield client
    if hasattr(client, "step_up_auth"):
        client.step_up_auth.close()


def _client(request: pytest.FixtureRequest, name: str, api: InProcess, server: Any) -> Any:
    deployment = _deployment_of(server)
    library, steps_up = _library()
    if not steps_up:
        return getattr(library, name)(transport=api, base_url=deployment.url)
    from upstile.client import Totp, WebAuthn

    key = request.getfixturevalue("upstile_key")
    return getattr(library, name)(
        deployment.url,
        client_id=request.getfixturevalue("upstile_client_id"),
        prompter=request.getfixturevalue("upstile_person"),
        methods=[WebAuthn(lambda: [key]), Totp()],
        clock=deployment.clock,
        monotonic=deployment.clock,
        transport=api,
    )


def _library() -> tuple[Any, bool]:
    """Where `Client` and `AsyncClient` are, and whether they step up."""
    from importlib import import_module
    from importlib.util import find_spec

    if find_spec("httpx") is None and find_spec("httpx2") is None:
        pytest.fail("upstile_client needs httpx: pip install 'upstile[client]', or httpx alone", pytrace=False)
    plain = "httpx" if find_spec("httpx") else "httpx2"
    if find_spec("fido2") is None:
        return import_module(plain), False
    return import_module("upstile.client" if plain == "httpx" else "upstile.client.httpx2"), True


def _deployment_of(server: Any) -> Any:
    from upstile.server import ConfigurationError
    from upstile.server._step_up import StepUpVerbs
    from upstile.server.deployment._help_desk import deployment_of

    if not isinstance(server, StepUpVerbs):
        kind = type(server).__name__
        raise ConfigurationError(f"the fixture upstile_server must return your StepUp object, not a {kind}")
    return deployment_of(server)
