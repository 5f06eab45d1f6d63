"""A call that is not challenged costs what the library's own costs: the flow begins with the 401, and loses nothing.

What protects a call holds for it all the same: whose URL it is, redirects, what came meanwhile.
"""

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.desk import API, ELSEWHERE, Desk, Sent, challenged
from upstile.client import BaseToken, StepUpAuth
from upstile.client import httpx2 as on_httpx2
from upstile.client.adapters import _pump

AUTHS = [
    (library, kind(API, client_id="cli", token="BASE"))
    for library, kind in ((httpx, StepUpAuth), (httpx2, on_httpx2.StepUpAuth))
]
_words = ("http", "https", "HTTPS", "://", "//", "api.example.com", "API.example.com", "api.example.com.")
_marks = (":443", ":80", ":8443", "@", "u:p@", "elsewhere.example", "/", "\\", "?", "#", "%2e", ".", "x", "[::1]", " ")
_pieces = st.sampled_from((*_words, *_marks, "\u3002", "\uff45"))


@given(st.lists(_pieces, min_size=1, max_size=8).map("".join) | st.text(max_size=40))
def test_no_url_is_the_apis_by_its_parts_that_is_another_by_its_text(text: str) -> None:
    for library, auth in AUTHS:
        try:
            url = library.URL(text)
        except (library.InvalidURL, UnicodeError):
            continue
        assert auth._is_mine(url) == auth.session.pins.is_api(str(url))


@pytest.mark.parametrize("there", [f"{ELSEWHERE}/x", "http://api.example.com/x", "https://u:p@api.example.com/x"])
def test_a_url_that_is_not_the_apis_gets_no_token(there: str) -> None:
    desk = Desk()
    with desk.client(token="BASE") as bank:
        bank.get(there, auth=bank.step_up_auth)
    (sent,) = desk.sent
    assert "BASE" not in sent.headers.get("authorization", "")


def test_the_flow_is_not_begun_without_a_401(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pump, "flow", None)
    desk = Desk()
    desk.always("call", lambda _: httpx.Response(200))
    with desk.client(token="BASE") as bank:
        assert bank.post("/transfers", json={"amount": 1}).status_code == 200
    assert [sent.headers["authorization"] for sent in desk.sent] == ["Bearer BASE"]


def test_the_apps_own_authorization_is_replaced_as_ever() -> None:
    desk = Desk()
    desk.always("call", lambda _: httpx.Response(200))
    with desk.client(token="BASE") as bank:
        bank.get("/x", headers={"Authorization": "Bearer OWN"})
    assert desk.sent[0].headers.get_list("authorization") == ["Bearer BASE"]


def test_what_another_call_obtained_meanwhile_is_taken_after_the_401() -> None:
    """A call sets out with the base token; before it is answered, another one is challenged and served: one prompt."""
    desk = Desk()
    with desk.client(token="BASE") as bank:

        def challenged_late(sent: Sent) -> httpx.Response:
            desk.always("call", served)
            assert bank.post("/transfers").status_code == 200
            return challenged()

        def served(sent: Sent) -> httpx.Response:
            return challenged() if sent.headers["authorization"] == "Bearer BASE" else httpx.Response(200)

        desk.always("call", challenged_late)
        assert bank.post("/transfers").status_code == 200
    assert len(desk.person.occasions) == 1


def test_a_bound_token_still_brings_a_proof() -> None:
    desk = Desk()
    desk.always("call", lambda _: httpx.Response(200))
    with desk.client(token=BaseToken(access_token="BASE", token_type="DPoP")) as bank:
        bank.get("/x")
    assert desk.sent[0].proof["htm"] == "GET"
