"""A call stays its user's, whoever signs in meanwhile; and what several callers share, each is told as its own."""

import asyncio
from contextvars import ContextVar
from threading import Barrier, Event, Lock, Thread, current_thread
from typing import Any

import httpx
import pytest

from support.desk import API, CHALLENGE, Desk, challenged
from upstile.client import (
    BaseToken,
    CallbackPrompter,
    ConfigurationError,
    Requirement,
    StepUpCancelled,
    StepUpError,
    StepUpTimeout,
    StepUpUnsatisfied,
    UntrustedChallenge,
)
from upstile.client import Event as Report
from upstile.client.flow import _session
from upstile.client.testing import ScriptedPrompter

pytestmark = pytest.mark.usefixtures("library")

MFA = Requirement(acr="mfa", max_age=300)


def _subject(who: list[str]) -> BaseToken:
    return BaseToken(access_token=who[0], token_type="DPoP", subject=who[0])


def test_a_challenged_call_is_confirmed_and_repeated_as_the_user_whose_it_is() -> None:
    desk, who = Desk(), ["bob"]
    with desk.client(token=lambda: _subject(who)) as bank:
        bank.step_up(acr="mfa", max_age=300)  # Bob has an elevated token
        who[0] = "alice"

        def changing(sent: Any) -> httpx.Response:
            who[0] = "bob"
            return httpx.Response(200) if "ELEVATED" in sent.headers["authorization"] else challenged()

        desk.always("call", changing)
        bank.post("/transfers", json={"by": "alice"})
    assert [sent.form["subject_token"] for sent in desk.at("start")] == ["bob", "alice"]
    assert [sent.headers["authorization"] for sent in desk.at("call")] == ["DPoP alice", "DPoP ELEVATED-2"]


def test_another_text_of_a_callable_is_another_login_unless_it_names_the_same_subject() -> None:
    for subject, starts in ((None, 2), ("ada", 1)):
        desk, texts = Desk(), iter(["ONE", "TWO"])
        source = lambda texts=texts, subject=subject: BaseToken(  # noqa: E731
            access_token=next(texts), token_type="DPoP", subject=subject
        )
        with desk.client(token=source) as bank:
            for _ in range(2):
                bank.request("POST", "/transfers", step_up=MFA)
        assert len(desk.at("start")) == starts
        assert desk.at("call")[-1].headers["authorization"] == f"DPoP ELEVATED-{starts}"


def test_a_callable_runs_in_the_callers_thread_and_context() -> None:
    desk, seen, tenant = Desk(), list[str](), ContextVar("tenant", default="nobody")

    def source() -> BaseToken:
        seen.append(f"{current_thread().name} {tenant.get()}")
        return BaseToken(access_token="T", token_type="DPoP", subject="ada")

    tenant.set("acme")
    with desk.client(token=source) as bank:
        bank.post("/transfers")
        bank.step_up(acr="mfa", max_age=0)
    assert set(seen) == {f"{current_thread().name} acme"}


def test_an_async_callable_is_awaited_in_async_code_and_refused_elsewhere() -> None:
    desk = Desk()

    async def source() -> BaseToken:
        await asyncio.sleep(0)
        return BaseToken(access_token="AWAITED", token_type="DPoP", subject="ada")

    async def main() -> None:
        async with desk.async_client(token=source) as bank:
            assert (await bank.post("/transfers")).status_code == 200
            await bank.step_up(acr="mfa", max_age=0)

    asyncio.run(main())
    assert {sent.form["subject_token"] for sent in desk.at("start")} == {"AWAITED"}
    with desk.client(token=source) as bank, pytest.raises(ConfigurationError, match="use AsyncClient"):
        bank.post("/transfers")


def test_a_call_that_waits_for_its_turn_is_not_confirmed_by_who_signs_in_meanwhile() -> None:
    desk, thinking, asked = Desk(), Event(), Event()

    def code(label: str) -> str:
        asked.set()
        thinking.wait(5)
        return "123456"

    ended: list[str] = []

    def transfer() -> None:
        try:
            bank.post("/transfers")
        except StepUpCancelled as error:
            ended.append(str(error))

    with desk.client(prompter=CallbackPrompter(code=code), token="ALICE") as bank:
        first = Thread(target=lambda: bank.step_up(acr="mfa", max_age=0))
        first.start()
        asked.wait(5)
        waiting = Thread(target=transfer)
        waiting.start()
        while not desk.at("call"):
            pass
        desk.first("call", httpx.Response(200, json={"access_token": "BOB", "token_type": "Bearer"}))
        bank.sign_in("/login")
        thinking.set()
        for thread in (first, waiting):
            thread.join(5)
    assert ended == ["Somebody else has signed in meanwhile"]
    assert [sent.headers.get("authorization") for sent in desk.at("call")] == ["Bearer ALICE", None]


def test_what_was_asked_first_is_asked_again_when_its_token_is_dead() -> None:
    desk = Desk()
    dead = httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_token"'})
    with desk.client() as bank:
        bank.step_up(acr="mfa", max_age=300)
        desk.first("call", dead)
        assert bank.request("DELETE", "/account", step_up=MFA).status_code == 200
    assert [sent.headers["authorization"] for sent in desk.at("call")] == ["DPoP ELEVATED-1", "DPoP ELEVATED-2"]


def test_a_dead_token_that_a_challenge_brought_out_is_followed_by_a_ceremony() -> None:
    desk = Desk()
    dead = httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_token"'})
    with desk.client() as bank:
        bank.step_up(acr="mfa", max_age=300)
        desk.first("call", challenged(), dead)
        assert bank.post("/transfers").status_code == 200
    assert len(desk.person.occasions) == 2


def test_the_apps_own_authorization_elsewhere_survives_being_sent_twice() -> None:
    desk = Desk()
    with desk.client() as bank:
        request = bank.build_request("GET", "https://other.example/x", headers={"Authorization": "Bearer mine"})
        for _ in range(2):
            bank.send(request)
    assert [sent.headers.get("authorization") for sent in desk.sent] == ["Bearer mine"] * 2


@pytest.mark.parametrize("kind", ["started", "succeeded"])
def test_a_hook_that_never_returns_holds_nobody_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_session, "GRACE", 0.1)
    desk, called, stuck, returned = Desk(), Event(), Event(), Event()

    def hook(event: Report) -> None:
        if event.kind == kind:
            called.set()
            stuck.wait(5)
            returned.set()

    with desk.client(on_event=hook, human_timeout=1) as bank, pytest.raises(StepUpTimeout):
        bank.post("/transfers")
    assert called.is_set()
    assert not returned.is_set()
    stuck.set()


class Turn:
    """The lock that is the turn to prompt; it tells when somebody has to wait for it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.waited_for = Event()

    def acquire(self, *, timeout: float) -> bool:
        got = self._lock.acquire(timeout=timeout)
        if not got:
            self.waited_for.set()
        return got

    def release(self) -> None:
        self._lock.release()


def test_who_waits_for_a_turn_is_cancelled_in_our_own_words() -> None:
    desk, turn, ended = Desk(), Turn(), list[str]()
    desk.person = ScriptedPrompter(hold=Event())

    def ask(acr: str) -> None:
        try:
            client.step_up(acr=acr)
        except StepUpCancelled as error:
            ended.append(error.code)

    with desk.client() as client:
        vars(client.step_up_auth.session._flights)["_turn"] = turn
        threads = [Thread(target=ask, args=(acr,)) for acr in ("mfa", "phr")]
        for thread in threads:
            thread.start()
        assert turn.waited_for.wait(5)
    for thread in threads:
        thread.join(5)
    assert ended == ["step_up_cancelled"] * 2
    assert len(desk.person.occasions) <= 1


def test_each_of_several_waiters_is_told_of_its_own_call() -> None:
    desk, together = Desk(), Barrier(4)
    desk.offers = lambda sent: []  # nothing that this client can do: all are refused

    def refused(sent: Any) -> httpx.Response:
        together.wait(5)
        return challenged(json={"type": "x", "title": "t", "status": 401, "instance": f"urn:{sent.url[-1]}"})

    desk.always("call", refused)
    told: dict[str, StepUpError] = {}

    def call(name: str) -> None:
        try:
            bank.get(f"/{name}")
        except StepUpError as error:
            told[name] = error

    with desk.client() as bank:
        threads = [Thread(target=call, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    assert {name: error.correlation_id for name, error in told.items()} == {name: f"urn:{name}" for name in "abcd"}
    assert len({id(error) for error in told.values()}) == 4
    assert {len(error.__notes__) for error in told.values()} == {2}


def test_a_third_thing_is_not_held_against_who_asks_for_it_alone() -> None:
    desk = Desk()
    del desk.token["acr"]  # the server does not say what was reached
    desk.first("call", *(challenged(CHALLENGE.replace("mfa", acr)) for acr in ("mfa", "phr", "gold")))
    with desk.client() as bank:
        with pytest.raises(StepUpUnsatisfied) as caught:
            bank.post("/transfers")
        assert "now the API asks for gold" in caught.value.hint
        desk.first("call", challenged(CHALLENGE.replace("mfa", "gold")))
        assert bank.post("/other").status_code == 200
    assert len(desk.person.occasions) == 3


def test_a_token_for_another_part_of_the_api_is_not_sent() -> None:
    desk = Desk()
    desk.always(
        "resource", lambda _: httpx.Response(200, json={"resource": f"{API}/a", "authorization_servers": [API]})
    )
    with desk.client() as bank, pytest.raises(UntrustedChallenge):
        bank.post("/b/x")
