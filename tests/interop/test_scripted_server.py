"""Our client against an API and authorization server that share no code with it, over real sockets."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event
from time import time
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.client import DefaultClientDataCollector, Fido2Client, UserInteraction
from fido2.webauthn import PublicKeyCredentialCreationOptions

from interop.scripted_server import Scripted, run
from upstile.client import (
    AsyncClient,
    CeremonyFailed,
    Client,
    OutcomeUnknown,
    Requirement,
    StepUpAuth,
    StepUpError,
    StepUpUnsatisfied,
    Totp,
    UntrustedChallenge,
    WebAuthn,
)
from upstile.client.testing import ScriptedPrompter, VirtualKey

WARM = [
    ("POST", "/transfers", 401),
    ("POST", "/challenge", 403),
    ("POST", "/challenge", 200),
    ("POST", "/token", 200),
    ("POST", "/transfers", 200),
]
ORDER = {"to": "ACME", "amount": "50.00"}


class Bench:
    """A scripted server, a person, and clients that were signed in."""

    def __init__(self, scripted: Scripted, url: str) -> None:
        self.scripted = scripted
        self.url = url
        self.key = VirtualKey(pin="1234")
        self.person = ScriptedPrompter(scripted.code_now, pin="1234")
        self.ahead = 0.0
        scripted.clock = self.clock

    def clock(self) -> float:
        """The time of both sides."""
        return time() + self.ahead

    def options(self, **changed: Any) -> dict[str, Any]:
        """The options of a client."""
        methods = [WebAuthn(lambda: [self.key]), Totp()]
        own = {"client_id": self.scripted.client_id, "prompter": self.person, "methods": methods}
        own |= {"clock": self.clock, "monotonic": self.clock}
        return {**own, **changed}

    @contextmanager
    def client(self, **changed: Any) -> Generator[Client]:
        """A client that is signed in."""
        with Client(self.url, **self.options(**changed)) as client:
            client.sign_in("/login", json={"username": self.scripted.username, "password": self.scripted.password})
            self.scripted.exchanges.clear()
            yield client

    def enroll_key(self) -> None:
        """Make the software key known to the server."""
        options = PublicKeyCredentialCreationOptions.from_dict(
            {
                "rp": {"id": "localhost", "name": "scripted"},
                "user": {"id": "YWRh", "name": "ada", "displayName": "ada"},
                "challenge": "AAAA",
                "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
                "authenticatorSelection": {"userVerification": "required"},
            }
        )
        made = Fido2Client(self.key, DefaultClientDataCollector(self.url), _Pin()).make_credential(options)
        credential = made.response.attestation_object.auth_data.credential_data
        assert credential is not None
        public = credential.public_key
        self.scripted.add_key(credential.credential_id, public[-2], public[-3])

    def statuses(self, path: str) -> list[int]:
        """How requests to a path were answered."""
        return [status for _, where, status in self.scripted.exchanges if where == path]


class _Pin(UserInteraction):
    def request_pin(self, permissions: Any, rp_id: str | None) -> str:
        return "1234"


@pytest.fixture
def bench() -> Generator[Bench]:
    scripted = Scripted()
    with run(scripted) as url:
        yield Bench(scripted, url)
        assert scripted.violations == []


def test_a_code_makes_the_challenged_call_succeed_in_seven_exchanges_then_five(bench: Bench) -> None:
    with bench.client() as client:
        assert client.post("/transfers", json=ORDER).status_code == 200
        cold = list(bench.scripted.exchanges)
        assert [exchange for exchange in cold if exchange[0] == "POST"] == WARM
        assert len(cold) == 7
        bench.ahead += 330
        bench.scripted.exchanges.clear()
        assert client.post("/transfers", json=ORDER).status_code == 200
        assert bench.scripted.exchanges == WARM
        assert len(bench.person.occasions) == 2


def test_asking_ahead_takes_four_exchanges_with_warm_metadata(bench: Bench) -> None:
    with bench.client() as client:
        client.post("/transfers", json=ORDER)
        bench.ahead += 330
        bench.scripted.exchanges.clear()
        asked = Requirement(acr="mfa", max_age=300)
        assert client.request("POST", "/transfers", json=ORDER, step_up=asked).status_code == 200
        assert bench.scripted.exchanges == WARM[1:]


def test_a_second_call_within_max_age_asks_nobody(bench: Bench) -> None:
    with bench.client() as client:
        client.post("/transfers", json=ORDER)
        bench.scripted.exchanges.clear()
        assert client.post("/transfers", json=ORDER).status_code == 200
        assert bench.scripted.exchanges == [("POST", "/transfers", 200)]


def test_a_security_key_signs_the_bound_challenge(bench: Bench) -> None:
    bench.enroll_key()
    with bench.client() as client:
        assert client.put("/payout-address", json={"address": "x"}).status_code == 200
        assert "Touch your security key now" in bench.person.labels


def test_a_call_for_itself_alone_has_a_ceremony_each_time(bench: Bench) -> None:
    with bench.client() as client:
        for _ in range(2):
            assert client.delete("/account").status_code == 200
            bench.ahead += 30
        assert len(bench.person.occasions) == 2
        assert bench.statuses("/account") == [401, 200, 401, 200]


def test_the_same_without_blocking(bench: Bench) -> None:
    bench.enroll_key()

    async def main() -> list[int]:
        async with AsyncClient(bench.url, **bench.options()) as client:
            await client.sign_in("/login", json={"username": "ada", "password": bench.scripted.password})
            replies = [
                await client.post("/transfers", json=ORDER),
                await client.put("/payout-address", json={"address": "x"}),
            ]
            return [reply.status_code for reply in replies]

    assert asyncio.run(main()) == [200, 200]


def test_an_httpx_client_that_exists_steps_up_as_well(bench: Bench) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with bench.client(dpop_key=key) as signed_in:
        token = signed_in.step_up_auth.session.tokens.current().base
        assert token is not None
    auth = StepUpAuth(bench.url, token=token, **bench.options(dpop_key=key))
    with httpx.Client(base_url=bench.url, auth=auth) as plain:
        assert plain.post("/transfers", json=ORDER).status_code == 200
    auth.close()


def test_a_wrong_code_is_asked_again(bench: Bench) -> None:
    bench.scripted.misbehave = "reject-first"
    with bench.client() as client:
        assert client.post("/transfers", json=ORDER).status_code == 200
        assert bench.person.attempts_left == [4]
        assert len(bench.person.occasions) == 1


def test_a_lost_reply_to_an_answer_costs_nothing(bench: Bench) -> None:
    bench.scripted.misbehave = "lost-answer"
    with bench.client() as client:
        assert client.post("/transfers", json=ORDER).status_code == 200
        assert bench.person.attempts_left == []
        assert len(bench.person.occasions) == 1


def test_a_lost_response_to_a_call_that_serves_once_is_an_unknown_outcome(bench: Bench) -> None:
    bench.scripted.misbehave = "lost-repeat"
    with bench.client() as client, pytest.raises(OutcomeUnknown) as caught:
        client.delete("/account")
    assert "carried out" in caught.value.diagnostics()
    assert bench.statuses("/account") == [401, 0]


def test_the_same_unknown_outcome_without_blocking(bench: Bench) -> None:
    bench.scripted.misbehave = "lost-repeat"

    async def main() -> None:
        async with AsyncClient(bench.url, **bench.options()) as client:
            await client.sign_in("/login", json={"username": "ada", "password": bench.scripted.password})
            await client.delete("/account")

    with pytest.raises(OutcomeUnknown):
        asyncio.run(main())


@pytest.mark.requirement("rfc9449-8-nonce")
def test_demanded_nonces_cost_one_exchange_each_and_are_no_step_up(bench: Bench) -> None:
    with bench.client() as client:
        bench.scripted.misbehave = "dpop-nonce"
        client.get("/balance")
        assert bench.person.occasions == []
        assert client.post("/transfers", json=ORDER).status_code == 200


@pytest.mark.requirement("profile-3-binding")
def test_a_relayed_challenge_is_never_signed(bench: Bench) -> None:
    bench.enroll_key()
    touches = bench.key.touches
    bench.scripted.misbehave = "relayed-challenge"
    with bench.client() as client, pytest.raises(CeremonyFailed, match="not made for this app"):
        client.put("/payout-address", json={"address": "x"})
    assert bench.key.touches == touches
    assert bench.person.occasions == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("challenge-again", StepUpUnsatisfied),
        ("wrong-acr", StepUpUnsatisfied),
        ("stale-auth-time", StepUpUnsatisfied),
        ("foreign-issuer", UntrustedChallenge),
        ("foreign-metadata", UntrustedChallenge),
    ],
)
def test_a_server_that_cannot_be_trusted_ends_the_call(bench: Bench, fault: str, error: type[StepUpError]) -> None:
    bench.scripted.misbehave = fault
    with bench.client() as client, pytest.raises(error) as caught:
        client.post("/transfers", json=ORDER)
    assert caught.value.diagnostics()
    prompted = len(bench.person.occasions)
    assert prompted == (0 if error is UntrustedChallenge else 1)


def test_an_unsatisfied_api_is_not_prompted_for_again_at_once(bench: Bench) -> None:
    bench.scripted.misbehave = "challenge-again"
    with bench.client() as client:
        for _ in range(2):
            with pytest.raises(StepUpUnsatisfied):
                client.post("/transfers", json=ORDER)
    assert len(bench.person.occasions) == 1


def test_a_malformed_challenge_is_the_calls_own_401(bench: Bench) -> None:
    bench.scripted.misbehave = "malformed-header"
    with bench.client() as client:
        assert client.post("/transfers", json=ORDER).status_code == 401
    assert bench.person.occasions == []


def test_an_endless_body_does_not_hold_the_ceremony_up(bench: Bench) -> None:
    bench.scripted.misbehave = "endless-body"
    with bench.client() as client:
        assert client.post("/transfers", json=ORDER).status_code == 200


def test_a_redirect_to_another_origin_takes_no_token_and_no_proof_along(bench: Bench) -> None:
    other = Scripted()
    with run(other) as elsewhere:
        bench.scripted.elsewhere = elsewhere
        seen: list[httpx.Headers] = []
        with bench.client(follow_redirects=True) as client:
            client.event_hooks["request"].append(lambda request: seen.append(request.headers.copy()))
            client.get("/redirect")
        assert "authorization" in seen[0]
        assert "dpop" in seen[0]
        assert "authorization" not in seen[1]
        assert "dpop" not in seen[1]
    assert bench.person.occasions == []


def test_a_cancelled_person_leaves_the_call_undone(bench: Bench) -> None:
    bench.person = ScriptedPrompter(pin=None, hold=Event())
    with bench.client(human_timeout=0.2) as client, pytest.raises(StepUpError) as caught:
        client.post("/transfers", json=ORDER)
    assert caught.value.code == "step_up_timeout"
    assert bench.scripted.accepted == []
