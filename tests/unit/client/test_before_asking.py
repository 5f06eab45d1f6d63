"""Nothing is asked of a person, and nothing is signed, before all that can be checked was checked."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from support.desk import API, Desk, Sent, challenged, server_metadata, webauthn_offer
from support.keys import enroll
from upstile.client import (
    CallbackPrompter,
    CeremonyFailed,
    Client,
    ConfigurationError,
    NoMethodAvailable,
    NotSignedIn,
    Occasion,
    Totp,
    UnreplayableBody,
    UntrustedChallenge,
    Way,
    WebAuthn,
)
from upstile.client.methods import MethodUnavailable
from upstile.client.testing import ScriptedPrompter, VirtualKey

TOTP = {"method": "totp"}


def _offered(credential: bytes, **options: Any) -> Callable[[Sent], list[dict[str, Any]]]:
    def offers(sent: Sent) -> list[dict[str, Any]]:
        offer = webauthn_offer(sent, credential)
        offer["options"] = {**offer["options"], **options}
        return [offer, TOTP]

    return offers


FOREIGN = {
    "another site": {"rpId": "evil.example"},
    "the site above": {"rpId": "example.com.evil.example"},
    "a whole country": {"rpId": "com"},
    "no site": {"rpId": None},
    "a number for a site": {"rpId": 7},
}
UNREADABLE = {
    "no list": {"allowCredentials": 7},
    "a null in the list": {"allowCredentials": [None]},
    "a list of texts": {"allowCredentials": ["x"]},
}


@pytest.mark.parametrize("options", [*FOREIGN.values(), *UNREADABLE.values()], ids=[*FOREIGN, *UNREADABLE])
def test_an_offer_that_must_not_be_answered_ends_the_ceremony_before_anybody_is_asked(options: dict[str, Any]) -> None:
    desk, key = Desk(), VirtualKey(pin="1234")
    credential = enroll(key, "1234").credential_id
    key.touches = 0
    desk.offers = _offered(credential, **options)
    with desk.client(methods=[WebAuthn(lambda: [key]), Totp()]) as bank, pytest.raises(CeremonyFailed):
        bank.post("/transfers")
    assert not desk.asked
    assert (key.touches, desk.at("answer")) == (0, [])


def test_a_key_that_is_not_enrolled_is_not_offered_to_the_person() -> None:
    desk, key = Desk(), VirtualKey()
    desk.offers = _offered(enroll(VirtualKey(pin="1234"), "1234").credential_id)
    with desk.client(methods=[WebAuthn(lambda: [key]), Totp()]) as bank:
        assert bank.post("/transfers").status_code == 200
    assert len(desk.person.occasions) == 1
    assert desk.person.labels == ["Code from your authenticator app"]


def test_a_key_whose_pin_the_app_cannot_ask_for_is_not_offered() -> None:
    desk, key = Desk(), VirtualKey(pin="1234")
    credential = enroll(key, "1234").credential_id
    key.touches = 0
    desk.offers = _offered(credential)
    asked: list[str] = []

    def code(label: str) -> str:
        asked.append(label)
        return "123456"

    def begin(occasion: Occasion, way: Way, others: Sequence[Way]) -> Way:
        asked.append(way.id)
        return way

    prompter = CallbackPrompter(code=code, begin=begin)
    with desk.client(methods=[WebAuthn(lambda: [key]), Totp()], prompter=prompter) as bank:
        assert bank.post("/transfers").status_code == 200
    assert asked == ["totp", "Code from your authenticator app"]
    assert key.touches == 0


def test_where_it_is_all_there_is_the_app_is_what_is_named() -> None:
    desk, key = Desk(), VirtualKey(pin="1234")
    credential = enroll(key, "1234").credential_id
    desk.offers = lambda sent: [webauthn_offer(sent, credential)]
    prompter = CallbackPrompter(code=lambda _: "123456")
    bank = desk.client(methods=[WebAuthn(lambda: [key]), Totp()], prompter=prompter)
    with bank, pytest.raises(NoMethodAvailable, match="This app cannot ask for a PIN") as caught:
        bank.post("/transfers")
    assert caught.value.hint == "CallbackPrompter has no pin="


def test_where_the_pin_is_not_needed_the_key_does_without() -> None:
    desk, key = Desk(), VirtualKey(pin="1234")
    credential = enroll(key, "1234").credential_id
    desk.offers = lambda sent: [webauthn_offer(sent, credential, verification="preferred")]
    with desk.client(methods=[WebAuthn(lambda: [key])], prompter=CallbackPrompter()) as bank:
        assert bank.post("/transfers").status_code == 200


@pytest.mark.parametrize("offered", [[], [{"method": "otp", "id": "e", "channel": "email"}]], ids=["nothing", "a mail"])
def test_where_there_is_nothing_in_common_both_sides_are_named(offered: list[dict[str, Any]]) -> None:
    desk = Desk()
    desk.offers = lambda sent: offered
    with desk.client() as bank, pytest.raises(NoMethodAvailable) as caught:
        bank.post("/transfers")
    would = "a code that you are sent" if offered else "nothing"
    assert str(caught.value) == f"The service would take {would}, and this app could do an authenticator app"
    assert caught.value.hint.endswith("methods= that can be used here: totp")
    assert not desk.asked


def test_no_second_question_is_asked_for_a_step_that_is_over() -> None:
    desk = Desk()

    class Slow(Totp):
        name = "webauthn"

        def look(self, offer: Any, moment: Any) -> None: ...

        def answer(self, offer: Any, moment: Any) -> Any:
            desk.monotonic.move(301)
            raise MethodUnavailable("the key was taken out")

    desk.offers = lambda sent: [webauthn_offer(sent, b"x"), TOTP]
    with desk.client(methods=[Slow(), Totp()]) as bank, pytest.raises(CeremonyFailed, match="took too long"):
        bank.post("/transfers")
    assert len(desk.person.occasions) == 1
    assert desk.at("answer") == []


LATE = {
    "another resource": ("resource", {"resource": "https://evil.example", "authorization_servers": [API]}),
    "another issuer": ("resource", {"resource": API, "authorization_servers": ["https://evil.example"]}),
    "the server calls itself otherwise": ("server", server_metadata(issuer="https://evil.example")),
    "the ceremony is elsewhere": ("server", server_metadata(authorization_challenge_endpoint="https://evil.example/c")),
    "the token is elsewhere": ("server", server_metadata(token_endpoint="https://evil.example/t")),
    "codes are redeemed nowhere": ("server", {"issuer": API, "authorization_challenge_endpoint": f"{API}/challenge"}),
}


@pytest.mark.parametrize(("place", "document"), LATE.values(), ids=LATE)
def test_a_server_that_is_not_the_one_is_found_out_first(place: str, document: dict[str, Any]) -> None:
    desk = Desk()
    desk.always(place, lambda _: httpx.Response(200, json=document))
    with desk.client() as bank, pytest.raises((UntrustedChallenge, CeremonyFailed)):
        bank.post("/transfers")
    assert not desk.asked
    assert desk.at("start") == []


def test_nor_is_anybody_asked_for_a_call_that_could_not_be_repeated_or_has_no_sign_in() -> None:
    desk = Desk()
    with desk.client() as bank, pytest.raises(UnreplayableBody):
        bank.post("/transfers", content=iter([b"x"]))
    with desk.client(token=None) as bank, pytest.raises(NotSignedIn):
        bank.step_up(acr="mfa")
    assert not desk.asked
    assert desk.at("start") == []


NEW_KEY = {
    "rp": {"id": "api.example.com", "name": "Bank"},
    "user": {"id": "AAAA", "name": "ada", "displayName": "ada"},
    "challenge": "AAAA",
    "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
    "authenticatorSelection": {"userVerification": "required"},
}
BAD_ENROLMENTS: dict[str, dict[str, Any]] = {
    "no key URI": {},
    "a web page": {"otpauth_uri": "https://evil.example"},
    "another kind": {"otpauth_uri": "otpauth://hotp/x?secret=AAAA"},
    "hidden marks": {"otpauth_uri": "otpauth://totp/x\u202e?secret=AAAA"},
    "another site": {"options": {**NEW_KEY, "rp": {"id": "evil.example", "name": "Bank"}}},
    "no options": {"options": {}},
}


@pytest.mark.parametrize("pending", BAD_ENROLMENTS.values(), ids=BAD_ENROLMENTS)
def test_nothing_is_set_up_from_what_makes_no_sense(pending: dict[str, Any]) -> None:
    desk, keys = Desk(), [VirtualKey(pin="1234"), VirtualKey(pin="1234")]
    document = server_metadata(authenticators_endpoint=f"{API}/authenticators")
    desk.always("server", lambda _: httpx.Response(200, json=document))
    desk.always("call", lambda _: httpx.Response(201, json={"id": "a", "state": "pending", **pending}))
    method = WebAuthn(lambda: keys) if "options" in pending else Totp()
    with desk.client() as bank, pytest.raises(CeremonyFailed):
        bank.authenticators.enroll(method, "new")
    assert (desk.person.labels, desk.person.key_uris) == ([], [])
    assert [key.touches for key in keys] == [0, 0]
    assert len(desk.at("call")) == 1  # nothing is verified either


def test_nobody_confirms_an_enrolment_for_which_there_is_no_key() -> None:
    desk = Desk()
    document = server_metadata(authenticators_endpoint=f"{API}/authenticators")
    desk.always("server", lambda _: httpx.Response(200, json=document))
    desk.always("call", lambda _: challenged())
    with desk.client() as bank, pytest.raises(NoMethodAvailable, match="No security key is connected"):
        bank.authenticators.enroll(WebAuthn(list), "key")
    assert not desk.sent


@pytest.mark.parametrize(
    "url",
    ["", "http://", "https://", "api.example.com", "localhost:8000", "//api.example.com", "http://api.example.com"],
)
def test_an_address_that_is_none_is_an_error_of_ours(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https") as caught:
        Client(url, client_id="cli", prompter=ScriptedPrompter())
    assert caught.value.diagnostics() == "This app is not set up right. Tell the makers of this app."


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "bank.example",
        "http://bank.example",
        "https://bank.example/",
        "https://Bank.example",
        "https://a@bank.example",
    ],
)
def test_an_origin_that_no_server_would_take_is_refused_before_anybody_touches_a_key(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="must be an origin"):
        Client(API, client_id="cli", prompter=ScriptedPrompter(), webauthn_origin=origin)


def test_the_origin_that_was_meant_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"'https://bank\.example', perhaps"):
        Client(API, client_id="cli", prompter=ScriptedPrompter(), webauthn_origin="https://bank.example:443/login")
