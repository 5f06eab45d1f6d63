"""The order of judgement at the resource server (upstile profile §1)."""

from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from support.tokens import minted_with
from support.wire_driver import URL, bank_app, enrolled_app, error_of, new_key, problem_of
from upstile.protocol import parse_challenges

pytestmark = pytest.mark.anyio
ORDER = {"to": "ACME", "amount": "50.00"}


@pytest.mark.requirement("rfc6750-3-no-error")
async def test_no_token_reveals_nothing_but_the_schemes(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        reply = await app.call("POST", "/transfers", token="", json=ORDER)
        challenges = [parse_challenges(line) for line in reply.headers.get_list("www-authenticate")]
        assert reply.status_code == 401
        assert [[c.scheme for c in line] for line in challenges] == [["bearer"], ["dpop"]]
        assert all("error" not in c.params and "acr_values" not in c.params for line in challenges for c in line)
        assert problem_of(reply) == "missing-token"
        assert "acr_values" not in reply.json()


@pytest.mark.parametrize("authorization", ["Basic YWRhOng=", "Bearer", "Bearer ", "DPoP  "])
async def test_another_scheme_or_an_empty_token_counts_as_no_token(tmp_path: Path, authorization: str) -> None:
    async with bank_app(tmp_path) as app:
        reply = await app.http.get("/balance", headers={"Authorization": authorization})
        assert (reply.status_code, problem_of(reply)) == (401, "missing-token")


@pytest.mark.requirement("rfc9470-3-challenge")
async def test_a_weak_token_is_challenged_in_its_own_scheme(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        reply = await app.call("POST", "/transfers", json=ORDER)
        (line,) = reply.headers.get_list("www-authenticate")
        assert "max_age=300" in line
        (challenge,) = parse_challenges(line)
        assert challenge.scheme == "dpop"
        assert dict(challenge.params) == {
            "error": "insufficient_user_authentication",
            "acr_values": "mfa",
            "max_age": "300",
            "resource_metadata": f"{URL}/.well-known/oauth-protected-resource",
            "algs": "ES256",
        }
        assert reply.json()["detail"] == "Confirm this transfer"
        assert reply.json()["acr_values"] == ["mfa"]


async def test_the_correlation_id_of_a_refusal_is_in_the_audit_log_with_user_and_app_and_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="upstile.server.audit")
    async with bank_app(tmp_path) as app:
        token = await app.sign_in()
        refused = await app.call("POST", "/transfers", json=ORDER)
        anonymous = await app.call("POST", "/transfers", token="", json=ORDER)
    lines = [record.getMessage().partition(" route=")[0] for record in caplog.records]
    assert lines[-2:] == [
        f'challenged outcome="unknown" subject="ada" client_id="bank-cli" instance="{refused.json()["instance"]}"',
        f'call-refused outcome="failure" instance="{anonymous.json()["instance"]}"',
    ]
    assert token not in caplog.text


async def test_two_authorization_headers_are_a_bad_request(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        token = await app.sign_in()
        headers = [("Authorization", f"DPoP {token}"), ("Authorization", "Bearer x")]
        reply = await app.http.get("/balance", headers=headers)
        assert (reply.status_code, problem_of(reply)) == (400, "invalid-request")


@pytest.mark.requirement("rfc9449-7.1-scheme")
async def test_a_bound_token_as_bearer_is_invalid(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        token = await app.sign_in()
        reply = await app.http.get("/balance", headers={"Authorization": f"Bearer {token}"})
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")


async def test_an_unbound_token_as_dpop_is_invalid(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        body = {"username": "ada", "password": "correct horse"}
        token = (await app.http.post("/login", json=body)).json()["access_token"]
        assert (await app.http.get("/balance", headers={"Authorization": f"Bearer {token}"})).status_code == 200
        reply = await app.call("GET", "/balance", token=token)
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")


async def test_a_sound_proof_by_another_key_is_an_invalid_token(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        token = await app.sign_in()
        app.key = new_key()
        reply = await app.call("GET", "/balance", token=token)
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")


@pytest.mark.parametrize(
    "changed",
    [
        {"htm": "POST"},
        {"htu": f"{URL}/transfers"},
        {"htu": "http://evil.example/balance"},
        {"now": 0},
        {"access_token": "another token"},
        {"access_token": None},
    ],
    ids=["method", "path", "host", "time", "hash of another token", "no hash"],
)
async def test_a_faulty_proof_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    async with bank_app(tmp_path) as app:
        token = await app.sign_in()
        proof = app.proof("GET", "/balance", token, **changed)
        reply = await app.http.get("/balance", headers={"Authorization": f"DPoP {token}", "DPoP": proof})
        assert (reply.status_code, error_of(reply)) == (401, "invalid_dpop_proof")


@pytest.mark.requirement("rfc9449-11.1-replay")
async def test_a_proof_is_accepted_once(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        token = await app.sign_in()
        headers = {"Authorization": f"DPoP {token}", "DPoP": app.proof("GET", "/balance", token)}
        assert (await app.http.get("/balance", headers=headers)).status_code == 200
        reply = await app.http.get("/balance", headers=headers)
        assert (reply.status_code, error_of(reply)) == (401, "invalid_dpop_proof")


async def test_a_proof_is_compared_with_the_configured_url_not_with_host_or_forwarded_headers(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        token = await app.sign_in()
        proof = app.proof("GET", "/balance", token, htu="https://evil.example/balance")
        forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof, **forged}
        reply = await app.http.get("/balance", headers=headers)
        assert (reply.status_code, error_of(reply)) == (401, "invalid_dpop_proof")


async def test_two_proofs_or_none_are_refused(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        token = await app.sign_in()
        authorization = ("Authorization", f"DPoP {token}")
        proofs = [("DPoP", app.proof("GET", "/balance", token)) for _ in range(2)]
        for headers in ([authorization], [authorization, *proofs]):
            reply = await app.http.get("/balance", headers=headers)
            assert (reply.status_code, error_of(reply)) == (401, "invalid_dpop_proof")


async def test_forged_tokens_are_invalid_before_any_requirement_shows(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        claims = jwt.decode(await app.sign_in(), options={"verify_signature": False})
        headers = {"typ": "at+jwt", "kid": jwt.get_unverified_header(app.token)["kid"]}
        stronger = {**claims, "acr": "phr"}
        forged = {
            "alg none": jwt.encode(stronger, "", "none", headers=headers),
            "swapped key": jwt.encode(stronger, new_key(), "ES256", headers=headers),
            "public key as secret": jwt.encode(stronger, _public_pem_secret(new_key()), "HS256", headers=headers),
            "tampered": _with_payload_of(app.token, jwt.encode(stronger, new_key(), "ES256", headers=headers)),
        }
        for how, token in forged.items():
            reply = await app.call("PUT", "/payout-address", token=token, json={"address": "x"})
            assert (how, reply.status_code, error_of(reply)) == (how, 401, "invalid_token")
            assert "acr_values" not in reply.text


async def test_a_token_for_another_audience_is_invalid(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        app.token = await minted_with(app, tmp_path, aud="https://other.example")
        reply = await app.call("GET", "/balance")
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")


async def test_an_expired_token_is_invalid_even_if_it_was_seen_before(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        assert (await app.call("GET", "/balance")).status_code == 200
        app.clock.now += 12 * 3600
        reply = await app.call("GET", "/balance")
        assert (reply.status_code, error_of(reply)) == (401, "invalid_token")


async def test_freshness_is_measured_for_each_route(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(max_age="3600")
        app.clock.now += 301
        strict = await app.call("POST", "/transfers", token=token, json=ORDER)
        lax = await app.call("GET", "/balance", token=token)
        again = await app.call("POST", "/transfers", token=token, json=ORDER)
        assert [strict.status_code, lax.status_code, again.status_code] == [401, 200, 401]


@pytest.mark.requirement("rfc6750-3.1-scope")
async def test_only_a_missing_scope_is_403(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        app.token = await minted_with(app, tmp_path, scope="", acr="mfa", auth_time=int(app.clock()))
        reply = await app.call("POST", "/transfers", json=ORDER)
        assert (reply.status_code, error_of(reply)) == (403, "insufficient_scope")


async def test_a_missing_scope_rides_on_the_step_up_challenge(tmp_path: Path) -> None:
    async with enrolled_app(tmp_path) as app:
        app.token = await minted_with(app, tmp_path, scope="")
        reply = await app.call("POST", "/transfers", json=ORDER)
        (challenge,) = parse_challenges(reply.headers["www-authenticate"])
        assert reply.status_code == 401
        assert challenge.params["error"] == "insufficient_user_authentication"
        assert challenge.params["scope"] == "payments"


def _public_pem_secret(key: ec.EllipticCurvePrivateKey) -> bytes:
    return urlsafe_b64encode(key.public_key().public_numbers().x.to_bytes(32, "big"))


def _with_payload_of(signed: str, other: str) -> str:
    header, _, signature = signed.split(".")
    return ".".join((header, other.split(".")[1], signature))
