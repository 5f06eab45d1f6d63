"""Metadata: whose it must be, before anybody is asked, and for how long it is good."""

from typing import Any

import httpx
import pytest

from support.desk import API, CHALLENGE, ELSEWHERE, Desk, challenged, server_metadata
from upstile.client import CeremonyFailed, UntrustedChallenge

pytestmark = pytest.mark.usefixtures("library")


@pytest.mark.parametrize(
    ("control", "seconds", "fetched"),
    [
        (None, 599, 1),
        (None, 600, 2),
        ("no-store", 0, 2),
        ("private, No-Store", 0, 2),
        ("No-Cache", 0, 2),
        ("public, max-age=30", 29, 1),
        ("public, max-age=30", 30, 2),
        ("MAX-AGE=3600", 3599, 1),
        ("max-age=3600", 3600, 2),
        ("max-age=0", 0, 2),
        ("s-maxage=5", 599, 1),
        ("max-age=999999999", 86_400, 2),
    ],
)
def test_metadata_is_good_for_ten_minutes_or_as_long_as_it_says(
    control: str | None, seconds: int, fetched: int
) -> None:
    desk, headers = Desk(), {} if control is None else {"cache-control": control}
    desk.always("resource", lambda _: _answer({"resource": API, "authorization_servers": [API]}, headers))
    desk.always("server", lambda _: _answer(server_metadata(), headers))
    with desk.client() as bank:
        bank.step_up(max_age=0)
        desk.monotonic.move(seconds)
        bank.step_up(max_age=0)
    assert (len(desk.at("resource")), len(desk.at("server"))) == (fetched, fetched)
    assert len(desk.person.occasions) == 2


def test_an_endpoint_that_moves_is_followed_when_the_metadata_is_read_again() -> None:
    desk = Desk()
    with desk.client() as bank:
        bank.step_up(max_age=0)
        desk.always("server", lambda _: _answer(server_metadata(token_endpoint=f"{ELSEWHERE}/token"), {}))
        desk.monotonic.move(600)
        with pytest.raises(UntrustedChallenge):
            bank.step_up(max_age=0)
    assert len(desk.at("start")) == 1


def test_untrusted_metadata_is_looked_at_again_once_it_may_be_mended() -> None:
    desk = Desk()
    desk.always("server", lambda _: _answer(server_metadata(token_endpoint=f"{ELSEWHERE}/token"), {}))
    with desk.client() as bank:
        with pytest.raises(UntrustedChallenge):
            bank.step_up(max_age=0)
        desk.always("server", lambda _: _answer(server_metadata(), {}))
        bank.step_up(max_age=0)
    assert len(desk.at("server")) == 2


@pytest.mark.parametrize("endpoint", ["token_endpoint", "authorization_challenge_endpoint"])
@pytest.mark.parametrize("origin", [ELSEWHERE, "http://api.example.com", f"{API}:444", f"{API}.evil.example"])
def test_an_endpoint_on_another_origin_ends_the_call_before_anybody_is_asked(endpoint: str, origin: str) -> None:
    desk = Desk()
    desk.always("server", lambda _: _answer(server_metadata(**{endpoint: f"{origin}/x"}), {}))
    with desk.client() as bank, pytest.raises(UntrustedChallenge, match="endpoint"):
        bank.post("/transfers")
    assert [sent.place for sent in desk.sent] == ["call", "resource", "server"]
    assert not desk.asked


def test_metadata_on_another_origin_is_not_even_fetched() -> None:
    desk = Desk()
    desk.always("call", lambda _: challenged(CHALLENGE.replace(f'metadata="{API}', f'metadata="{ELSEWHERE}')))
    with desk.client() as bank, pytest.raises(UntrustedChallenge, match=ELSEWHERE):
        bank.post("/transfers")
    assert [sent.place for sent in desk.sent] == ["call"]
    assert not desk.asked


def test_a_challenge_that_points_elsewhere_does_not_get_the_token_that_is_here_already() -> None:
    desk = Desk()
    desk.first("call", challenged(CHALLENGE.replace(f'metadata="{API}', f'metadata="{ELSEWHERE}')))
    with desk.client() as bank:
        bank.step_up(acr="mfa")
        with pytest.raises(UntrustedChallenge):
            bank.post("/transfers")
    assert len(desk.at("call")) == 1


def test_a_redirect_of_metadata_is_not_followed() -> None:
    desk = Desk()
    desk.always("resource", lambda _: httpx.Response(302, headers={"location": f"{ELSEWHERE}/metadata"}))
    with desk.client(follow_redirects=True) as bank, pytest.raises(CeremonyFailed, match="answered 302"):
        bank.post("/transfers")
    assert desk.at("elsewhere") == []


def _answer(document: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    return httpx.Response(200, json=document, headers=headers)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (404, "at its root"),
        (401, "in front of"),
        (403, "in front of"),
        (429, "a minute"),
        (503, "a minute"),
        (301, "address"),
    ],
)
def test_what_to_do_about_missing_metadata_depends_on_the_status(status: int, says: str) -> None:
    desk = Desk()
    desk.always("resource", lambda _: httpx.Response(status))
    with desk.client() as bank, pytest.raises(CeremonyFailed) as caught:
        bank.post("/transfers")
    assert says in caught.value.next_step
