"""Redirects: another origin gets no token and no proof, and what it says does not count (design, behaviour 1)."""

import asyncio
from typing import Any

import httpx
import pytest

from support.desk import API, CHALLENGE, ELSEWHERE, Desk, Sent, challenged
from support.libraries import Library
from upstile.client import AsyncClient, Requirement, UntrustedChallenge
from upstile.protocol import verify_proof

pytestmark = pytest.mark.usefixtures("library")

ORDER = {"to": "ACME"}
BODY = b'{"to":"ACME"}'


@pytest.fixture
def desk() -> Desk:
    """A desk; the other origin answers with a perfect challenge."""
    desk = Desk()
    desk.always("elsewhere", lambda _: challenged(text="theirs"))
    return desk


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
def test_a_challenge_from_another_origin_is_the_calls_own_401(desk: Desk, status: int, waits: bool) -> None:
    desk.first("call", _moved(status, f"{ELSEWHERE}/transfers"))
    reply = _sent(desk, waits, "POST", "/transfers", json=ORDER)
    assert (reply.status_code, reply.text) == (401, "theirs")
    assert [sent.place for sent in desk.sent] == ["call", "elsewhere"]
    assert not desk.asked
    assert _bare(desk.sent[1])
    assert desk.sent[1].body == (BODY if status in (307, 308) else b"")


def test_nobody_is_asked_ahead_for_another_origin(desk: Desk) -> None:
    with desk.client() as bank, pytest.raises(UntrustedChallenge):
        bank.request("POST", f"{ELSEWHERE}/transfers", step_up=Requirement(acr="mfa"))
    assert (desk.sent, desk.asked) == ([], False)


def test_a_demand_for_a_nonce_from_another_origin_is_not_obeyed(desk: Desk) -> None:
    demand = {"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "theirs"}
    desk.first("call", _moved(307, f"{ELSEWHERE}/transfers"))
    desk.always("elsewhere", lambda _: httpx.Response(401, headers=demand))
    assert _sent(desk, False, "POST", "/transfers", json=ORDER).status_code == 401
    assert [sent.place for sent in desk.sent] == ["call", "elsewhere"]


def test_an_elevated_token_does_not_leave_the_origin_either(desk: Desk) -> None:
    with desk.client(follow_redirects=True) as bank:
        assert bank.post("/transfers", json=ORDER).status_code == 200
        desk.person.occasions.clear()
        desk.first("call", _moved(307, f"{ELSEWHERE}/transfers"))
        assert bank.post("/transfers", json=ORDER).status_code == 401
    assert _bare(desk.at("elsewhere")[0])
    assert desk.person.occasions == []
    assert len(desk.at("start")) == 1


def test_a_repeat_that_is_redirected_away_is_no_second_ceremony(desk: Desk) -> None:
    desk.first("call", challenged(), _moved(308, f"{ELSEWHERE}/transfers"))
    reply = _sent(desk, False, "POST", "/transfers", json=ORDER)
    assert (reply.status_code, reply.text) == (401, "theirs")
    assert _bare(desk.at("elsewhere")[0])
    assert len(desk.person.occasions) == 1


def test_a_token_does_not_come_back_with_the_way_back(desk: Desk) -> None:
    desk.first("call", _moved(307, f"{ELSEWHERE}/there"))
    desk.always("elsewhere", lambda _: _moved(307, f"{API}/back"))
    desk.first("call", httpx.Response(200))
    _sent(desk, False, "GET", "/balance")
    assert [sent.url for sent in desk.sent] == [f"{API}/balance", f"{ELSEWHERE}/there", f"{API}/back"]
    assert _bare(desk.sent[1])
    assert _bare(desk.sent[2])


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (307, "POST"), (308, "POST")])
@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
def test_a_redirect_within_the_origin_gets_a_proof_of_its_own(
    desk: Desk, status: int, method: str, waits: bool
) -> None:
    desk.first("call", _moved(status, f"{API}/v2/transfers"), httpx.Response(200))
    assert _sent(desk, waits, "POST", "/transfers", json=ORDER).status_code == 200
    first, second = desk.sent
    assert (second.method, second.url, second.body) == (
        method,
        f"{API}/v2/transfers",
        BODY if method == "POST" else b"",
    )
    assert _proven(second, "BASE-SECRET") != _proven(first, "BASE-SECRET")


@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "asyncio"])
def test_a_challenge_behind_a_redirect_within_the_origin_counts(desk: Desk, waits: bool) -> None:
    desk.always("call", _moving)
    assert _sent(desk, waits, "POST", "/transfers", json=ORDER).status_code == 200
    calls = desk.at("call")
    assert [sent.url for sent in calls] == [f"{API}/transfers", f"{API}/v2/transfers"] * 2
    assert [sent.body for sent in calls] == [BODY] * 4
    tokens = ["BASE-SECRET", "BASE-SECRET", "ELEVATED-1", "ELEVATED-1"]
    assert len({_proven(sent, token) for sent, token in zip(calls, tokens, strict=True)}) == 4


@pytest.mark.both_libraries
def test_the_way_from_http_to_https_is_another_origin_although_httpx_would_keep_the_token(library: Library) -> None:
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.copy())
        return _moved(301, "https://localhost/") if request.url.scheme == "http" else challenged()

    options = {"transport": library.carried(httpx.MockTransport(answer)), "follow_redirects": True}
    with library.clients.Client("http://localhost", client_id="cli", token="BASE", **options) as bank:
        assert bank.get("/").status_code == 401
    assert ["authorization" in headers for headers in seen] == [True, False]


def test_a_plain_client_with_our_auth_asks_nobody_for_another_origin(desk: Desk, library: Library) -> None:
    with desk.client() as bank:
        auth = bank.step_up_auth
        desk.first("call", _moved(302, f"{ELSEWHERE}/transfers"))
        way = library.carried(desk)
        with library.http.Client(base_url=API, auth=auth, transport=way, follow_redirects=True) as plain:
            assert plain.post("/transfers", json=ORDER).status_code == 401
    assert "authorization" not in desk.sent[1].headers
    assert not desk.asked


def _sent(desk: Desk, waits: bool, method: str, url: str, **request: Any) -> httpx.Response:
    async def call(bank: AsyncClient) -> httpx.Response:
        async with bank:
            return await bank.request(method, url, **request)

    if waits:
        return asyncio.run(call(desk.async_client(follow_redirects=True)))
    with desk.client(follow_redirects=True) as bank:
        return bank.request(method, url, **request)


def _moved(status: int, url: str) -> httpx.Response:
    return httpx.Response(status, headers={"location": url})


def _moving(sent: Sent) -> httpx.Response:
    if sent.url == f"{API}/transfers":
        return _moved(307, "/v2/transfers")
    return httpx.Response(200) if "ELEVATED" in sent.headers["authorization"] else challenged(CHALLENGE)


def _bare(sent: Sent) -> bool:
    """Whether a request carries neither token nor proof."""
    return "authorization" not in sent.headers and "dpop" not in sent.headers


def _proven(sent: Sent, token: str) -> str:
    """The identifier of a request's proof, which is for this request and token."""
    proof = verify_proof(
        sent.headers["dpop"],
        expected_htm=sent.method,
        expected_htu=sent.url,
        now=sent.proof["iat"],
        expected_access_token=token,
    )
    assert sent.headers["authorization"] == f"DPoP {token}"
    return proof.jti
