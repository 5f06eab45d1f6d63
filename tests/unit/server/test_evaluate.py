"""The decision: pure, and the same for every route that asks the same."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstile.protocol import Requirement
from upstile.server import AccessToken
from upstile.server.resource._evaluate import Cause, Challenge, Satisfied, Unmet, Why, evaluate
from upstile.server.resource._issuer import Issuer

NOW = 1_800_000_000
OWN = Issuer(
    identifier="https://as.example",
    satisfies={"phrh": {"phr"}, "phr": {"mfa"}},
    acr_values_supported=("phr", "mfa"),
    marks_single_use=True,
)
EXTERNAL = Issuer(identifier="https://idp.example")


def token(**facts: Any) -> AccessToken:
    standard: dict[str, Any] = {
        "issuer": "https://as.example",
        "subject": "ada",
        "client_id": "cli",
        "audience": ("https://api.example",),
        "scope": frozenset({"payments"}),
        "acr": "mfa",
        "amr": ("otp", "pwd", "mfa"),
        "auth_time": NOW - 10,
        "issued_at": NOW - 10,
        "expires_at": NOW + 300,
        "jti": "j",
        "sid": "s",
        "jkt": None,
        "single_use": False,
        "authorization_details": (),
    }
    issuer: Issuer = facts.pop("by", OWN)
    merged = {**standard, **facts}
    return AccessToken(**{**merged, "acr": issuer.satisfied_by(merged["acr"])})


WEAK, OLD = Challenge(why=Why.WEAK, scope_missing=False), Challenge(why=Why.EXPIRED, scope_missing=False)
FREE, ONCE = Satisfied(consumes=False), Satisfied(consumes=True)


@pytest.mark.parametrize(
    ("asked", "facts", "verdict"),
    [
        ({}, {}, FREE),
        ({}, {"acr": None, "auth_time": None}, FREE),
        ({"acr": "mfa"}, {}, FREE),
        ({"acr": "mfa"}, {"acr": "phr"}, FREE),
        ({"acr": "mfa"}, {"acr": "phrh"}, FREE),
        ({"acr": "phr"}, {}, WEAK),
        ({"acr": "mfa"}, {"acr": None}, WEAK),
        ({"acr": "mfa"}, {"acr": "MFA"}, WEAK),
        ({"acr": ("phr", "mfa")}, {}, FREE),
        ({"max_age": 300}, {}, FREE),
        ({"max_age": 300}, {"auth_time": NOW - 300}, FREE),
        ({"max_age": 300}, {"auth_time": NOW - 300.25}, OLD),
        ({"max_age": 300}, {"auth_time": NOW - 299.75}, FREE),
        ({"max_age": 300}, {"auth_time": NOW + 60.25}, OLD),
        ({"max_age": 300}, {"auth_time": NOW - 301}, OLD),
        ({"max_age": 300}, {"auth_time": None}, OLD),
        ({"max_age": 300}, {"auth_time": None, "issued_at": NOW}, OLD),
        ({"max_age": 300}, {"auth_time": NOW + 60}, FREE),
        ({"max_age": 300}, {"auth_time": NOW + 61}, OLD),
        ({"acr": "phr", "max_age": 1}, {"auth_time": NOW - 100}, WEAK),
        ({"max_age": 0}, {"auth_time": NOW}, OLD),
        ({"max_age": 0}, {"single_use": True}, ONCE),
        ({"max_age": 0, "acr": "phr"}, {"single_use": True}, WEAK),
        ({"max_age": 0}, {"single_use": True, "authorization_details": ({},)}, Unmet(cause=Cause.SINGLE_USE)),
        ({"max_age": 300}, {"single_use": True}, Unmet(cause=Cause.SINGLE_USE)),
        ({}, {"single_use": True}, Unmet(cause=Cause.SINGLE_USE)),
        ({"scope": "admin"}, {}, Unmet(cause=Cause.SCOPE)),
        ({"scope": "admin", "acr": "phr"}, {}, Challenge(why=Why.WEAK, scope_missing=True)),
        ({"acr": "gold"}, {}, Unmet(cause=Cause.ACR_NOT_OFFERED)),
    ],
)
def test_a_token_is_judged_as_the_profile_says(asked: dict[str, Any], facts: dict[str, Any], verdict: object) -> None:
    assert evaluate(Requirement(**asked), token(**facts), issuer=OWN, now=NOW) == verdict


@pytest.mark.parametrize(
    ("asked", "facts", "verdict"),
    [
        ({}, {"single_use": True}, FREE),
        ({"acr": "mfa", "max_age": 300}, {"single_use": True}, FREE),
        ({"acr": "phr"}, {"single_use": True}, WEAK),
        ({}, {"single_use": True, "authorization_details": ({},)}, Unmet(cause=Cause.SINGLE_USE)),
        ({}, {}, FREE),
    ],
)
def test_a_token_for_one_call_passes_the_other_guards_of_a_call_that_asks_for_one(
    asked: dict[str, Any], facts: dict[str, Any], verdict: object
) -> None:
    assert evaluate(Requirement(**asked), token(**facts), issuer=OWN, now=NOW, once=True) == verdict


def test_another_issuers_names_have_no_order() -> None:
    assert evaluate(Requirement(acr="mfa"), token(acr="phr", by=EXTERNAL), issuer=EXTERNAL, now=NOW) == WEAK
    assert evaluate(Requirement(acr="gold"), token(), issuer=EXTERNAL, now=NOW) == WEAK


def test_another_issuers_fresh_login_serves_one_call() -> None:
    asked = Requirement(max_age=0)
    assert evaluate(asked, token(auth_time=NOW - 60), issuer=EXTERNAL, now=NOW) == ONCE
    assert evaluate(asked, token(auth_time=NOW - 61), issuer=EXTERNAL, now=NOW) == OLD


@given(age=st.integers(0, 10_000), lax=st.integers(1, 10_000), less=st.integers(0, 10_000))
def test_what_a_laxer_requirement_refuses_a_stricter_one_refuses(age: int, lax: int, less: int) -> None:
    strict = max(1, lax - less)
    facts = token(auth_time=NOW - age)
    passes = [
        isinstance(evaluate(Requirement(acr="mfa", max_age=limit), facts, issuer=OWN, now=NOW), Satisfied)
        for limit in (strict, lax)
    ]
    assert passes[1] or not passes[0]


TELLING = replace(OWN, tells_resets=True)


@pytest.mark.parametrize(
    ("asked", "facts", "verdict"),
    [
        ({"acr": "mfa", "settled": True}, {}, FREE),
        ({"acr": "mfa", "settled": True}, {"settled_at": NOW}, FREE),
        ({"acr": "mfa", "settled": True}, {"settled_at": NOW + 1}, Unmet(cause=Cause.RESET)),
        ({"acr": "mfa", "settled": True}, {"settled_at": NOW + 0.5}, Unmet(cause=Cause.RESET)),
        ({"acr": "mfa"}, {"settled_at": NOW + 1}, FREE),
        ({"acr": "phr", "settled": True}, {"settled_at": NOW + 1}, Unmet(cause=Cause.RESET)),
        ({"acr": "phr", "settled": True}, {}, WEAK),
        (
            {"acr": "mfa", "max_age": 0, "settled": True},
            {"settled_at": NOW + 1, "single_use": True},
            Unmet(cause=Cause.RESET),
        ),
    ],
)
def test_after_a_reset_what_asks_for_settled_ones_is_closed_before_anything_else_is_asked(
    asked: dict[str, Any], facts: dict[str, Any], verdict: object
) -> None:
    assert evaluate(Requirement(**asked), token(**facts), issuer=TELLING, now=NOW) == verdict


@pytest.mark.parametrize("issuer", [OWN, EXTERNAL])
def test_who_tells_of_no_resets_never_opens_what_asks_for_settled_ones(issuer: Issuer) -> None:
    asked = Requirement(acr="mfa", settled=True)
    told = token(settled_at=0, acr="mfa", by=issuer)
    assert evaluate(asked, told, issuer=issuer, now=NOW) == Unmet(cause=Cause.ACR_NOT_OFFERED)


@pytest.mark.parametrize("facts", [{}, {"acr": "mfa", "settled_at": 0}, {"acr": None}])
def test_who_is_stepped_up_by_one_that_tells_of_resets_is_sent_there_whatever_the_token_says(
    facts: dict[str, Any],
) -> None:
    asked, there = Requirement(acr="mfa", settled=True), replace(EXTERNAL, stepped_up_by=TELLING)
    assert evaluate(asked, token(**facts, by=there), issuer=there, now=NOW) == WEAK
    silent = replace(EXTERNAL, stepped_up_by=OWN)
    assert evaluate(asked, token(**facts, by=silent), issuer=silent, now=NOW) == Unmet(cause=Cause.ACR_NOT_OFFERED)
