"""What the resource server says at its edges: the end of the road, raw paths, caches, browsers, broken storage."""

import sqlite3
from contextlib import closing
from pathlib import Path
from secrets import token_urlsafe
from time import monotonic
from typing import Annotated

import httpx
import jwt
import pytest
from fastapi import Depends

from support.own_app import BANK_CLI, own_app
from support.wire_driver import URL, WireApp, bank_app, enrolled_app, error_of, problem_of
from upstile.protocol import es256_jwk, token_hash
from upstile.server import App, Authentication

pytestmark = pytest.mark.anyio
ORDER = {"to": "ACME", "amount": "50.00"}


async def test_what_the_issuer_does_not_offer_ends_the_road_without_a_challenge(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:

        @app.api.get("/vault")
        async def vault(auth: Annotated[Authentication, Depends(app.server.require())]) -> None:
            auth.require(acr="phrh", max_age=300, reason="Confirm with a hardware key")

        await app.sign_in()
        reply = await app.call("GET", "/vault")
        assert (reply.status_code, problem_of(reply)) == (403, "acr-not-offered")
        assert "www-authenticate" not in reply.headers
        body = reply.json()
        assert body.pop("title")
        assert body.pop("hint")
        assert body.pop("instance").startswith("urn:uuid:")
        assert body == {
            "type": "urn:upstile:problem:acr-not-offered",
            "status": 403,
            "detail": "Confirm with a hardware key",
            "acr_values": ["phrh"],
            "max_age": 300,
        }


async def test_no_problem_document_is_kept_by_a_cache(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        replies = [
            await app.call("POST", "/transfers", token="", json=ORDER),
            await app.call("POST", "/transfers", token="nonsense", json=ORDER),
            await app.call("POST", "/transfers", json=ORDER),
            await app.call("POST", "/stepup/authenticators", json=[]),
            await app.call("POST", "/stepup/authenticators/none/verify", json={"otp": "1"}),
        ]
        assert [reply.status_code for reply in replies] == [401, 401, 401, 400, 404]
        for reply in replies:
            assert (problem_of(reply), reply.headers["cache-control"]) == (problem_of(reply), "no-store")


async def test_a_proof_is_for_the_path_as_it_came_over_the_wire(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:

        @app.api.get("/files/{name:path}", dependencies=[Depends(app.server.require())])
        async def file(name: str) -> str:
            return name

        await app.sign_in()
        for path, other in (("/files/a%2Fb", "/files/a/b"), ("/files/a/b", "/files/a%2Fb")):
            assert (await app.call("GET", path)).json() == "a/b"
            proof = app.proof("GET", other, app.token)
            headers = {"Authorization": f"DPoP {app.token}", "DPoP": proof}
            refused = await app.http.get(path, headers=headers)
            assert (refused.status_code, error_of(refused)) == (401, "invalid_dpop_proof")


async def test_what_stands_before_the_application_may_normalise_a_path(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:

        @app.api.get("/files/{name:path}", dependencies=[Depends(app.server.require())])
        async def file(name: str) -> str:
            return name

        await app.sign_in()
        for path, htu, status in (
            ("/files/a~b", "/files/a%7Eb", 200),
            ("/files/a%7eb", "/files/a~b", 200),
            ("/files/a%3ab", "/files/a%3Ab", 200),
            ("/files/a:b", "/files/a%3Ab", 401),
            ("/files/a%2F..%2Fb", "/files/b", 401),
            ("/files/%2E%2E/b", "/b", 401),
            ("/files/%2E%2E/b", "/files/%2E%2E/b", 401),
        ):
            proof = _raw_proof(app, f"{URL}{htu}")
            headers = {"Authorization": f"DPoP {app.token}", "DPoP": proof}
            assert (path, htu, (await app.http.get(path, headers=headers)).status_code) == (path, htu, status)


def _raw_proof(app: WireApp, htu: str) -> str:
    """A proof of a client that normalises nothing."""
    claims = {
        "jti": token_urlsafe(12),
        "htm": "GET",
        "htu": htu,
        "iat": app.clock() + 0.25,
        "ath": token_hash(app.token),
    }
    headers = {"typ": "dpop+jwt", "jwk": es256_jwk(app.key.public_key())}
    return jwt.encode(claims, app.key, "ES256", headers=headers)


async def test_an_app_that_names_a_development_server_by_its_number_is_told_its_name(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        for htu, told in (("http://127.0.0.1:8000/me", True), ("http://[::1]:8000/me", True), (f"{URL}/x", False)):
            proof = app.proof("GET", "/me", app.token, htu=htu)
            headers = {"Authorization": f"DPoP {app.token}", "DPoP": proof}
            reply = await app.http.get("/me", headers=headers)
            assert (reply.status_code, problem_of(reply)) == (401, "invalid-dpop-proof")
            assert ("http://localhost" in reply.json().get("detail", "")) is told
        app.url = "http://127.0.0.1:8000"
        started = await app.post("/stepup/challenge", app.start_form("v" * 43))
        assert "http://localhost" in started.json()["error_description"]


async def test_a_token_in_the_query_or_the_body_is_no_token(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        body = {"username": "ada", "password": "correct horse"}
        token = (await app.http.post("/login", json=body)).json()["access_token"]
        assert (await app.http.get("/balance", headers={"Authorization": f"Bearer {token}"})).status_code == 200
        for reply in (
            await app.http.get("/balance", params={"access_token": token}),
            await app.http.post("/transfers", data={"access_token": token}),
            await app.http.get("/stepup/authenticators", params={"access_token": token}),
        ):
            assert (reply.status_code, problem_of(reply)) == (401, "missing-token")


async def test_a_browser_of_another_origin_is_allowed_nothing(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        app.http.headers["origin"] = "https://evil.example"
        preflight = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,dpop"}
        replies = [
            *[await app.http.options(path, headers=preflight) for path in ("/transfers", "/stepup/challenge")],
            (await app.start()).reply,
            await app.call("POST", "/transfers", json=ORDER),
            await app.http.get("/.well-known/oauth-authorization-server"),
        ]
        assert [reply.status_code for reply in replies] == [405, 405, 403, 401, 200]
        assert not [name for reply in replies for name in reply.headers if name.startswith("access-control")]


async def test_a_token_for_one_call_that_lacks_a_scope_is_refused_and_not_used_up(tmp_path: Path) -> None:
    async with own_app(tmp_path, clients=[BANK_CLI, App("back-office", scopes="admin")]) as app:
        for path, scope in (("/admin", "admin"), ("/all", "payments")):
            guard = app.server.require(acr="mfa", max_age=0, scope=scope)
            app.api.delete(path, dependencies=[Depends(guard)])(_removed)
        await app.sign_in()
        await app.enroll_totp()
        token = await app.elevate(max_age="0")
        lacking = await app.call("DELETE", "/admin", token=token)
        assert (lacking.status_code, error_of(lacking)) == (403, "insufficient_scope")
        assert (await app.call("DELETE", "/all", token=token)).json() == "removed"


@pytest.mark.parametrize("reason", ["Confirm before the books are closed", None])
async def test_a_missing_scope_is_refused_with_the_words_of_the_apis_author(tmp_path: Path, reason: str | None) -> None:
    async with own_app(tmp_path, clients=[BANK_CLI, App("back-office", scopes="admin")]) as app:
        guard = app.server.require(acr="mfa", max_age=300, scope="admin", reason=reason)
        app.api.post("/admin", dependencies=[Depends(guard)])(_removed)
        await app.sign_in()
        await app.enroll_totp()
        reply = await app.call("POST", "/admin", token=await app.elevate())
        assert (reply.status_code, problem_of(reply)) == (403, "insufficient-scope")
        body = reply.json()
        assert body.get("detail") == reason
        assert ("detail" in body) is (reason is not None)
        assert not {"acr_values", "max_age"} & set(body)


async def test_a_token_that_cannot_be_used_up_serves_no_call(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(max_age="0")
        assert (await app.call("GET", "/balance")).status_code == 200
        _break_storage(tmp_path, "upstile_one_time")
        assert (await app.call("GET", "/balance")).status_code == 200  # so it is the using up that fails
        _assert_unavailable(await app.call("DELETE", "/account", token=token))


async def test_where_revocations_cannot_be_read_no_token_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        revocations = app.server._deployment.own.revocations
        _break_storage(tmp_path, "upstile_revocations")
        assert (await app.call("GET", "/me")).status_code == 200  # the last known list holds for ten seconds
        monkeypatch.setattr(revocations, "_elapsed", lambda: monotonic() + 11)
        _assert_unavailable(await app.call("GET", "/me"))


async def test_with_broken_storage_the_authorization_server_says_so_as_oauth_does(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        started = await app.start()
        _break_storage(tmp_path, "upstile_one_time")
        replies = [
            (await app.start()).reply,
            await app.answer(started, otp=app.code()),
            await app.redeem(started, "code"),
            await app.post("/stepup/revoke", {"token": app.token, "client_id": "bank-cli"}),
        ]
        for reply in replies:
            assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
            assert reply.headers["content-type"] == "application/json"
            assert reply.headers["cache-control"] == "no-store"


async def test_with_broken_storage_authenticators_are_neither_shown_nor_added_and_nobody_signs_in(
    tmp_path: Path,
) -> None:
    async with enrolled_app(tmp_path) as app:
        _break_storage(tmp_path, "upstile_authenticators")
        _assert_unavailable(await app.call("GET", "/stepup/authenticators"))
        wanted = {"method": "totp", "name": "phone"}
        _assert_unavailable(await app.call("POST", "/stepup/authenticators", json=wanted))
        _break_storage(tmp_path, "upstile_one_time")
        _assert_unavailable(await _signing_in(app))


def _break_storage(folder: Path, table: str) -> None:
    """What is left when somebody restores half a database."""
    with closing(sqlite3.connect(folder / "bank.db")) as connection:
        connection.execute(f"DROP TABLE {table}")


def _assert_unavailable(reply: httpx.Response) -> None:
    assert (reply.status_code, problem_of(reply)) == (503, "temporarily-unavailable")
    assert reply.headers["cache-control"] == "no-store"


async def _signing_in(app: WireApp) -> httpx.Response:
    body = {"username": "ada", "password": "correct horse"}
    return await app.http.post(f"{URL}/login", json=body, headers={"DPoP": app.proof("POST", "/login")})


async def _removed() -> str:
    return "removed"
