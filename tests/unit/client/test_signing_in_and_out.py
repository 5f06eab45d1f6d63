"""A sign-in begins, ends, and is said to have ended."""

import asyncio
from contextlib import closing
from typing import Any

import httpx
import pytest

from support.desk import API, Desk, challenged, server_metadata
from support.rooms import Room
from upstile.client import (
    CeremonyFailed,
    ConfigurationError,
    MemoryStore,
    NotSignedIn,
    SignInExpired,
    StepUpError,
)

pytestmark = pytest.mark.usefixtures("library")

DEAD = 'DPoP error="invalid_token"'
TOKEN = {"access_token": "BASE-SECRET", "token_type": "DPoP"}


def refused(challenge: str) -> httpx.Response:
    problem = {"type": "urn:upstile:problem:x", "title": "t", "status": 401, "instance": "urn:uuid:1"}
    return httpx.Response(401, headers={"www-authenticate": challenge}, json=problem)


@pytest.fixture
def room() -> Room:
    return Room(MemoryStore())


def test_a_sign_in_says_who_it_is_until_when_and_whether_it_is_bound(room: Room) -> None:
    desk = room.desk
    desk.first("call", httpx.Response(200, json={**TOKEN, "expires_in": 60}))
    with room.client() as bank:
        assert bank.signed_in is None
        signed_in = bank.sign_in("/login", subject="ada", json={})
        assert signed_in is not None
        assert signed_in == bank.signed_in
        assert (signed_in.subject, signed_in.expires, signed_in.bound) == ("ada", desk.clock() + 60, True)
        desk.clock.move(60)
        assert bank.signed_in is None
        desk.first("call", httpx.Response(200, json={"access_token": "B", "token_type": "Bearer"}))
        other = bank.sign_in("/login")
        assert other is not None
        assert (other.subject, other.expires, other.bound) == (None, None, False)


@pytest.mark.parametrize("challenge", [DEAD, 'Bearer error="invalid_token"'])
def test_a_token_that_the_api_takes_no_more_is_an_error_of_its_own(room: Room, challenge: str) -> None:
    with closing(room.signed_in()) as bank:
        room.desk.first("call", refused(challenge))
        with pytest.raises(SignInExpired) as caught:
            bank.post("/transfers")
    error = caught.value
    assert error.diagnostics().startswith("Your sign-in has ended. Sign in again.")
    assert error.response is not None
    assert (error.response.status, error.correlation_id) == (401, "urn:uuid:1")
    assert not room.desk.asked


def test_a_call_without_a_sign_in_is_an_error_of_its_own(room: Room) -> None:
    room.desk.always("call", lambda _: refused('Bearer realm="bank"'))
    with room.client() as bank:
        with pytest.raises(NotSignedIn) as caught:
            bank.post("/transfers")
        assert caught.value.correlation_id == "urn:uuid:1"
        with pytest.raises(NotSignedIn):
            bank.step_up(acr="mfa")
        room.desk.always("call", lambda _: challenged())
        with pytest.raises(NotSignedIn, match="You are not signed in"):
            bank.post("/transfers")


@pytest.mark.parametrize("challenge", ['Basic realm="bank"', "Negotiate", ""])
def test_a_401_that_is_not_about_our_tokens_is_the_callers_own(room: Room, challenge: str) -> None:
    room.desk.always("call", lambda _: refused(challenge))
    with room.client() as bank:
        assert bank.post("/transfers").status_code == 401


def test_a_401_of_another_origin_ends_no_sign_in(room: Room) -> None:
    room.desk.always("elsewhere", lambda _: refused(DEAD))
    with closing(room.signed_in()) as bank:
        assert bank.get("https://elsewhere.example/x").status_code == 401
        assert bank.signed_in is not None


def test_async_code_is_told_the_same() -> None:
    room = Room(MemoryStore())

    async def main() -> None:
        async with room.desk.async_client(token=None, store=room.store) as bank:
            room.desk.first("call", httpx.Response(200, json={**TOKEN, "expires_in": 60}))
            signed_in = await bank.sign_in("/login", subject="ada")
            assert signed_in is not None
            assert signed_in.subject == "ada"
            room.desk.first("call", refused(DEAD))
            with pytest.raises(SignInExpired):
                await bank.post("/transfers")
            await bank.sign_out()
            assert bank.signed_in is None
            room.desk.first("call", refused('DPoP algs="ES256"'))
            with pytest.raises(NotSignedIn):
                await bank.post("/transfers")

    asyncio.run(main())
    assert [sent.form["token"] for sent in room.desk.at("revoke")] == ["BASE-SECRET"]


def test_after_a_sign_in_elsewhere_the_next_call_goes_with_it(room: Room) -> None:
    with closing(room.signed_in("OLD")) as bank:
        room.signed_in("NEW").close()
        room.desk.first("call", refused(DEAD))
        with pytest.raises(SignInExpired):
            bank.get("/balance")
        bank.get("/balance", headers={})
    assert [sent.headers.get("authorization") for sent in room.desk.at("call")[-2:]] == ["DPoP NEW", "DPoP ELEVATED-1"]


def test_a_sign_out_tells_the_server_and_keeps_the_key_alone(room: Room) -> None:
    with closing(room.signed_in()) as bank:
        bank.post("/transfers")
        bank.sign_out()
        assert bank.signed_in is None
        room.desk.first("call", httpx.Response(200))
        bank.post("/transfers")
        bank.sign_out()  # nobody is: nothing happens
    (told,) = room.desk.at("revoke")
    assert told.form == {"token": "BASE-SECRET", "token_type_hint": "access_token", "client_id": "cli"}
    assert "authorization" not in room.desk.at("call")[-1].headers
    first = room.desk.at("call")[0].jkt
    room.signed_in().close()
    assert room.desk.at("call")[-1].jkt == first


@pytest.mark.parametrize("subject", ["bob", None])
def test_another_subject_signs_in_with_another_key(room: Room, subject: str | None) -> None:
    room.signed_in().close()
    room.signed_in().close()
    with closing(room.signed_in(subject=subject)) as bank:
        room.desk.first("call", httpx.Response(200))
        bank.get("/balance")
    ada, again, other, call = [sent.jkt for sent in room.desk.at("call")]
    assert ada == again
    assert ada != other == call


def test_also_after_a_sign_out_and_for_a_client_that_goes_on(room: Room) -> None:
    with closing(room.signed_in()) as bank:
        bank.sign_out()
        room.desk.first("call", httpx.Response(200, json=TOKEN))
        bank.sign_in("/login", subject="bob")
    ada, bob = [sent.jkt for sent in room.desk.at("call")]
    assert ada != bob


def test_a_key_is_forgotten_on_request(room: Room) -> None:
    room.signed_in().close()
    with room.client() as bank:
        bank.sign_out(forget=True)
    room.signed_in().close()
    first, second = [sent.jkt for sent in room.desk.at("call")]
    assert first != second


def test_a_key_of_the_apps_own_stays(room: Room) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    desk = Desk()
    with desk.client(token=None, dpop_key=ec.generate_private_key(ec.SECP256R1())) as bank:
        for subject in ("ada", "bob"):
            desk.first("call", httpx.Response(200, json=TOKEN))
            bank.sign_in("/login", subject=subject)
        assert len({sent.jkt for sent in desk.at("call")}) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        lambda desk: desk.first("revoke", httpx.ConnectError("away")),
        lambda desk: desk.first("revoke", httpx.Response(503)),
        lambda desk: desk.always("server", lambda _: httpx.Response(503)),
        lambda desk: desk.always(
            "server", lambda _: httpx.Response(200, json=server_metadata(revocation_endpoint="https://evil.example/r"))
        ),
    ],
)
def test_a_server_that_cannot_be_told_is_said_and_this_machine_forgets_all_the_same(room: Room, trouble: Any) -> None:
    with closing(room.signed_in()) as bank:
        trouble(room.desk)
        with pytest.raises(CeremonyFailed, match="You are signed out here") as caught:
            bank.sign_out()
        assert bank.signed_in is None
    assert isinstance(caught.value, StepUpError)
    assert not room.desk.at("elsewhere")  # a token goes to nobody else
    with room.client() as bank:
        assert bank.signed_in is None


def test_a_sign_in_that_is_the_apps_own_is_not_ours_to_end() -> None:
    with Desk().client() as bank, pytest.raises(ConfigurationError, match="the app's own sign-in"):
        bank.sign_out()


def test_a_store_and_a_token_are_not_both_given() -> None:
    with pytest.raises(ConfigurationError, match="leave token= and dpop_key= out"):
        Desk().client(store=MemoryStore())


def test_what_is_obtained_for_one_user_is_not_kept_for_the_next(room: Room) -> None:
    with closing(room.signed_in()) as bank:
        bank.post("/transfers")
        room.desk.first("call", httpx.Response(200, json={**TOKEN, "access_token": "BOB"}))
        bank.sign_in("/login", subject="bob")
        bank.post("/transfers")
    assert len(room.desk.person.occasions) == 2
    assert API in room.desk.person.occasions[0].server


@pytest.mark.parametrize("name", ["", "a\nb", "\ud800", "x" * 256])
def test_a_name_that_could_not_be_read_again_is_refused_before_a_password_is_sent(room: Room, name: str) -> None:
    with room.client() as bank, pytest.raises(ConfigurationError, match="printable name"):
        bank.sign_in("/login", subject=name)
    with pytest.raises(ConfigurationError, match="printable name"):
        room.client(profile=name)
    assert not room.desk.sent
