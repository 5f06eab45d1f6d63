"""Whatever happens in a ceremony, no secret is logged, reported, shown by `repr` or carried by an error."""

import logging
import traceback
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from support.desk import CHALLENGE, Desk, challenged, webauthn_offer
from support.keys import enroll
from support.mocked_api import API, client
from support.rooms import NAME, Room
from upstile.client import BaseToken, Client, Event, FileStore, StepUpError, Totp, WebAuthn
from upstile.client.stores._entry import Entry
from upstile.client.testing import ScriptedPrompter, VirtualKey
from upstile.protocol import TokenResponse

pytestmark = pytest.mark.usefixtures("library")

PIN, CODE = "7391-4405", "907316"
KNOWN = (PIN, CODE, "BASE-SECRET", "ELEVATED", "SESSION-SECRET", "CODE-SECRET")

FAILURES: dict[str, Callable[[Desk], Any]] = {
    "start refused": lambda desk: desk.first("start", httpx.Response(400, json={"error": "invalid_grant"})),
    "answer refused": lambda desk: desk.first("answer", httpx.Response(400, json={"error": "invalid_session"})),
    "no JSON": lambda desk: desk.first("answer", httpx.Response(500, text="<html>SESSION-SECRET")),
    "no code": lambda desk: desk.first("answer", httpx.Response(200, json={"code": "CODE-SECRET"})),
    "token lost": lambda desk: desk.first("token", httpx.ReadError("broke")),
    "malformed token": lambda desk: desk.first("token", _token("ELEVATED\nX", "DPoP")),
    "token of another type": lambda desk: desk.first("token", _token("ELEVATED", "MAC")),
    "another acr": lambda desk: desk.token.update(acr="another"),
    "too old": lambda desk: desk.token.update(auth_time=0),
    "not honoured": lambda desk: desk.always("call", lambda _: challenged()),
    "outcome unknown": lambda desk: desk.first(
        "call", challenged(CHALLENGE.replace("max_age=300", "max_age=0")), httpx.ReadError("broke")
    ),
}


class Watch:
    """Collects all that becomes visible while a client works."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.desk = Desk()
        self.key = VirtualKey(pin=PIN)
        self.events: list[Event] = []
        self._caplog = caplog
        credential = enroll(self.key, PIN).credential_id
        self.desk.offers = lambda sent: [webauthn_offer(sent, credential), {"method": "totp"}]

    @contextmanager
    def client(self, *, with_key: bool = False) -> Generator[Client]:
        """A client whose every word is looked at when it is done."""
        methods = [WebAuthn(lambda: [self.key])] if with_key else [Totp()]
        person = ScriptedPrompter(lambda: CODE, pin=PIN)
        with (
            self._caplog.at_level(logging.DEBUG),
            self.desk.client(methods=methods, prompter=person, on_event=self.events.append) as bank,
        ):
            yield bank
            assert not self.found_in(*_shown(bank), *map(repr, self.events), self._caplog.text)
        assert any(record.name.startswith("upstile") for record in self._caplog.records)

    def found_in(self, *texts: str) -> set[str]:
        """The secrets of this ceremony that stand in one of these texts."""
        forms = [sent.form for sent in self.desk.sent if sent.place in ("start", "answer", "token")]
        sent = {form.get(name) for form in forms for name in ("code_verifier", "authn_response", "code", "otp")}
        proofs = {sent.headers["dpop"] for sent in self.desk.sent if "dpop" in sent.headers}
        secrets = {*KNOWN, *proofs, *(secret for secret in sent if secret is not None)}
        return {secret for secret in secrets if any(secret in text for text in texts)}


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture) -> Watch:
    return Watch(caplog)


def test_a_ceremony_with_a_code_shows_nothing(watch: Watch) -> None:
    with watch.client() as bank:
        assert bank.post("/transfers").status_code == 200
    assert [event.kind for event in watch.events] == ["challenged", "started", "succeeded", "repeated"]


def test_a_ceremony_with_a_key_shows_nothing(watch: Watch) -> None:
    with watch.client(with_key=True) as bank:
        assert bank.post("/transfers").status_code == 200
    assert "authn_response" in watch.desk.at("answer")[0].form


def test_a_ceremony_with_a_wrong_code_and_a_lost_reply_shows_nothing(watch: Watch) -> None:
    desk = watch.desk
    with watch.client() as bank:
        bank.step_up(max_age=0)
        desk.first("answer", desk.step(desk.sent[-1], result="rejected"), httpx.ReadError("broke"))
        assert bank.post("/transfers").status_code == 200


@pytest.mark.parametrize("go_wrong", FAILURES.values(), ids=FAILURES)
def test_a_ceremony_that_fails_shows_nothing(watch: Watch, go_wrong: Callable[[Desk], Any]) -> None:
    go_wrong(watch.desk)
    with watch.client() as bank, pytest.raises(StepUpError) as caught:
        bank.post("/transfers")
    error = caught.value
    whole = "".join(traceback.format_exception(error))
    assert not watch.found_in(whole, str(error), repr(error), error.diagnostics(), error.hint, repr(error.response))
    assert watch.events


def test_tokens_do_not_show_themselves() -> None:
    base = BaseToken(access_token="BASE-SECRET")
    response = TokenResponse(access_token="BASE-SECRET", token_type="DPoP")
    for shown in (repr(base), str(base), f"{base}", repr(response), str(response)):
        assert "SECRET" not in shown


def test_no_secret_is_logged_shown_or_reported(server: respx.MockRouter, caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []
    with caplog.at_level(logging.DEBUG, logger="upstile"), client(on_event=events.append) as bank:
        bank.post("/transfers")
        session = bank.step_up_auth.session
        shown = " ".join(
            [repr(session), repr(bank.step_up_auth), repr(session.tokens.current().base), str(events), caplog.text]
        )
        shown += repr(session.tokens.elevated.find(events[0].requirement, API, (0, None)))
    assert [event.kind for event in events] == ["challenged", "started", "succeeded", "repeated"]
    for secret in ("BASE-SECRET", "ELEVATED-SECRET", "SESSION-SECRET", "CODE-SECRET", "123456"):
        assert secret not in shown


def _token(token: str, kind: str) -> httpx.Response:
    return httpx.Response(200, json={"access_token": token, "token_type": kind})


def _shown(bank: Client) -> list[str]:
    """What a developer may print of a client."""
    session = bank.step_up_auth.session
    parts: list[Any] = [bank, bank.step_up_auth, session, session.tokens, session.tokens.current().base, session.key]
    parts += [session.discovery, session.transport, bank.authenticators]
    parts += vars(session.tokens.elevated)["_held"]
    return [text for part in parts for text in (repr(part), str(part))]


def test_a_store_shows_nothing_that_it_keeps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upstile.client.flow.tokens._kept.terminal_session", lambda: "1 boot")
    room = Room(FileStore("pay", folder=tmp_path / "state"))
    with caplog.at_level(logging.DEBUG), closing(room.signed_in()) as bank:
        bank.post("/transfers")
        text = room.store.read(NAME) or ""
        entry = Entry.read(text, NAME, "here")
        assert entry.key is not None
        shown = [repr(part) for part in (entry, entry.login, entry.elevated, bank.signed_in, room.store, bank)]
        shown += [*_shown(bank), str(entry), caplog.text]
    for secret in ("BASE-SECRET", "ELEVATED-1", entry.key):
        assert secret in text
        assert not any(secret in words for words in shown)
