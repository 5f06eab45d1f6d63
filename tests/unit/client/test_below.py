"""Tokens stay below the path of the API: nothing that may lead out of it gets one."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.desk import server_metadata
from upstile.client import BaseToken, Client, ConfigurationError, UntrustedChallenge
from upstile.client._exchange import is_below
from upstile.client.flow._trust import Pins
from upstile.protocol import ServerMetadata

BASE = "https://example.com/api"
BELOW = [
    "",
    "/",
    "/a",
    "/a/b?x=/../y",
    "/a%2Fb",
    "/a%20b",
    "/a..b",
    "/...",
    "/.well-known/x",
    "//a",
    "/%C3%A9",
    "/a;x=..",
    "/a%3F..",
    "/a%23..b",
    "?q",
]
ELSEWHERE = [
    "https://example.com",
    "https://example.com/",
    "https://example.com/apis",
    "https://example.com/API/a",
    "https://example.com/%61pi/a",
    "https://example.com//api/a",
    "https://example.com/other/api/a",
    "https://example.com:8443/api/a",
    "http://example.com/api/a",
    "https://sub.example.com/api/a",
    *(
        f"{BASE}/{out}/admin"
        for out in (
            "..",
            "%2e",
            "a/../..",
            "%2e%2e",
            "%2E.",
            ".%2e",
            "%252e%252e",
            "%25252e%25252e",
            "a%2f..%2f..",
            "..%2f",
            "..%5c",
            "..%5C..",
            "a%5c..%5c..",
            "..;",
            "..;x=1",
            "%2e%2e%3bx",
            "..%3f",
            "..%3Fx=1",
            "%2e%2e%23",
            "a/..%2523x",
            "..%00",
            "%00..",
            "..%20",
            "%09..",
            "..%0d",
        )
    ),
    f"{BASE}/..",
    f"{BASE}/a/..%2f",
    f"{BASE}%2f..%2fadmin",
    f"{BASE}/%2e%2e",
]


@pytest.mark.parametrize("rest", BELOW)
def test_what_is_below(rest: str) -> None:
    assert is_below(BASE, BASE + rest)
    assert Pins.of(BASE, None).is_api(BASE + rest)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_what_is_elsewhere_gets_no_token(url: str) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    assert not Pins.of(BASE, None).is_api(url)
    base = BaseToken(access_token="BASE", token_type="Bearer")
    with Client(BASE, client_id="cli", token=base, transport=httpx.MockTransport(answer)) as client:
        client.get(url)
        assert [request.headers.get("authorization") for request in sent] == [None]
        client.get("/a")
        assert sent[-1].headers["authorization"] == "Bearer BASE"


@pytest.mark.parametrize("url", ["https://example.com/other", f"{BASE}/%2e%2e/other", f"{BASE}/../other"])
def test_a_redirect_out_of_the_path_takes_no_token_along(url: str) -> None:
    def answers() -> Iterator[httpx.Response]:
        yield httpx.Response(307, headers={"location": url})
        yield httpx.Response(200)

    left, sent = answers(), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return next(left)

    base = BaseToken(access_token="BASE", token_type="DPoP")
    with Client(
        BASE, client_id="cli", token=base, transport=httpx.MockTransport(answer), follow_redirects=True
    ) as client:
        client.get("/a")
    assert [("authorization" in request.headers, "dpop" in request.headers) for request in sent] == [
        (True, True),
        (False, False),
    ]


@pytest.mark.parametrize(
    "endpoint",
    [
        "authorization_challenge_endpoint",
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "pushed_authorization_request_endpoint",
    ],
)
@pytest.mark.parametrize(
    "where", ["https://example.com/other/token", "https://example.com/token", f"{BASE}/%2e%2e/token"]
)
def test_an_endpoint_of_the_apis_own_issuer_lies_below_the_path(endpoint: str, where: str) -> None:
    pins = Pins.of(BASE, None)
    members: dict[str, Any] = {
        name: value.replace("https://api.example.com", BASE) if isinstance(value, str) else value
        for name, value in server_metadata().items()
    }
    pins.check_server(ServerMetadata.from_members({**members, "issuer": BASE}))
    with pytest.raises(UntrustedChallenge):
        pins.check_server(ServerMetadata.from_members({**members, "issuer": BASE, endpoint: where}))


def test_a_sign_in_is_sent_to_the_api_alone() -> None:
    with Client(BASE, client_id="cli") as client, pytest.raises(ConfigurationError):
        client.sign_in("https://example.com/login", subject="ada")


def test_an_api_of_a_host_alone_is_as_it_was() -> None:
    pins = Pins.of("https://example.com/", None)
    assert pins.issuer == pins.base == pins.api == "https://example.com"
    assert pins.is_api("https://example.com/%2e%2e/x")
