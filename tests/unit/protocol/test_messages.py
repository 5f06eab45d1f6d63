"""Challenge, requirement, metadata and the messages of a ceremony."""

import inspect
from typing import Any

import pytest

import upstile.protocol as protocol
from upstile.protocol import (
    ACCESS_TOKEN_TYPE,
    AnswerRequest,
    MalformedMessage,
    Message,
    Problem,
    Requirement,
    StartRequest,
    TokenResponse,
    code_challenge,
    find_error,
    find_step_up,
    parse_challenges,
    problem_type,
    read_request,
    resource_covers,
    serialize_challenge,
    step_up_params,
    well_known_url,
)

START = {
    "response_type": "code",
    "client_id": "cli",
    "code_challenge": code_challenge("v" * 43),
    "code_challenge_method": "S256",
    "resource": "https://api.example",
    "subject_token": "s3cret",
    "subject_token_type": ACCESS_TOKEN_TYPE,
}


def test_a_requirement_survives_the_challenge() -> None:
    asked = Requirement(acr=("phr", "mfa"), max_age=0, scope="payments")
    line = serialize_challenge("DPoP", step_up_params(asked, scope_missing=True))
    found = find_step_up(parse_challenges(line))
    assert found is not None
    assert (found.scheme, found.requirement) == ("dpop", asked)
    assert "max_age=0" in line


@pytest.mark.parametrize(
    "line",
    [
        "Bearer",
        'Bearer error="invalid_token"',
        'Basic error="insufficient_user_authentication"',
        'Bearer error="insufficient_user_authentication", max_age="-1"',
        'Bearer error="insufficient_user_authentication", max_age="1.5"',
        'Bearer error="insufficient_user_authentication", max_age="99999999999"',
        'Bearer error="insufficient_user_authentication", acr_values="a\xe4"',
    ],
)
def test_a_faulty_step_up_challenge_is_none(line: str) -> None:
    assert find_step_up(parse_challenges(line)) is None


def test_max_age_is_read_quoted_or_not_and_absent_is_not_zero() -> None:
    for text, expected in (('max_age="300"', 300), ("max_age=300", 300), ("max_age=0", 0), ("realm=x", None)):
        line = f'Bearer error="insufficient_user_authentication", {text}'
        found = find_step_up(parse_challenges(line))
        assert found is not None
        assert found.requirement.max_age == expected


def test_the_error_of_another_scheme_is_not_ours() -> None:
    assert find_error(parse_challenges('Custom error="x", DPoP error="use_dpop_nonce"')) == "use_dpop_nonce"
    assert find_error(parse_challenges('Custom error="x"')) is None


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"max_age": -1}, ValueError),
        ({"max_age": True}, TypeError),
        ({"max_age": 1.5}, TypeError),
        ({"acr": ""}, ValueError),
        ({"acr": "a b"}, ValueError),
        ({"acr": ["ok", 'qu"ote']}, ValueError),
        ({"scope": ["a b"]}, ValueError),
        ({"acr_values": "mfa"}, TypeError),
    ],
)
def test_a_requirement_that_no_challenge_can_carry_is_refused(members: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Requirement(**members)


def test_a_requirement_is_one_value_however_it_is_written() -> None:
    assert Requirement(acr="mfa", scope="a b") == Requirement(acr=["mfa"], scope=["a", "b"])
    assert hash(Requirement(acr="mfa")) == hash(Requirement(acr=("mfa",)))
    assert Requirement(max_age=0) != Requirement(max_age=None)
    assert Requirement(max_age=0).for_this_call
    assert not Requirement().authenticates


def test_a_start_is_told_from_an_answer() -> None:
    assert isinstance(read_request(START), StartRequest)
    answer = {"client_id": "cli", "auth_session": "s", "authn_method": "totp", "otp": "1", "unknown": "x"}
    assert isinstance(read_request(answer), AnswerRequest)
    for form in ({}, {**START, "authn_method": "totp"}):
        with pytest.raises(MalformedMessage):
            read_request(form)


@pytest.mark.parametrize("missing", sorted(START))
def test_each_required_member_of_a_start_is_required(missing: str) -> None:
    with pytest.raises(MalformedMessage):
        read_request({name: value for name, value in START.items() if name != missing})


def test_no_message_shows_its_secrets() -> None:
    checked = 0
    for name, model in inspect.getmembers(protocol, inspect.isclass):
        if not (issubclass(model, Message) and model is not Message):
            continue
        for field, info in model.model_fields.items():
            if field in SECRETS:
                assert info.repr is False, f"{name}.{field}"
                checked += 1
    assert checked >= len(SECRETS)


SECRETS = {
    "access_token",
    "auth_session",
    "authn_response",
    "authorization_code",
    "code",
    "code_verifier",
    "codes",
    "enrolment_code",
    "otp",
    "otpauth_uri",
    "subject_token",
}


def test_a_refusal_names_the_member_and_never_its_value() -> None:
    with pytest.raises(MalformedMessage) as caught:
        read_request({**START, "max_age": "s3cret", "code_challenge": "s3cret too"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nothing_is_sent_as_null() -> None:
    token = TokenResponse(access_token="t", token_type="Bearer")
    assert token.to_members() == {"access_token": "t", "token_type": "Bearer"}
    assert b"null" not in token.to_json()


def test_the_time_of_an_authentication_may_have_a_fraction_and_a_whole_one_has_none() -> None:
    for written in (b'"auth_time":1800000000}', b'"auth_time":1800000000.5}'):
        body = b'{"access_token":"t","token_type":"DPoP",' + written
        assert TokenResponse.from_json(body).to_json() == body


def test_an_unknown_token_type_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        TokenResponse.from_members({"access_token": "t", "token_type": "mac"})


@pytest.mark.requirement("rfc6750-2.1-b64token")
@pytest.mark.parametrize(
    "member",
    [
        {"access_token": "t\r\nx: y"},
        {"access_token": ""},
        {"access_token": "tö"},
        {"expires_in": 2**53},
        {"expires_in": -1},
        {"auth_time": True},
        {"auth_time": "1800000000"},
        {"auth_time": float("inf")},
        {"auth_time": 10**400},
        {"auth_time": -1},
    ],
)
def test_a_token_that_no_header_and_a_time_that_no_clock_can_hold_are_refused(member: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        TokenResponse.from_members({"access_token": "t", "token_type": "DPoP", **member})


@pytest.mark.parametrize(
    ("resource", "url", "covers"),
    [
        ("https://api.example", "https://api.example/a", True),
        ("https://api.example/", "https://api.example/a", True),
        ("https://api.example/v1", "https://api.example/v1/a", True),
        ("https://api.example/v1", "https://api.example/v1", True),
        ("https://api.example/v1", "https://api.example/v10", False),
        ("https://api.example/v1", "https://api.example/", False),
        ("https://api.example:444", "https://api.example/a", False),
        ("http://api.example", "https://api.example/a", False),
        ("https://api.example.evil", "https://api.example/a", False),
        ("https://api.example?x", "https://api.example/a", False),
        ("https://[", "https://api.example/a", False),
    ],
)
def test_a_resource_covers_whole_segments_of_its_own_origin(resource: str, url: str, covers: bool) -> None:
    assert resource_covers(resource, url) is covers


def test_documents_live_where_the_rfcs_put_them() -> None:
    path = "/.well-known/oauth-protected-resource"
    assert well_known_url("https://api.example", path) == f"https://api.example{path}"
    assert well_known_url("https://api.example/", path) == f"https://api.example{path}"
    assert well_known_url("https://api.example/v1", path) == f"https://api.example{path}/v1"


def test_a_problem_knows_its_name() -> None:
    assert Problem(type=problem_type("token-used"), title="t", status=401).name == "token-used"
    assert Problem(type="about:blank", title="t", status=401).name == "about:blank"


def test_a_token_response_says_no_null_whoever_writes_it_and_its_schema_names_its_members() -> None:
    """A framework writes the API's own sign-in, and strict readers refuse `"refresh_token": null`."""
    said = TokenResponse(access_token="t", token_type="DPoP", expires_in=60)
    assert said.model_dump() == {"access_token": "t", "token_type": "DPoP", "expires_in": 60}
    assert "scope" in TokenResponse.model_json_schema(mode="serialization")["properties"]
