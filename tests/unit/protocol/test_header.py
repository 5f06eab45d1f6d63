"""The grammar of `WWW-Authenticate` (RFC 9110 §11)."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upstile.protocol import MalformedHeader, parse_challenges, readable_challenges, serialize_challenge

TCHARS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
tokens = st.text(TCHARS, min_size=1, max_size=12)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
values = st.one_of(texts, st.integers(min_value=0, max_value=10**9))


def read(line: str) -> list[tuple[str, str | None, dict[str, str]]]:
    return [(c.scheme, c.token68, dict(c.params)) for c in parse_challenges(line)]


@pytest.mark.requirement("rfc9110-11.6.1-grammar")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # RFC 9110 §11.6.1
        (
            'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
            [
                ("basic", None, {"realm": "simple"}),
                ("newauth", None, {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
            ],
        ),
        # RFC 9470 §3
        (
            'Bearer error="insufficient_user_authentication", '
            'error_description="A different authentication level is required", acr_values="myACR"',
            [
                (
                    "bearer",
                    None,
                    {
                        "error": "insufficient_user_authentication",
                        "error_description": "A different authentication level is required",
                        "acr_values": "myACR",
                    },
                )
            ],
        ),
        # RFC 9449 §7.1
        (
            'DPoP error="invalid_token", error_description="Invalid DPoP key binding", algs="ES256"',
            [
                (
                    "dpop",
                    None,
                    {"error": "invalid_token", "error_description": "Invalid DPoP key binding", "algs": "ES256"},
                )
            ],
        ),
        ("Negotiate", [("negotiate", None, {})]),
        ("Negotiate YII==", [("negotiate", "YII==", {})]),
        ("Negotiate, Basic realm=x", [("negotiate", None, {}), ("basic", None, {"realm": "x"})]),
        ("NTLM abc, Bearer a=1", [("ntlm", "abc", {}), ("bearer", None, {"a": "1"})]),
        (",, Bearer a=1 ,, b=2, ,", [("bearer", None, {"a": "1", "b": "2"})]),
        ('BEARER Error\t=\t"x" , MAX_AGE = "300"', [("bearer", None, {"error": "x", "max_age": "300"})]),
        ('Bearer  realm=""', [("bearer", None, {"realm": ""})]),
        ('Bearer a="\\a\\\\\\""', [("bearer", None, {"a": 'a\\"'})]),
        ('Bearer a="caf\xe9"', [("bearer", None, {"a": "caf\xe9"})]),
        ('Bearer a="x, Basic realm=y"', [("bearer", None, {"a": "x, Basic realm=y"})]),
        ("", []),
        (" , ,", []),
    ],
)
def test_a_line_is_read_as_the_grammar_says(line: str, expected: list[tuple[str, str | None, dict[str, str]]]) -> None:
    assert read(line) == expected


@pytest.mark.requirement("rfc9110-11.2-once")
@pytest.mark.parametrize(
    "line",
    [
        "Bearer foo bar",
        "Bearer a=b c=d",
        "Bearer, a=b",
        "Bearer a=b, a=c",
        "Bearer a=b, A=c",
        "=",
        '"quoted"',
        'Bearer a="x',
        'Bearer a="x\\',
        'Bearer a="x"y',
        "Bearer a==b",
        "Bearer\ta=b",
        "Bearer a=b\x00",
        'Bearer a="\x07"',
        "Bearer a=b; c=d",
        "Be(arer a=b",
    ],
)
def test_a_malformed_line_is_refused(line: str) -> None:
    with pytest.raises(MalformedHeader):
        parse_challenges(line)


def test_a_malformed_line_is_no_challenge_and_leaves_the_others_alone() -> None:
    found = readable_challenges(["Bearer a=b c=d", "DPoP algs=ES256", 'Basic realm="x'])
    assert [challenge.scheme for challenge in found] == ["dpop"]


@given(scheme=tokens, params=st.dictionaries(tokens.map(str.lower), values, min_size=1, max_size=6))
def test_what_is_written_is_read_back(scheme: str, params: dict[str, str | int]) -> None:
    (challenge,) = parse_challenges(serialize_challenge(scheme, params))
    assert challenge.scheme == scheme.lower()
    assert dict(challenge.params) == {name: str(value) for name, value in params.items()}


@given(written=st.lists(st.tuples(tokens, st.dictionaries(tokens.map(str.lower), texts, min_size=1)), min_size=1))
def test_several_challenges_share_a_line(written: list[tuple[str, dict[str, str]]]) -> None:
    line = ", ".join(serialize_challenge(scheme, params) for scheme, params in written)
    assert [(c.scheme, dict(c.params)) for c in parse_challenges(line)] == [(s.lower(), p) for s, p in written]


@given(st.text(max_size=200))
@example('Bearer a="\\')
def test_any_text_is_read_or_refused_and_nothing_else(line: str) -> None:
    with contextlib.suppress(MalformedHeader):
        parse_challenges(line)


@pytest.mark.parametrize(
    ("scheme", "params"), [("Be arer", {}), ("Bearer", {"a b": "x"}), ("Bearer", {"a": "x\n"}), ("Bearer", {"a": "é"})]
)
def test_what_no_header_can_carry_is_not_written(scheme: str, params: dict[str, str | int]) -> None:
    with pytest.raises(MalformedHeader):
        serialize_challenge(scheme, params)


@pytest.mark.parametrize("piece", ['a="', "a=b ", ", ", "\\", '"', "a" * 50, "Bearer ", "a=b,", "\t"])
def test_a_hostile_line_is_judged_in_steps_that_grow_with_its_length_only(piece: str) -> None:
    from time import process_time

    def cost(repeats: int) -> float:
        line = "Bearer " + piece * repeats
        began = process_time()
        for _ in range(3):
            with contextlib.suppress(MalformedHeader):
                parse_challenges(line)
        return process_time() - began

    cost(100)
    small, large = cost(1_000), cost(16_000)
    assert large < 200 * max(small, 1e-4)  # quadratic growth would be a factor of 256 over the same floor
