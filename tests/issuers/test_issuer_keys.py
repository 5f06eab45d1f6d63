"""An issuer whose keys come and go, or that does not answer: over real sockets."""

import asyncio
from functools import partial
from typing import Any

import pytest

from support.external_api import external_api, told
from support.issuer_server import NOW, URL, IssuerServer, Mood, jwk_of
from upstile.server import ConfigurationError, IssuerUnavailable
from upstile.server.issuers import JWTVerifier, _http, _key_set

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr(_key_set, "RETRIED_AFTER", 0.1)


def verifier(issuer: IssuerServer, **options: Any) -> JWTVerifier:
    return JWTVerifier(issuer=issuer.url, **options)


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256", "PS256", "EdDSA"])
async def test_a_token_of_each_algorithm_is_verified_by_a_set_with_keys_that_cannot_be_used(
    issuer: IssuerServer, alg: str
) -> None:
    odd = [jwk_of("enc", "RS256", use="enc", alg="RSA-OAEP"), {"kty": "AKP", "kid": "x"}, {"kty": "oct", "k": "AA"}]
    issuer.keys = [*odd, jwk_of("of an issuer", alg)]
    async with external_api(verifier(issuer)) as api:
        assert told(await api.call(issuer.token("of an issuer", alg), "/recent")) == (200, "")
        assert told(await api.call(issuer.token("enc", "RS256"))) == (401, "invalid_token")


async def test_the_metadata_are_found_where_each_standard_puts_them(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer)):
        assert issuer.paths == [
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
            "/jwks",
        ]


async def test_a_new_key_is_looked_for_once_by_all_who_need_it(
    issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_key_set, "PATIENCE", 10)  # a machine may have much to do
    async with external_api(verifier(issuer)) as api:
        issuer.keys.append(jwk_of("new", "EdDSA"))
        token = issuer.token("new", "EdDSA")
        replies = await asyncio.gather(*(api.call(token) for _ in range(64)))
        assert {reply.status_code for reply in replies} == {200}
        assert issuer.looks == 2


async def test_a_thousand_unknown_keys_in_ten_seconds_are_two_requests(issuer: IssuerServer) -> None:
    issuer.keys.append(jwk_of("forger", "EdDSA"))
    async with external_api(verifier(issuer)) as api:
        keys, known = _source(api), issuer.token("forger", "EdDSA")
        now = keys._elapsed() + 2 * _key_set.WINDOW
        keys._elapsed = lambda: now  # however long the calls take here
        tokens = [issuer.token("forger", "EdDSA", header={"kid": f"unknown {number}"}) for number in range(1000)]
        for _ in range(2):
            before = len(issuer.paths)
            answers = {told(await api.call(token)) for token in tokens}
            assert len(issuer.paths) - before == 2
            assert answers == {(401, "invalid_token"), (503, "temporarily-unavailable")}
            assert told(await api.call(known)) == (200, "")  # who has a known key notices nothing
            assert told(await api.call(tokens[0])) == (401, "invalid_token")  # it was looked for: nobody asks again
            now += _key_set.WINDOW + 1


async def test_another_algorithm_of_a_known_key_is_no_reason_to_look(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer)) as api:
        for alg in ("EdDSA", "RS256"):
            forged = issuer.token("other", alg, header={"kid": "k"})
            assert told(await api.call(forged)) == (401, "invalid_token")
        assert issuer.looks == 1


async def test_a_key_that_leaves_the_set_ends_its_remembered_tokens_at_the_next_look(
    issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_key_set, "REFRESHED_AFTER", 0.2)
    monkeypatch.setattr(_key_set, "WINDOW", 0.2)
    issuer.keys.append(jwk_of("other", "EdDSA"))
    async with external_api(verifier(issuer)) as api:
        token, other = issuer.token(), issuer.token("other", "EdDSA")
        for _ in range(3):  # seen, remembered, judged from memory
            assert told(await api.call(token, "/mfa")) == (200, "")
        issuer.keys.pop(0)
        assert await _until(lambda: api.call(token, "/mfa"), 401)
        assert told(await api.call(other, "/mfa")) == (200, "")
        issuer.keys.clear()
        assert await _until(lambda: api.call(other, "/mfa"), 401)


async def test_the_same_keys_read_again_cost_no_remembered_token(issuer: IssuerServer) -> None:
    keys = _key_set.IssuerKeys("x", _async([jwk_of("k", "ES256")]))
    await keys.first()
    before = keys.current()
    keys._due = 0
    await asyncio.to_thread(keys.tick)
    assert keys.current() is before


@pytest.mark.parametrize("mood", ["hangs", "drips", "3 MB", "redirects", "500", "no JSON", "packed"])
async def test_an_issuer_that_does_not_answer_right_is_an_error_at_the_start(
    issuer: IssuerServer, mood: Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "TAKES", 0.3)
    issuer.mood = mood
    with pytest.raises(IssuerUnavailable, match=r"lazy=True"):
        async with external_api(verifier(issuer)):
            pass
    assert "/elsewhere" not in issuer.paths


async def test_metadata_of_another_issuer_are_an_error_whatever_the_start_waits_for(issuer: IssuerServer) -> None:
    issuer.metadata = {"issuer": f"{issuer.url}/"}
    for lazy in (False, True):
        with pytest.raises(ConfigurationError, match="which is not the same"):
            async with external_api(verifier(issuer, lazy=lazy)):
                pass


async def test_an_api_that_may_start_alone_answers_503_until_its_issuer_is_there(issuer: IssuerServer) -> None:
    token = issuer.token()
    issuer.stop()
    async with external_api(verifier(issuer, lazy=True)) as api:
        refused = await api.call(token)
        assert told(refused) == (503, "temporarily-unavailable")
        assert refused.headers["retry-after"] == "1"
        assert (await api.http.get("/stepup/health/ready")).status_code == 503
        assert (await api.http.get("/.well-known/oauth-protected-resource")).json()["authorization_servers"] == [
            issuer.url
        ]
        issuer.start()
        _forget_looks(api)
        assert await _until(lambda: api.call(token), 200)


async def test_a_dead_issuer_is_asked_again_without_any_call(
    issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_key_set, "REFRESHED_AFTER", 0.1)
    monkeypatch.setattr(_key_set, "WINDOW", 0.1)
    async with external_api(verifier(issuer)) as api:
        issuer.stop()
        issuer.keys = [jwk_of("new", "EdDSA")]
        await asyncio.sleep(0.3)
        issuer.start()
        for _ in range(100):
            if _source(api).current().has("new"):
                break
            await asyncio.sleep(0.05)
        assert _source(api).current().has("new")


async def test_a_process_that_was_forked_amid_a_look_looks_for_itself(issuer: IssuerServer) -> None:
    async with external_api(verifier(issuer)) as api:
        keys = _source(api)
        lock = keys._lock
        with lock:
            api.server._deployment.forked()  # as the hook does in the child, where nobody will ever release the lock
            issuer.keys.append(jwk_of("new", "EdDSA"))
            assert told(await api.call(issuer.token("new", "EdDSA"))) == (200, "")


async def test_leeway_is_for_clocks_and_has_a_bound(issuer: IssuerServer) -> None:
    token = issuer.token(exp=NOW + 10, nbf=NOW + 30)
    for leeway, at, status in [(60, 69, 200), (60, 70, 401), (0, 0, 401), (30, 0, 200)]:
        async with external_api(verifier(issuer, leeway=leeway), clock=partial(float, NOW + at)) as api:
            assert (await api.call(token)).status_code == status
    for wrong in (-1, 61, True):
        with pytest.raises(ConfigurationError, match="leeway"):
            verifier(issuer, leeway=wrong)


@pytest.mark.parametrize(
    "address",
    [
        "http://id.example.com",
        "ftp://id.example.com",
        "https://user@id.example.com",
        "https://id.example.com?x",
        "https://id.example.com#x",
        "https://",
        "id.example.com",
        "https://id.example.com /",
        "https://[::1",
    ],
)
def test_an_address_that_could_be_anybodys_is_refused(address: str) -> None:
    elsewhere = JWTVerifier(issuer="https://id.example.com", jwks_uri=address)
    for configured in (JWTVerifier(issuer=address), elsewhere):
        with pytest.raises(ConfigurationError, match="must be"):
            configured.opened(URL, allow_insecure_loopback=False)
    with pytest.raises(ConfigurationError, match="must be https"):
        JWTVerifier(issuer="http://localhost:1").opened(URL, allow_insecure_loopback=False)


async def test_keys_that_the_metadata_place_on_plain_http_elsewhere_are_refused(issuer: IssuerServer) -> None:
    issuer.metadata = {"jwks_uri": "http://evil.example/jwks"}
    with pytest.raises(ConfigurationError, match="must be https"):
        async with external_api(verifier(issuer)):
            pass


def _source(api: Any) -> _key_set.IssuerKeys:
    (external,) = api.server._deployment.external
    found: _key_set.IssuerKeys = external._key_set
    return found


def _forget_looks(api: Any) -> None:
    """Ten seconds later."""
    _source(api)._began.clear()


def _async(value: Any) -> Any:
    async def read() -> Any:
        return value

    return read


async def _until(call: Any, status: int) -> bool:
    for _ in range(100):
        if (await call()).status_code == status:
            return True
        await asyncio.sleep(0.05)
    return False
