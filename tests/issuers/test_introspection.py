"""Tokens that their issuer is asked about (RFC 7662), over real sockets."""

import asyncio
import json
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support.external_api import external_api, told
from support.issuer_server import NOW, URL, IssuerServer, key_of
from upstile.protocol import create_proof, es256_jwk, jwk_thumbprint
from upstile.server import ConfigurationError, IssuerUnavailable
from upstile.server.issuers import IntrospectionVerifier, _introspected, keycloak

pytestmark = pytest.mark.anyio
KEYCLOAK: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors/issuers/keycloak_introspection.json").read_text()
)
ACTIVE = {"active": True, "sub": "ada", "client_id": "cli", "aud": URL, "token_type": "Bearer", "exp": NOW + 300}
MFA = {**ACTIVE, "acr": "mfa", "auth_time": NOW, "iat": NOW}


class Clock:
    """A clock that a test moves."""

    now = float(NOW)

    def __call__(self) -> float:
        return self.now


def verifier(issuer: IssuerServer, **options: Any) -> IntrospectionVerifier:
    credentials = {} if "private_key" in options else {"client_secret": "a secret: %"}
    return IntrospectionVerifier(**{"issuer": issuer.url, "client_id": "the api", **credentials, **options})


def answering(issuer: IssuerServer, **members: Any) -> None:
    found = {name: value for name, value in {**MFA, **members}.items() if value is not None}
    issuer.introspect = lambda form: found


async def test_an_opaque_token_is_what_its_issuer_says(issuer: IssuerServer) -> None:
    answering(issuer)
    async with external_api(verifier(issuer)) as api:
        reply = await api.call("opaque", "/recent")
        assert reply.json() == {"sub": "ada", "app": "cli", "iss": issuer.url, "acr": ["mfa"]}
        (asked,) = issuer.forms
        basic = b64decode(asked.pop("authorization").removeprefix("Basic ")).decode()
        assert basic == "the+api:a+secret%3A+%25"
        assert asked == {"token": "opaque", "token_type_hint": "access_token"}


async def test_a_secret_may_be_posted(issuer: IssuerServer) -> None:
    answering(issuer)
    async with external_api(verifier(issuer, method="client_secret_post")) as api:
        assert told(await api.call("opaque")) == (200, "")
        (asked,) = issuer.forms
        assert (asked["client_id"], asked["client_secret"]) == ("the api", "a secret: %")
        assert not asked["authorization"]


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "RS256"])
async def test_a_key_may_prove_who_asks(issuer: IssuerServer, alg: str) -> None:
    answering(issuer)
    key = key_of("client", alg)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    async with external_api(verifier(issuer, private_key=pem, kid="c1", remembered_for=0)) as api:
        for token in ("one", "two"):
            assert told(await api.call(token)) == (200, "")
    options: Any = {"verify_exp": False, "verify_iat": False}
    assertions = [form["client_assertion"] for form in issuer.forms]
    claims = [
        jwt.decode(text, key.public_key(), [alg], audience=issuer.url, issuer="the api", options=options)
        for text in assertions
    ]
    assert {jwt.get_unverified_header(text)["kid"] for text in assertions} == {"c1"}
    assert len({each["jti"] for each in claims}) == 2
    assert {(each["sub"], each["exp"]) for each in claims} == {("the api", NOW + 60)}
    assert issuer.forms[0]["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def test_an_answer_is_good_for_a_while_and_never_longer_than_the_token(issuer: IssuerServer) -> None:
    clock = Clock()
    answering(issuer, exp=NOW + 40)
    async with external_api(verifier(issuer), clock=clock) as api:
        for seconds, asked in [(0, 1), (29, 1), (31, 2), (39, 2)]:
            clock.now = NOW + seconds
            assert told(await api.call("opaque", "/mfa")) == (200, "")
            assert len(issuer.forms) == asked
        clock.now = NOW + 40
        assert told(await api.call("opaque")) == (401, "invalid_token")


async def test_a_revoked_token_ends_with_the_answer_that_is_remembered(issuer: IssuerServer) -> None:
    clock = Clock()
    answering(issuer)
    async with external_api(verifier(issuer, remembered_for=5), clock=clock) as api:
        assert told(await api.call("opaque")) == (200, "")
        issuer.introspect = lambda form: {"active": False}
        clock.now = NOW + 6
        assert told(await api.call("opaque")) == (401, "invalid_token")


async def test_what_is_not_active_is_explained_and_asked_about_again_after_a_second(issuer: IssuerServer) -> None:
    clock = Clock()
    async with external_api(verifier(issuer), clock=clock) as api:
        for _ in range(3):
            reply = await api.call("opaque")
            assert told(reply) == (401, "invalid_token")
            assert "is this API's client in the audience of the token?" in reply.headers["www-authenticate"]
        assert len(issuer.forms) == 1
        clock.now = NOW + 1.1
        answering(issuer)
        assert told(await api.call("opaque")) == (200, "")


@pytest.mark.parametrize(
    "members",
    [
        {"aud": None},
        {"aud": "https://other.example"},
        {"iss": "https://other.example"},
        {"token_type": None},
        {"token_type": "refresh_token"},
        {"token_type": "N_A"},
        {"token_type": "DPoP"},
        {"cnf": {"x5t#S256": "x"}},
        {"exp": NOW},
        {"exp": "soon"},
        {"nbf": NOW + 10},
        {"sub": None},
        {"client_id": None},
        {"acr": 2},
    ],
    ids=str,
)
async def test_an_answer_about_something_else_than_a_token_for_this_api_is_refused(
    issuer: IssuerServer, members: dict[str, Any]
) -> None:
    answering(issuer, **members)
    async with external_api(verifier(issuer)) as api:
        assert told(await api.call("opaque")) == (401, "invalid_token")


async def test_a_token_without_an_audience_is_taken_only_where_that_was_said(issuer: IssuerServer) -> None:
    answering(issuer, aud=None)
    async with external_api(verifier(issuer, any_audience=True)) as api:
        assert told(await api.call("opaque")) == (200, "")
        answering(issuer, aud="https://other.example")
        assert told(await api.call("another")) == (401, "invalid_token")


async def test_sixty_four_calls_with_one_token_ask_once(issuer: IssuerServer) -> None:
    answering(issuer)
    async with external_api(verifier(issuer)) as api:
        replies = await asyncio.gather(*(api.call("opaque") for _ in range(64)))
        assert {reply.status_code for reply in replies} == {200}
        assert len(issuer.forms) == 1


async def test_while_the_issuer_is_away_nobody_waits_in_line(
    issuer: IssuerServer, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    answering(issuer)
    async with external_api(verifier(issuer), clock=clock) as api:
        assert told(await api.call("known")) == (200, "")
        issuer.stop()
        began = time.monotonic()
        replies = await asyncio.gather(*(api.call(f"new {number}") for number in range(64)), api.call("known"))
        assert time.monotonic() - began < 1
        assert [reply.status_code for reply in replies] == [503] * 64 + [200]
        issuer.start()
        clock.now = NOW + 1.5
        assert told(await api.call("new 1")) == (200, "")
    said = [record.message for record in caplog.records if record.name == "upstile.server"]
    assert len(said) == 2
    assert "a secret" not in caplog.text
    assert "new 1" not in caplog.text


async def test_a_flood_of_made_up_tokens_is_bounded_and_no_reason_to_call_the_issuer_away(
    issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_introspected, "MOST_ASKED", 8)
    async with external_api(verifier(issuer)) as api:
        replies = await asyncio.gather(*(api.call(f"made up {number}") for number in range(40)))
        assert {reply.status_code for reply in replies} == {401, 503}
        assert len(issuer.forms) == 8
        answering(issuer)
        assert told(await api.call("good")) == (200, "")


@pytest.mark.parametrize("mood", ["500", "no JSON", "3 MB", "redirects", "packed"])
async def test_an_answer_that_is_none_is_503(issuer: IssuerServer, mood: Any) -> None:
    async with external_api(verifier(issuer)) as api:
        issuer.mood = mood
        assert told(await api.call("opaque")) == (503, "temporarily-unavailable")


@pytest.mark.parametrize("entry", KEYCLOAK, ids=lambda entry: entry["name"])
async def test_what_keycloak_answered_is_read(issuer: IssuerServer, entry: dict[str, Any]) -> None:
    body = entry["body"]
    issuer.introspect = lambda form: {**body, "iss": issuer.url} if body["active"] else body
    at = body.get("iat", NOW)
    audience = "https://api.example.test"
    options = {"profile": keycloak(), "audience": audience}
    async with external_api(verifier(issuer, **options), clock=lambda: at + 1) as api:
        reply = await api.call("token", "/recent")
        if not body["active"]:
            assert told(reply) == (401, "invalid_token")
        elif "cnf" in body:
            assert told(reply) == (401, "invalid_token")
            assert "bound to a key" in reply.headers["www-authenticate"]
        else:
            assert (reply.json()["acr"], reply.json()["app"]) == (["mfa"], body["client_id"])


async def test_a_refresh_token_of_keycloak_is_active_and_no_access_token(issuer: IssuerServer) -> None:
    answering(issuer, typ="Refresh", azp="cli", jti="j")
    async with external_api(verifier(issuer, profile=keycloak())) as api:
        assert "not an access token" in (await api.call("token")).headers["www-authenticate"]


async def test_an_opaque_token_that_is_bound_needs_its_proof(issuer: IssuerServer) -> None:
    key = key_of("app", "ES256")
    answering(issuer, token_type="DPoP", cnf={"jkt": jwk_thumbprint(es256_jwk(key.public_key()))})
    proof = create_proof(key, htm="GET", htu=f"{URL}/mfa", now=NOW, jti="p", access_token="opaque")
    async with external_api(verifier(issuer)) as api:
        assert told(await api.call("opaque", "/mfa")) == (401, "invalid_token")
        assert told(await api.call("opaque", "/mfa", "DPoP", DPoP=proof)) == (200, "")
        assert told(await api.call("opaque", "/mfa", "DPoP", DPoP=proof)) == (401, "invalid_dpop_proof")


async def test_the_secret_goes_to_the_issuers_own_host_alone(issuer: IssuerServer) -> None:
    issuer.metadata = {"introspection_endpoint": f"http://localhost:{issuer.port}/introspect"}
    with pytest.raises(ConfigurationError, match="would get the client's secret"):
        async with external_api(verifier(issuer)):
            pass
    answering(issuer)
    named = verifier(issuer, introspection_endpoint=f"http://localhost:{issuer.port}/introspect")
    async with external_api(named) as api:
        assert told(await api.call("opaque")) == (200, "")


async def test_an_issuer_that_is_away_at_the_start_is_an_error_or_waited_for(issuer: IssuerServer) -> None:
    answering(issuer)
    issuer.stop()
    with pytest.raises(IssuerUnavailable, match="lazy=True"):
        async with external_api(verifier(issuer)):
            pass
    clock = Clock()
    async with external_api(verifier(issuer, lazy=True), clock=clock) as api:
        assert told(await api.call("opaque")) == (503, "temporarily-unavailable")
        issuer.start()
        clock.now = NOW + 2
        assert told(await api.call("opaque")) == (200, "")


@pytest.mark.parametrize(
    "options",
    [
        {"client_secret": None},
        {"client_secret": ""},
        {"client_secret": "s", "private_key": "x"},
        {"private_key": "no PEM"},
        {"remembered_for": -1},
        {"remembered_for": 301},
        {"method": "none"},
        {"acr_values_supported": "mfa"},
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        IntrospectionVerifier(**{"issuer": "https://id.example", "client_id": "a", "client_secret": "s", **options})


def test_a_private_key_shows_nowhere() -> None:
    key = rsa.generate_private_key(65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    made = IntrospectionVerifier(issuer="https://id.example", client_id="a", private_key=pem)
    assert "PRIVATE" not in repr(made) + repr(vars(made))
    secret = IntrospectionVerifier(issuer="https://id.example", client_id="a", client_secret="a secret")
    assert "a secret" not in repr(secret) + repr(vars(secret)) + repr(vars(secret)["_credentials"](0.0))
