"""What proofs reach: two kinds of factors, of which the base login may lend one for a while (upstile profile §4)."""

import pytest

from upstile.server.authorization._acr import (
    MFA,
    PHR,
    PHRH,
    BaseFactors,
    Factor,
    Proof,
    complete,
    reached,
    reaches,
    token_amr,
)

NOW = 1_800_000_000
HOURS = 3600


def proof(*amr: str, factors: tuple[Factor, ...] = (Factor.POSSESSION,), resistant: bool = False) -> Proof:
    return Proof(method="some", factors=frozenset(factors), amr=amr, phishing_resistant=resistant, at=NOW)


def login(*amr: str, age: int = 60) -> BaseFactors:
    return BaseFactors(amr=amr, auth_time=NOW - age)


CODE = proof("otp")
TOUCH = proof("swk", "user")
KEY = proof("swk", "user", "mfa", factors=(Factor.POSSESSION, Factor.INHERENCE), resistant=True)


@pytest.mark.parametrize(
    ("lent", "enough"),
    [("pwd", True), ("pin", True), ("otp", False), ("swk", False), ("hwk", False), ("sms", False), ("user", False)],
)
def test_a_factor_of_the_base_login_counts_beside_a_code_only_if_it_is_of_another_kind(lent: str, enough: bool) -> None:
    assert reaches(MFA, [CODE], login(lent), NOW) is enough
    assert (lent in token_amr([CODE], login(lent), MFA, NOW)) is (enough or lent == "otp")


@pytest.mark.parametrize(("age", "counts"), [(12 * HOURS, True), (12 * HOURS + 1, False)])
def test_a_factor_of_the_base_login_counts_for_twelve_hours(age: int, counts: bool) -> None:
    assert reaches(MFA, [CODE], login("pwd", age=age), NOW) is counts
    assert ("pwd" in token_amr([CODE], login("pwd", age=age), MFA, NOW)) is counts


def test_two_proofs_of_one_kind_are_one_factor() -> None:
    assert not reaches(MFA, [CODE, TOUCH], login(), NOW)


@pytest.mark.parametrize("acr", [MFA, PHR])
def test_a_base_login_reaches_nothing_without_a_proof_in_the_ceremony(acr: str) -> None:
    assert not reaches(acr, [], login("pwd", "otp"), NOW)


def test_a_proof_that_is_no_factor_reaches_nothing_whatever_the_base_login_lends() -> None:
    assert not reaches(MFA, [proof("sms", factors=())], login("pwd", "otp"), NOW)


def test_a_key_that_verified_its_user_reaches_phr_and_mfa_by_itself_and_phrh_never() -> None:
    assert [reaches(acr, [KEY], login(), NOW) for acr in (PHR, MFA, PHRH, "gold")] == [True, True, False, False]


def test_nothing_but_a_key_that_verified_its_user_reaches_phr() -> None:
    assert not reaches(PHR, [CODE, TOUCH], login("pwd"), NOW)


@pytest.mark.parametrize(
    ("asked", "proofs", "named"),
    [
        ((MFA, PHR), [KEY], MFA),
        ((PHR, MFA), [KEY], PHR),
        ((PHR, MFA), [CODE], MFA),
        (("gold", MFA), [KEY], MFA),
        ((PHR,), [CODE], None),
        ((), [KEY], PHR),
        ((), [CODE], MFA),
        ((), [], None),
    ],
)
def test_the_first_requested_acr_that_is_reached_is_named_and_without_a_request_the_strongest(
    asked: tuple[str, ...], proofs: list[Proof], named: str | None
) -> None:
    assert reached(asked, proofs, login("pwd"), NOW) == named


def test_without_a_request_any_one_proof_completes_a_ceremony() -> None:
    assert complete((), [CODE], login(), NOW)
    assert not complete((), [], login("pwd"), NOW)
    assert not complete((MFA,), [CODE], login(), NOW)


def test_a_token_names_the_factors_of_the_base_login_only_where_they_were_needed() -> None:
    assert token_amr([CODE], login("pwd"), MFA, NOW) == ["otp", "pwd", "mfa"]
    assert token_amr([KEY], login("pwd"), MFA, NOW) == ["swk", "user", "mfa"]
    assert token_amr([KEY], login("pwd"), PHR, NOW) == ["swk", "user", "mfa"]
    assert token_amr([CODE], login("pwd"), None, NOW) == ["otp"]
