"""`assert_challenged`: it passes for the challenge that is expected, and says what came where it is none."""

import json
from typing import Any

import httpx
import pytest

from upstile.protocol import Requirement
from upstile.server.testing import assert_challenged

ASKED = 'error="insufficient_user_authentication", acr_values="phr mfa", max_age=300, scope="a b"'


def _response(*lines: str, status: int = 401, content: bytes = b"") -> httpx.Response:
    return httpx.Response(status, headers=[("WWW-Authenticate", line) for line in lines], content=content)


def _said(response: Any, **expected: Any) -> list[str]:
    with pytest.raises(AssertionError) as failure:
        assert_challenged(response, **expected)
    return str(failure.value).splitlines()


@pytest.mark.parametrize("lines", [(f"Bearer {ASKED}",), (f"DPoP {ASKED}",), ('Basic realm="x"', f"Bearer {ASKED}")])
@pytest.mark.parametrize(
    "expected", [{}, {"acr": ("phr", "mfa")}, {"max_age": 300}, {"scope": "b a"}, {"scope": ["a", "b"], "max_age": 300}]
)
def test_what_is_named_is_compared_and_all_of_it_returned(lines: tuple[str, ...], expected: dict[str, Any]) -> None:
    came = assert_challenged(_response(*lines), **expected)
    assert came == Requirement(acr=("phr", "mfa"), max_age=300, scope="a b")


@pytest.mark.parametrize(
    ("expected", "differs"),
    [
        ({"acr": "phr"}, "acr"),
        ({"acr": ("mfa", "phr")}, "acr"),  # their order is what is preferred
        ({"max_age": 0}, "max_age"),
        ({"acr": "mfa", "max_age": 299, "scope": "a"}, "acr, max_age, scope"),
    ],
)
def test_what_differs_is_named(expected: dict[str, Any], differs: str) -> None:
    assert _said(_response(f"Bearer {ASKED}"), **expected)[-1] == f"  differs:  {differs}"


def test_a_challenge_that_names_no_age_is_none_for_one_call() -> None:
    bare = _response('Bearer error="insufficient_user_authentication"')
    assert_challenged(bare)
    assert _said(bare, max_age=0)[1:3] == [
        "  expected: 401 with a challenge for max_age=0",
        "  came:     401 with a challenge for nothing in particular",
    ]


def test_a_challenge_with_another_status_is_none() -> None:
    assert _said(_response(f"Bearer {ASKED}", status=403))[2] == (
        "  came:     403 Forbidden with the error insufficient_user_authentication"
    )


def test_a_refusal_says_what_its_problem_document_says() -> None:
    problem = {"title": "Your sign-in is not valid any more", "hint": "get a new token", "status": 401}
    response = _response('DPoP error="invalid_token"', content=json.dumps(problem).encode())
    assert _said(response)[2:] == [
        "  came:     401 Unauthorized with the error invalid_token",
        "  says:     Your sign-in is not valid any more",
        "  hint:     get a new token",
    ]


def test_of_any_other_body_the_beginning_is_shown() -> None:
    assert _said(_response(content=b"x" * 500))[2:] == [
        "  came:     401 Unauthorized without a challenge of Bearer or DPoP",
        f"  body:     {'x' * 200}…",
    ]
    assert _said(_response(status=599))[2] == "  came:     599"


def test_a_token_in_the_body_is_not_shown() -> None:
    response = _response(status=200, content=b'{"access_token": "secret"}')
    assert _said(response)[3] == "  body:     (not shown: it holds a token)"


def test_headers_that_keep_one_line_for_a_name_will_do() -> None:
    class Flat:
        status_code = 401
        headers = {"Www-Authenticate": f'Basic realm="x", Bearer {ASKED}'}  # noqa: RUF012 - as others have it

    assert assert_challenged(Flat()).max_age == 300
