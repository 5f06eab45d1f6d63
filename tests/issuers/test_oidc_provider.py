"""Tokens of a live oidc-provider, signed and opaque, bound and not: somebody signs in, and calls an API."""

import re
from collections.abc import Generator
from time import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from support.external_api import external_api, told
from support.oidc_provider import oidc_provider
from upstile.protocol import code_challenge, create_proof
from upstile.server.issuers import IntrospectionVerifier, JWTVerifier

pytestmark = pytest.mark.anyio
API = "https://api.example.com"
VERIFIER = "v" * 43
BACK = "http://127.0.0.1:9/callback"
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def signing() -> Generator[str]:
    """One whose access tokens are JWTs, and that wants nonces in proofs."""
    with oidc_provider(nonces=True) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def opaque() -> Generator[str]:
    """One whose access tokens say nothing."""
    with oidc_provider(format="opaque") as issuer:
        yield issuer


def signed_in(issuer: str, *, bound: bool = False, **asked: str) -> dict[str, Any]:
    """The token response after a sign-in with two factors."""
    metadata = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
    common = {"client_id": "cli", "redirect_uri": BACK}
    challenge = {"code_challenge": code_challenge(VERIFIER), "code_challenge_method": "S256"}
    wanted = {
        "response_type": "code",
        "scope": "openid transfers",
        "resource": API,
        "acr_values": "mfa",
        "max_age": "0",
    }
    query = urlencode({**common, **challenge, **wanted, **asked})
    code = parse_qs(urlsplit(ended_at(f"{metadata['authorization_endpoint']}?{query}")).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "resource": API}
    return redeemed(metadata["token_endpoint"], {**common, **form}, bound=bound)


def ended_at(url: str) -> str:
    """Where a browser is sent to after the login page was filled in."""
    with httpx.Client() as browser:
        reply = browser.get(url)
        for _ in range(10):
            if not reply.has_redirect_location:
                page = re.search(r'action="([^"]+)"', reply.text)
                assert page is not None, reply.text
                form = {"name": "ada", "code": "123456", "do": "login"}
                reply = browser.post(urljoin(str(reply.url), page[1]), data=form)
                continue
            url = urljoin(str(reply.url), reply.headers["location"])
            if url.startswith(BACK):
                return url
            reply = browser.get(url)
    raise AssertionError("the login page repeats for ever")


def redeemed(url: str, form: dict[str, str], *, bound: bool) -> dict[str, Any]:
    """What the token endpoint gives; where it wants a nonce it gets it."""
    headers = {"DPoP": proof("POST", url)} if bound else {}
    reply = httpx.post(url, data=form, headers=headers)
    if bound and reply.json().get("error") == "use_dpop_nonce":
        again = {"DPoP": proof("POST", url, nonce=reply.headers["dpop-nonce"])}
        reply = httpx.post(url, data=form, headers=again)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def proof(method: str, url: str, **claims: Any) -> str:
    return create_proof(KEY, htm=method, htu=url, now=time(), jti=str(time()), **claims)


async def test_a_signed_token_is_judged_by_the_keys_of_its_issuer(signing: str) -> None:
    answer = signed_in(signing)
    async with external_api(JWTVerifier(issuer=signing, audience=API), clock=time) as api:
        assert (await api.call(answer["access_token"], "/recent")).json() == {
            "sub": "ada",
            "app": "cli",
            "iss": signing,
            "acr": ["mfa"],
        }
        assert told(await api.call(answer["id_token"])) == (401, "invalid_token")


async def test_a_bound_token_that_took_a_nonce_needs_the_proof_of_its_key(signing: str) -> None:
    answer = signed_in(signing, bound=True)
    token = answer["access_token"]
    assert answer["token_type"] == "DPoP"
    async with external_api(JWTVerifier(issuer=signing, audience=API), clock=time) as api:
        assert told(await api.call(token, "/mfa")) == (401, "invalid_token")
        shown = proof("GET", f"{API}/mfa", access_token=token)
        assert told(await api.call(token, "/mfa", "DPoP", DPoP=shown)) == (200, "")


async def test_trap_a_signed_token_that_the_issuer_does_not_want_to_be_asked_about(signing: str) -> None:
    """It answers 400, which is no reason to call it away."""
    token = signed_in(signing)["access_token"]
    verifier = IntrospectionVerifier(issuer=signing, client_id="the api", client_secret="a secret: %", audience=API)
    async with external_api(verifier, clock=time) as api:
        for text in (token, "made up", token):
            reply = await api.call(text)
            assert told(reply) == (401, "invalid_token")
            assert ("refuses to be asked about it (400)" in reply.headers["www-authenticate"]) is (text == token)


async def test_what_is_not_offered_is_an_error_at_the_start(signing: str) -> None:
    verifier = JWTVerifier(issuer=signing, audience=API)
    with pytest.raises(Exception, match="this server offers pwd, mfa, phr"):
        async with external_api(verifier, guards={"/gold": {"acr": "gold"}}):
            pass


@pytest.mark.parametrize("bound", [False, True])
async def test_an_opaque_token_is_asked_about(opaque: str, bound: bool) -> None:
    answer = signed_in(opaque, bound=bound)
    token = answer["access_token"]
    assert "." not in token
    verifier = IntrospectionVerifier(
        issuer=opaque, client_id="the api", client_secret="a secret: %", audience=(API, f"{API}/")
    )
    async with external_api(verifier, clock=time) as api:
        headers = {"DPoP": proof("GET", f"{API}/recent", access_token=token)} if bound else {}
        reply = await api.call(token, "/recent", "DPoP" if bound else "Bearer", **headers)
        assert reply.json() == {"sub": "ada", "app": "cli", "iss": opaque, "acr": ["mfa"]}
        assert told(await api.call("made up")) == (401, "invalid_token")


async def test_a_refreshed_opaque_token_is_no_second_proof_and_a_refresh_token_no_access_token(
    opaque: str, tmp_path: Any
) -> None:
    answer = signed_in(opaque, scope="openid offline_access transfers", prompt="consent")
    endpoint = httpx.get(f"{opaque}/.well-known/openid-configuration").json()["token_endpoint"]
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "client_id": "cli"}
    refreshed = redeemed(endpoint, {**form, "resource": API}, bound=False)
    verifier = IntrospectionVerifier(
        issuer=opaque, client_id="the api", client_secret="a secret: %", audience=(API, f"{API}/")
    )
    once, storage = {"/once": {"max_age": 0, "acr": "mfa"}}, f"sqlite:///{tmp_path / 'api.db'}"
    async with external_api(verifier, clock=time, guards=once, storage=storage) as api:
        assert told(await api.call(answer["access_token"], "/once")) == (200, "")
        again = await api.call(refreshed["access_token"], "/once")
        assert (told(again)[0], again.json()["type"]) == (401, "urn:upstile:problem:token-used")
        assert told(await api.call(refreshed["refresh_token"])) == (401, "invalid_token")
