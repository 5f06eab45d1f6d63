"""Recovery codes: written in any way, shown once, replaced; a password, asked again and kept nowhere."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from support.desk import API, Desk, server_metadata
from support.several_ways import CODES, PASSWORD, RECOVERY, TOTP, SeveralWays
from upstile.client import (
    Authenticator,
    CallbackPrompter,
    CeremonyFailed,
    Client,
    ConfigurationError,
    FileStore,
    NoMethodAvailable,
    Otp,
    Password,
    RecoveryCode,
    StepUpCancelled,
    TerminalPrompter,
    Totp,
)
from upstile.client.testing import ScriptedPrompter

pytestmark = pytest.mark.usefixtures("library")

METHODS = [Totp(), Password(), RecoveryCode()]
SHOWN = ["7QKM-0ZCD-1A9W-0E1X", "0000-1111-2222-3333"]


def _client(desk: Desk, person: Any, **options: Any) -> Client:
    return desk.client(methods=METHODS, prompter=person, **options)


@pytest.mark.parametrize(
    "written", ["7QKM-0ZCD-1A9W-0E1X", " 7qkm 0zcd 1a9w 0e1x ", "7qkmOzcdiA9wOEix", "7QKMOZCDLA9WOELX"]
)
def test_a_code_is_right_however_it_was_written_and_the_person_is_told_how_many_are_left(written: str) -> None:
    desk, person = Desk(), ScriptedPrompter([written])
    server = SeveralWays(desk, [RECOVERY])
    with _client(desk, person) as bank:
        assert bank.post("/transfers").status_code == 200
    assert (person.left, server.violations) == ([1], [])


@pytest.mark.parametrize("typed", ["123456", "7QKM-0ZCD-1A9W-0E1U", "7QKM-0ZCD-1A9W", "7QKM-0ZCD-1A9W-0E1X-0"])
def test_what_cannot_be_one_costs_no_try(typed: str) -> None:
    desk, person = Desk(), ScriptedPrompter([typed, CODES[0]])
    SeveralWays(desk, [RECOVERY])
    with _client(desk, person) as bank:
        assert bank.post("/transfers").status_code == 200
    assert len(desk.at("answer")) == 1
    assert person.labels[1] == "Not one of them: each has 16 letters and digits. One of your recovery codes"


def test_how_many_are_left_is_told_also_where_another_factor_is_asked_for() -> None:
    desk, person = Desk(), ScriptedPrompter([CODES[0]], password="correct horse", choose="recovery_code")
    server = SeveralWays(desk, [PASSWORD, RECOVERY])
    server.factors = 2
    with _client(desk, person) as bank:
        assert bank.post("/transfers").status_code == 200
    assert person.left == [1]
    assert [sent.form["authn_method"] for sent in desk.at("answer")] == ["recovery_code", "password"]


def test_a_password_is_sent_as_it_was_typed_and_asked_for_again_when_wrong() -> None:
    typed = iter([" wrong ", "correct horse"])
    desk = Desk()
    SeveralWays(desk, [PASSWORD])
    with _client(desk, CallbackPrompter(password=lambda label: next(typed))) as bank:
        assert bank.post("/transfers").status_code == 200
    assert [sent.form["password"] for sent in desk.at("answer")] == [" wrong ", "correct horse"]
    assert all("otp" not in sent.form for sent in desk.at("answer"))


@pytest.mark.parametrize("typed", [None, "", "\ud800half"])
def test_a_password_that_is_none_ends_it_and_nothing_is_sent(typed: str | None) -> None:
    desk = Desk()
    SeveralWays(desk, [PASSWORD])
    with _client(desk, CallbackPrompter(password=lambda label: typed)) as bank, pytest.raises(StepUpCancelled):
        bank.post("/transfers")
    assert desk.at("answer") == []


def test_a_password_of_ten_thousand_characters_is_the_servers_to_judge() -> None:
    desk, long = Desk(), "ü" * 10_000
    server = SeveralWays(desk, [PASSWORD])
    server.password = long
    with _client(desk, CallbackPrompter(password=lambda label: long)) as bank:
        assert bank.post("/transfers").status_code == 200


def test_an_app_that_cannot_ask_for_a_password_does_not_offer_it() -> None:
    desk = Desk()
    desk.offers = lambda sent: [TOTP]
    with _client(desk, CallbackPrompter(code=lambda label: "123456")) as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.at("start")[0].form["authn_methods_supported"] == "totp recovery_code"
    desk.first("start", httpx.Response(400, json={"error": "unmet_authentication_requirements"}))
    desk.offers = lambda sent: [PASSWORD]
    with (
        _client(desk, CallbackPrompter(code=lambda label: "123456")) as bank,
        pytest.raises(NoMethodAvailable) as caught,
    ):
        bank.post("/transfers")
    assert caught.value.hint == "CallbackPrompter has no password="


def test_no_password_and_no_recovery_code_is_logged_shown_reported_or_kept(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    desk, events = Desk(), list[Any]()
    desk.person = person = ScriptedPrompter([CODES[0]], password="hunter2-secret", choose="recovery_code")
    server = SeveralWays(desk, [PASSWORD, RECOVERY])
    server.factors, server.password = 2, "hunter2-secret"
    with caplog.at_level(logging.DEBUG):
        store = FileStore("pay", folder=tmp_path)
        with _client(desk, person, token=None, dpop_key=None, store=store, on_event=events.append) as bank:
            desk.first("call", httpx.Response(200, json={"access_token": "BASE", "token_type": "DPoP"}))
            bank.sign_in("/login")
            assert bank.post("/transfers").status_code == 200
        codes = _enrolling(desk, codes=CODES)
        with _client(desk, person) as bank:
            bank.authenticators.enroll(RecoveryCode(), "codes")
            shown = [repr(bank), repr(bank.step_up_auth.session)]
    shown += [caplog.text, repr(events), *(path.read_text() for path in tmp_path.rglob("*") if path.is_file())]
    assert len(codes) == 1
    for secret in ("hunter2-secret", CODES[0], CODES[0].replace("-", "")):
        assert not [text for text in shown if secret in text]


def _enrolling(desk: Desk, *, codes: Sequence[str] | None, state: str = "active", listed: bool = True) -> list[Any]:
    """The endpoint of §8; returns what was posted to it."""
    document, posted = server_metadata(authenticators_endpoint=f"{API}/authenticators"), list[Any]()
    desk.always("server", lambda _: httpx.Response(200, json=document))
    entry = {"id": "rc1", "method": "recovery_code", "name": "codes", "created": 1, "state": "active"}

    def answer(sent: Any) -> httpx.Response:
        if sent.method == "GET":
            return httpx.Response(200, json={"authenticators": [entry] if listed else []})
        posted.append((sent.url.removeprefix(API), sent.body))
        made = {"id": "rc1", "state": state, **({} if codes is None else {"codes": list(codes)})}
        return httpx.Response(201, json=made)

    desk.always("call", answer)
    return posted


def test_new_codes_are_good_at_once_and_shown_once() -> None:
    desk, person = Desk(), ScriptedPrompter()
    posted = _enrolling(desk, codes=["7qkm0zcd1a9w0e1x", "0000-1111-2222-3333"])
    with _client(desk, person) as bank:
        entry = bank.authenticators.enroll(RecoveryCode(), "codes")
    assert isinstance(entry, Authenticator)
    assert (entry.id, entry.state) == ("rc1", "active")
    assert list(person.recovery_codes) == SHOWN
    assert [url for url, _ in posted] == ["/authenticators"]


def test_they_are_replaced_in_sync_and_in_async_code() -> None:
    desk, person = Desk(), ScriptedPrompter()
    posted = _enrolling(desk, codes=CODES)
    with _client(desk, person) as bank:
        assert bank.authenticators.regenerate("rc1").id == "rc1"

    async def main() -> None:
        async with desk.async_client(methods=METHODS, prompter=person) as bank:
            assert (await bank.authenticators.regenerate("rc1")).id == "rc1"
            assert (await bank.authenticators.enroll(RecoveryCode(), "codes")).id == "rc1"

    anyio.run(main)
    assert [url for url, _ in posted] == [*["/authenticators/rc1/regenerate"] * 2, "/authenticators"]
    assert list(person.recovery_codes) == SHOWN


BAD: dict[str, Any] = {
    "none": None,
    "empty": [],
    "no codes": ["\x1b[2J", "not a code"],
    "one among them": [CODES[0], "7QKM"],
    "a thousand": [CODES[0]] * 1000,
}


@pytest.mark.parametrize("codes", BAD.values(), ids=BAD)
def test_codes_that_are_no_codes_are_not_shown(codes: Any) -> None:
    desk, person = Desk(), ScriptedPrompter()
    _enrolling(desk, codes=codes)
    with _client(desk, person) as bank, pytest.raises(CeremonyFailed, match="nothing that could be a set"):
        bank.authenticators.enroll(RecoveryCode(), "codes")
    assert person.recovery_codes == ()


def test_codes_that_are_not_listed_are_not_said_to_be_there() -> None:
    desk = Desk()
    _enrolling(desk, codes=CODES, listed=False)
    with _client(desk, ScriptedPrompter()) as bank, pytest.raises(CeremonyFailed, match="does not list"):
        bank.authenticators.enroll(RecoveryCode(), "codes")


@pytest.mark.parametrize("saved", [False, None])
def test_who_does_not_say_that_they_are_saved_is_told_what_that_means(saved: Any) -> None:
    desk = Desk()
    _enrolling(desk, codes=CODES)
    prompter = CallbackPrompter(show_codes=lambda codes: saved)
    with _client(desk, prompter) as bank, pytest.raises(StepUpCancelled) as caught:
        bank.authenticators.enroll(RecoveryCode(), "codes")
    assert caught.value.diagnostics() == (
        "You did not say that your recovery codes are saved. They are good all the same. If you do not have them, make"
        " new ones."
    )


@pytest.mark.parametrize("work", ["enroll", "regenerate"])
def test_none_are_made_where_they_could_not_be_shown(work: str) -> None:
    add: Callable[[Client], object] = lambda bank: (  # noqa: E731
        bank.authenticators.enroll(RecoveryCode(), "codes") if work == "enroll" else bank.authenticators.regenerate("r")
    )
    desk = Desk()
    posted = _enrolling(desk, codes=CODES)
    with _client(desk, CallbackPrompter(code=lambda label: "x")) as bank:
        with pytest.raises(NoMethodAvailable, match="cannot show recovery codes") as caught:
            add(bank)
        assert caught.value.hint == "CallbackPrompter has no show_codes="
    with _client(desk, TerminalPrompter("/nonexistent")) as bank, pytest.raises(NoMethodAvailable, match="terminal"):
        add(bank)
    assert posted == []


def test_a_destination_is_added_by_its_value_and_proved_with_what_was_sent_there() -> None:
    desk, person = Desk(), ScriptedPrompter(["nonsense", "12345678", "87654321"])
    document = server_metadata(authenticators_endpoint=f"{API}/authenticators")
    desk.always("server", lambda _: httpx.Response(200, json=document))
    pending = {"id": "em1", "state": "pending", "expires_in": 600}
    entry = {"id": "em1", "method": "otp", "name": "Mail", "created": 1, "state": "active"}
    wrong = {"type": "urn:upstile:problem:verification-failed", "title": "t", "status": 400}
    desk.first(
        "call", httpx.Response(201, json=pending), httpx.Response(400, json=wrong), httpx.Response(200, json=entry)
    )
    with desk.client(methods=[Otp()], prompter=person) as bank:
        assert bank.authenticators.enroll(Otp("ada@example.com"), "Mail").name == "Mail"
    begun, *proofs = (sent.body for sent in desk.at("call"))
    assert b'"destination":"ada@example.com"' in begun.replace(b" ", b"")
    assert [proof.replace(b" ", b"") for proof in proofs] == [b'{"otp":"12345678"}', b'{"otp":"87654321"}']
    assert person.attempts_left == [2]


@pytest.mark.parametrize("destination", ["", "a\nBcc: x@y", "ada@example.com\u2028", "x" * 321])
def test_a_destination_that_is_none_is_refused_where_it_is_written(destination: str) -> None:
    with pytest.raises(ConfigurationError, match="320 characters"):
        Otp(destination)


@pytest.mark.parametrize(
    ("method", "kind"),
    [(Otp(), ConfigurationError), (Password(), NoMethodAvailable)],
    ids=["no destination", "password"],
)
def test_what_cannot_be_added_is_refused_before_anything_is_sent(method: Any, kind: type[Exception]) -> None:
    desk = Desk()
    with _client(desk, ScriptedPrompter()) as bank, pytest.raises(kind):
        bank.authenticators.enroll(method, "x")
    assert desk.sent == []


def test_all_are_offered_by_default_and_what_is_used_up_last() -> None:
    desk, person = Desk(), ScriptedPrompter(["123456"])
    desk.offers = lambda sent: [TOTP]
    with desk.client(methods=None, prompter=person) as bank:
        assert bank.post("/transfers").status_code == 200
    assert desk.at("start")[0].form["authn_methods_supported"] == "totp otp password recovery_code"
