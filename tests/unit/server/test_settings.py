"""Mistakes in a deployment are named when it starts, not when somebody is waiting."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from upstile.server import App, ConfigurationError
from upstile.server.fastapi import StepUp
from upstile.server.issuers import JWTVerifier

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the server is built for."""
    return "asyncio"


def deployment(folder: Path, **changed: Any) -> StepUp:
    options: dict[str, Any] = {
        "url": "https://api.example.com",
        "storage": f"sqlite:///{folder / 'x.db'}",
        "clients": [App("cli", scopes="payments")],
        "secret_keys": [Fernet.generate_key()],
    }
    return StepUp.embedded(**{**options, **changed})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"url": "http://api.example.com"}, "must be https"),
        ({"url": "http://localhost:8000"}, "allow_insecure_loopback=True"),
        ({"url": "https://api.example.com/v1?x=1"}, "must be a base URL"),
        ({"url": "https://api.example.com/v1#x"}, "must be a base URL"),
        ({"url": "https://api.example.com/v1//x"}, "must be a base URL"),
        ({"url": "https://api.example.com//"}, "must be a base URL"),
        ({"url": "https://api.example.com/v%31"}, "must be a base URL"),
        ({"url": "https://api.example.com/a/../v1"}, "must be a base URL"),
        ({"url": "https://api.example.com/./v1"}, "must be a base URL"),
        ({"url": "https://api.example.com/v1;x"}, "must be a base URL"),
        ({"url": "https://api.example.com/v1\\x"}, "must be a base URL"),
        ({"url": "https://api.example.com/v1 x"}, "must be a base URL"),
        ({"url": "https://api.example.com/v1\n"}, "must be a base URL"),
        ({"url": "ftp://api.example.com"}, "must be https"),
        ({"url": "https://ada:pw@api.example.com"}, "must be a base URL"),
        ({"storage": "mysql://x"}, "is not known"),
        ({"name": "Bank\u202e"}, "something to see"),
        ({"name": "Bank\n"}, "something to see"),
        ({"name": " : "}, "something to see"),
        ({"name": "B" * 101}, "1 to 100 characters"),
        ({"sign_count": "ignore"}, "must be one of refuse, report"),
        ({"storage": "sqlite:///:memory:"}, "name one"),
        ({"url": "https://:pw@api.example.com"}, "must be a base URL"),
        ({"url": "https://api.example.com:port"}, "must be a base URL"),
        ({"url": "https://api.example.com:99999"}, "must be a base URL"),
        ({"url": "https://exa mple.com"}, "must be a base URL"),
        ({"url": "https://api.example.com\\\\evil"}, "must be a base URL"),
        ({"url": "https://api.example.com\n"}, "must be a base URL"),
        ({"url": "https://API.example.com"}, "in lower case"),
        ({"url": "https://bänk.example"}, "must be a base URL"),
        ({"url": "https://[:::]"}, "must be a base URL"),
        ({"url": "https://a..b"}, "must be a base URL"),
        ({"url": "https://api.example.com:0"}, "must be a base URL"),
        ({"webauthn_origins": ["ftp://api.example.com"]}, "must look like"),
        ({"url": "http://127.0.0.1:8000", "allow_insecure_loopback": True}, "name this machine localhost"),
        ({"allow_insecure_loopback": True, "secret_keys": None}, "secret_keys is missing"),
        ({"dpop": "Required"}, "required, optional"),
        ({"dpop": True}, "required, optional"),
        ({"replay": "cluster"}, "node, shared"),
        ({"max_revocation_age": 0}, "more than 0"),
        ({"max_revocation_age": float("nan")}, "more than 0"),
        ({"max_revocation_age": True}, "more than 0"),
        ({"clients": []}, "clients takes"),
        ({"clients": ["cli"]}, "clients takes"),
        ({"clients": App("cli")}, "clients takes"),
        ({"clients": [App("cli"), App("cli", scopes={"x"})]}, "same client_id"),
        ({"secret_keys": None}, "UPSTILE_SECRET_KEYS"),
        ({"secret_keys": ["short"]}, "base64url"),
        ({"rp_id": "other.example"}, "does not belong to rp_id"),
        ({"webauthn_origins": ["https://evil.example"]}, "does not belong to rp_id"),
        ({"webauthn_origins": ["https://evilapi.example.com"]}, "does not belong to rp_id"),
        ({"webauthn_origins": ["http://app.api.example.com"]}, "must look like"),
        ({"webauthn_origins": ["https://app.api.example.com/"]}, "must look like"),
    ],
)
def test_a_mistaken_deployment_is_named_at_start_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], sentence: str
) -> None:
    monkeypatch.delenv("UPSTILE_SECRET_KEYS", raising=False)
    with pytest.raises(ConfigurationError, match=sentence):
        deployment(tmp_path, **changed)


def test_an_api_without_an_authorization_server_may_name_this_machine_by_its_number() -> None:
    def at(url: str, *, loopback: bool = True) -> StepUp:
        issuer = JWTVerifier(issuer="https://issuer.example.com")
        return StepUp(url=url, verifier=issuer, allow_insecure_loopback=loopback)

    assert at("http://127.0.0.1:8000/")._deployment.url == "http://127.0.0.1:8000"
    with pytest.raises(ConfigurationError, match="needs allow_insecure_loopback=True"):
        at("http://127.0.0.1:8000", loopback=False)
    for elsewhere in ("http://127.0.0.2:8000", "http://127.0.0.1.example.com", "http://10.0.0.1:8000"):
        with pytest.raises(ConfigurationError, match="must be https: tokens"):
            at(elsewhere)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"acr": "gold"}, "can never be reached"),
        ({"scope": "paymnts"}, "none of the clients"),
        ({"acr": []}, "empty"),
    ],
)
def test_a_requirement_that_could_never_be_met_is_named_at_start_up(
    tmp_path: Path, asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        deployment(tmp_path).require(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"acr_values": "mfa"},
        {"max_age": "300"},
        {"max_age": True},
        {"max_age": 0.5},
        {"acr": 5},
        {"acr": [5]},
        {"scope": None},
        {"reason": 5},
    ],
)
def test_a_requirement_of_the_wrong_type_is_named_with_its_member(tmp_path: Path, asked: dict[str, Any]) -> None:
    declare: Callable[..., Any] = deployment(tmp_path).require
    with pytest.raises((TypeError, ValueError), match=next(iter(asked))):
        declare(**asked)


@pytest.mark.parametrize("amr", ["pwd", ["password"], ["pwd", 5]])
async def test_what_a_sign_in_checked_is_said_in_registered_words(tmp_path: Path, amr: Any) -> None:
    server = deployment(tmp_path)
    with pytest.raises(ConfigurationError, match="RFC 8176"):
        await server.start_session("ada", amr=amr)
    await server._deployment.aclose()


@pytest.mark.parametrize("subject", ["", 7, None])
async def test_a_session_is_somebodys(tmp_path: Path, subject: Any) -> None:
    server = deployment(tmp_path)
    with pytest.raises(ConfigurationError, match="subject"):
        await server.start_session(subject, amr=["pwd"])
    await server._deployment.aclose()


def test_a_name_may_have_any_letters(tmp_path: Path) -> None:
    line = deployment(tmp_path, name="Bänk 銀行")._deployment.guard.refusals.missing_token().response.headers[0][1]
    assert line.startswith('Bearer realm="api.example.com"')


def test_a_deployment_that_is_only_declared_opens_nothing(tmp_path: Path) -> None:
    deployment(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_the_state_is_its_owners_alone_to_read(tmp_path: Path) -> None:
    server = deployment(tmp_path)
    await server.start_session("ada", amr=["pwd"])
    await server._deployment.aclose()
    assert (tmp_path / "x.db").stat().st_mode & 0o777 == 0o600


def test_an_origin_has_one_spelling(tmp_path: Path) -> None:
    assert deployment(tmp_path, url="https://api.example.com:443/")._deployment.own.issuer.identifier == (
        "https://api.example.com"
    )
