"""A ceremony in the browser, with an issuer that does what it is told, the wrong things too."""

import json
from time import monotonic
from typing import Any

import httpx
import pytest

from support.false_issuer import API, ISSUER, FalseIssuer, Params
from upstile.client import (
    Browser,
    CeremonyFailed,
    ConfigurationError,
    NoMethodAvailable,
    StepUpError,
    StepUpTimeout,
    StepUpUnsatisfied,
    UntrustedChallenge,
)

PAY = "/pay?acr=mfa"


@pytest.fixture
def issuer() -> FalseIssuer:
    return FalseIssuer()


def refused(issuer: FalseIssuer, **options: Any) -> StepUpError:
    """How a call ends that cannot be confirmed, and that it was sent once."""
    with issuer.client(**options) as client, pytest.raises(StepUpError) as error:
        client.post(PAY)
    assert len(issuer.calls) == 1
    return error.value


def test_one_call_goes_to_the_browser_and_back(issuer: FalseIssuer) -> None:
    with issuer.client() as client:
        assert client.post(PAY, json={"amount": "50.00"}).status_code == 200
        assert client.post(PAY).status_code == 200
    asked, redeemed = issuer.asked[0], issuer.redeemed[0]
    assert len(issuer.asked) == 1
    assert asked["response_type"] == "code"
    assert asked["client_id"] == redeemed["client_id"] == "cli"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid"
    assert asked["acr_values"] == "mfa"
    assert asked["resource"] == redeemed["resource"] == API
    assert asked["redirect_uri"] == redeemed["redirect_uri"]
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert asked["redirect_uri"].endswith("/callback")
    assert "claims" not in asked
    assert "dpop_jkt" not in asked
    assert issuer.shown == [(f"{ISSUER}/auth?{httpx.QueryParams(asked)}", True)]


def test_state_nonce_and_verifier_are_new_each_time(issuer: FalseIssuer) -> None:
    with issuer.client() as client:
        client.step_up(acr="mfa")
        client.step_up(acr="phr")
    one, two = issuer.asked
    for name in ("state", "nonce", "code_challenge"):
        assert one[name] != two[name]
        assert len(one[name]) >= 43


def test_a_request_is_pushed_where_the_issuer_takes_it(issuer: FalseIssuer) -> None:
    issuer.metadata = {"pushed_authorization_request_endpoint": f"{ISSUER}/par"}
    with issuer.client() as client:
        assert client.post(PAY).status_code == 200
    assert issuer.shown == [(f"{ISSUER}/auth?client_id=cli&request_uri=urn%3Ar%3A1", True)]
    assert issuer.pushed[0]["acr_values"] == "mfa"


@pytest.mark.parametrize(
    ("server", "api", "dpop", "bound"),
    [
        (["RS256", "ES256"], ["ES256"], None, True),
        (["ES256"], None, None, False),
        (None, ["ES256"], None, False),
        (["RS256"], ["ES256"], None, False),
        (None, None, True, True),
        (["ES256"], ["ES256"], False, False),
    ],
)
def test_tokens_are_bound_where_both_say_that_they_can(
    issuer: FalseIssuer, server: Any, api: Any, dpop: bool | None, bound: bool
) -> None:
    issuer.metadata = {"dpop_signing_alg_values_supported": server}
    issuer.resource = {"dpop_signing_alg_values_supported": api} if api else {}
    with issuer.client(browser=Browser(opens=issuer.opens, dpop=dpop)) as client:
        client.step_up(acr="mfa")
        jkt = client.step_up_auth.session.key.thumbprint
    assert issuer.asked[0].get("dpop_jkt") == (jkt if bound else None)


def test_auth0_is_asked_by_audience(issuer: FalseIssuer) -> None:
    browser = Browser(opens=issuer.opens, audience="https://bank.example/api", scope=["transfers"])
    with issuer.client(browser=browser) as client:
        client.step_up(acr="mfa")
    assert issuer.asked[0]["audience"] == "https://bank.example/api"
    assert issuer.asked[0]["scope"] == "openid transfers"
    assert "resource" not in {**issuer.asked[0], **issuer.redeemed[0]}


def test_an_api_that_publishes_nothing_is_named_by_the_app(issuer: FalseIssuer) -> None:
    issuer.resource = {"resource": "https://other.example"}  # would not be believed
    with issuer.client(browser=Browser(opens=issuer.opens, resource="urn:bank")) as client:
        assert client.post(PAY).status_code == 200
        assert client.post(PAY).status_code == 200
    assert [asked["resource"] for asked in issuer.asked] == ["urn:bank"]


def test_the_essential_claim_stands_alone_where_the_issuer_offers_the_acr(issuer: FalseIssuer) -> None:
    issuer.metadata = {"claims_parameter_supported": True, "acr_values_supported": ["mfa"]}
    issuer.claims = {"acr": "mfa"}
    with issuer.client() as client:
        assert client.post(PAY).status_code == 200
    assert "acr_values" not in issuer.asked[0]
    assert json.loads(issuer.asked[0]["claims"]) == {"id_token": {"acr": {"essential": True, "values": ["mfa"]}}}


def test_the_next_acr_is_asked_only_after_an_explicit_cannot(issuer: FalseIssuer) -> None:
    issuer.answers = lambda asked: (
        issuer.good_answer(asked)
        if asked["acr_values"] == "mfa"
        else {"error": "unmet_authentication_requirements", "state": asked["state"], "iss": ISSUER}
    )
    with issuer.client() as client:
        assert client.post("/pay?acr=phr+mfa").status_code == 200
    assert [asked["acr_values"] for asked in issuer.asked] == ["phr", "mfa"]


@pytest.mark.parametrize("error", ["access_denied", "server_error", "login_required", "invalid_request"])
def test_any_other_error_is_the_end(issuer: FalseIssuer, error: str) -> None:
    issuer.answers = lambda asked: {"error": error, "state": asked["state"], "iss": ISSUER}
    with issuer.client() as client, pytest.raises(StepUpError):
        client.post("/pay?acr=phr+mfa")
    assert len(issuer.asked) == 1


def test_nobody_can_reach_it_is_said(issuer: FalseIssuer) -> None:
    issuer.answers = lambda asked: {
        "error": "unmet_authentication_requirements",
        "state": asked["state"],
        "iss": ISSUER,
    }
    assert isinstance(refused(issuer), NoMethodAvailable)


def test_another_users_code_is_refused(issuer: FalseIssuer) -> None:
    """Keycloak returned bob's code for `login_hint=ada` in a fresh browser: a hint is a hint."""
    issuer.person = "bob"
    error = refused(issuer)
    assert isinstance(error, CeremonyFailed)
    assert "Somebody else is signed in in the browser" in str(error)


def test_an_app_that_brings_its_token_has_to_say_whose_it_is(issuer: FalseIssuer) -> None:
    with issuer.client(token=issuer.base(subject=None)) as client, pytest.raises(ConfigurationError, match="subject="):
        client.post(PAY)
    assert issuer.asked == []


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "other"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": None},
        {"acr": 2},
        {"auth_time": "now"},
    ],
)
def test_an_id_token_that_is_not_for_us_ends_it(issuer: FalseIssuer, claims: dict[str, Any]) -> None:
    issuer.claims = claims
    assert isinstance(refused(issuer), CeremonyFailed)


def test_a_response_without_an_id_token_ends_it(issuer: FalseIssuer) -> None:
    issuer.response = {"id_token": None}
    assert "no id_token" in refused(issuer).hint


def test_the_weaker_acr_ends_it(issuer: FalseIssuer) -> None:
    issuer.claims = {"acr": "pwd"}
    assert isinstance(refused(issuer), StepUpUnsatisfied)


def test_an_old_auth_time_ends_it(issuer: FalseIssuer) -> None:
    issuer.claims = {"auth_time": issuer.clock() - 400}
    with issuer.client() as client, pytest.raises(StepUpUnsatisfied, match="old"):
        client.step_up(acr="mfa", max_age=300)


def test_where_the_id_token_says_no_acr_the_repeated_call_decides(issuer: FalseIssuer) -> None:
    issuer.claims = {"acr": None, "auth_time": None}
    with issuer.client() as client, pytest.raises(StepUpUnsatisfied):
        client.post(PAY)
    assert len(issuer.calls) == 2
    assert len(issuer.asked) == 1


@pytest.mark.parametrize("iss", [None, "https://evil.example"])
def test_an_answer_of_another_issuer_is_not_redeemed(issuer: FalseIssuer, iss: str | None) -> None:
    def answers(asked: Params) -> Params:
        answer = {name: value for name, value in issuer.good_answer(asked).items() if name != "iss"}
        return answer if iss is None else {**answer, "iss": iss}

    issuer.answers = answers
    assert isinstance(refused(issuer), CeremonyFailed)
    assert issuer.redeemed == []


def test_a_callback_with_a_wrong_state_changes_nothing(issuer: FalseIssuer) -> None:
    wrong: list[int] = []

    def answers(asked: Params) -> Params:
        answer = issuer.good_answer(asked)
        wrong.append(issuer.comes_back(asked, {**answer, "state": "another"}).status_code)
        return answer

    issuer.answers = answers
    with issuer.client() as client:
        assert client.post(PAY).status_code == 200
    assert wrong == [400]


@pytest.mark.parametrize(
    "name",
    ["authorization_endpoint", "token_endpoint", "pushed_authorization_request_endpoint", "end_session_endpoint"],
)
def test_an_endpoint_on_another_origin_is_not_trusted(issuer: FalseIssuer, name: str) -> None:
    issuer.metadata = {name: "https://evil.example/x"}
    assert isinstance(refused(issuer), UntrustedChallenge)
    assert issuer.asked == []


def test_a_refresh_token_of_a_step_up_is_dropped_and_not_revoked(issuer: FalseIssuer) -> None:
    """To revoke it would end the access token of the same grant (RFC 7009 §2.1), and at Keycloak the sign-in."""
    issuer.response = {"refresh_token": "r"}
    with issuer.client() as client:
        assert client.post(PAY).status_code == 200
    assert issuer.revoked == []


def test_a_step_up_never_asks_for_a_refresh_token(issuer: FalseIssuer) -> None:
    with issuer.client(browser=Browser(opens=issuer.opens, scope=["offline_access", "transfers"])) as client:
        client.step_up(acr="mfa")
    assert issuer.asked[0]["scope"] == "openid transfers"


def test_a_browser_that_never_comes_back_ends_in_a_sentence_about_the_browser(issuer: FalseIssuer) -> None:
    issuer.answers = lambda asked: None
    began = monotonic()
    error = refused(issuer, human_timeout=0.3)
    assert monotonic() - began < 3
    assert isinstance(error, StepUpTimeout)
    assert error.next_step.startswith("Look at the browser")


def test_nobody_is_asked_where_the_app_forbids_the_browser(issuer: FalseIssuer) -> None:
    assert isinstance(refused(issuer, browser=None), CeremonyFailed)
    assert issuer.asked == []


def test_a_fixed_port_and_path_are_used(issuer: FalseIssuer) -> None:
    with issuer.client(browser=Browser(opens=issuer.opens, path="/cb/here")) as client:
        client.step_up(acr="mfa")
    assert issuer.asked[0]["redirect_uri"].endswith("/cb/here")


def test_no_secret_is_shown_or_logged(issuer: FalseIssuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="upstile")
    issuer.person = "bob"
    error = refused(issuer)
    texts = caplog.text + repr(error) + "".join(error.__notes__)
    code, verifier = issuer.redeemed[0]["code"], issuer.redeemed[0]["code_verifier"]
    assert not [secret for secret in (code, verifier, issuer.asked[0]["state"]) if secret in texts]
