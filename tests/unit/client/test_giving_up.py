"""Errors and second thoughts: told once, to those who asked, and without a trace on the terminal."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from upstile.client import (
    AsyncClient,
    CallbackPrompter,
    CeremonyFailed,
    Client,
    NoMethodAvailable,
    NotSignedIn,
    SignInExpired,
    StepUpCancelled,
    StepUpError,
    StepUpTimeout,
    Totp,
    WebAuthn,
)
from upstile.client._exchange import Incoming
from upstile.client.testing import ScriptedPrompter, VirtualKey

API = "https://api.example.com"
CHALLENGE = 'Bearer error="insufficient_user_authentication", acr_values="mfa"'
DOCUMENT = {
    "resource": API,
    "issuer": API,
    "authorization_servers": [API],
    "authorization_challenge_endpoint": f"{API}/challenge",
    "token_endpoint": f"{API}/token",
    "authenticators_endpoint": f"{API}/authenticators",
    "dpop_signing_alg_values_supported": ["ES256"],
}
STEP = {
    "error": "insufficient_authorization",
    "auth_session": "s",
    "expires_in": 300,
    "attempts_left": 5,
    "authn_methods": [{"method": "totp"}],
}
PROBLEM = {"type": "urn:upstile:problem:x", "title": "t", "status": 401, "instance": "urn:uuid:1"}


def answer(request: httpx.Request) -> httpx.Response:
    path = request.url.path
    if path.startswith("/.well-known/"):
        return httpx.Response(200, json=DOCUMENT)
    if path == "/challenge":
        return httpx.Response(403, json=STEP)
    return httpx.Response(401, headers={"www-authenticate": CHALLENGE}, json=PROBLEM)


def options(**changed: Any) -> dict[str, Any]:
    standard = {"client_id": "cli", "token": "B", "methods": [Totp()], "prompter": ScriptedPrompter()}
    return {**standard, "transport": httpx.MockTransport(answer), **changed}


def test_a_failed_async_call_leaves_nothing_behind_for_the_loop_to_complain_of() -> None:
    complaints: list[Any] = []

    async def calls() -> list[Any]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with AsyncClient(API, **options()) as client:
            return await asyncio.gather(*(client.get("/x") for _ in range(5)), return_exceptions=True)

    assert {type(error) for error in asyncio.run(calls())} == {StepUpCancelled}
    assert not complaints


def test_an_iterator_that_runs_dry_ends_an_async_call() -> None:
    codes: Iterator[str] = iter(())

    async def call() -> None:
        async with AsyncClient(API, **options(prompter=CallbackPrompter(code=lambda _: next(codes)))) as client:
            await client.get("/x")

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(asyncio.wait_for(call(), 5))


def test_who_gives_up_still_has_the_challenge_and_its_correlation_id() -> None:
    with Client(API, **options()) as client, pytest.raises(StepUpCancelled) as caught:
        client.get("/x")
    assert caught.value.response is not None
    assert caught.value.correlation_id == "urn:uuid:1"


def test_what_to_do_next_is_in_the_traceback_too() -> None:
    with Client(API, **options()) as client, pytest.raises(StepUpCancelled) as caught:
        client.get("/x")
    assert caught.value.next_step in caught.value.__notes__


@pytest.mark.parametrize("code", ["", "   "])
def test_a_blank_code_is_no_code(code: str) -> None:
    prompter = CallbackPrompter(code=lambda _: code)
    with Client(API, **options(prompter=prompter)) as client, pytest.raises(StepUpCancelled):
        client.get("/x")


class _FinishesBadly(ScriptedPrompter):
    def finished(self, accepted: bool) -> None:
        raise NoMethodAvailable("There is no terminal to say so on")


def test_a_prompter_that_cannot_say_how_it_ended_changes_no_ending() -> None:
    with Client(API, **options(prompter=_FinishesBadly())) as client, pytest.raises(StepUpCancelled):
        client.get("/x")


def test_no_usable_method_is_said_before_a_ceremony_is_started() -> None:
    started: list[str] = []

    def seen(request: httpx.Request) -> httpx.Response:
        started.append(request.url.path)
        return answer(request)

    changed = options(methods=[WebAuthn(devices=list)], transport=httpx.MockTransport(seen))
    with Client(API, **changed) as client, pytest.raises(NoMethodAvailable):
        client.get("/x")
    assert "/challenge" not in started


def test_closing_the_client_ends_its_ceremony() -> None:
    client, ended = Client(API, **options(prompter=ScriptedPrompter(["111111"], hold=Event()))), list[str]()

    def call() -> None:
        try:
            client.step_up(acr="mfa")
        except StepUpCancelled as error:
            ended.append(error.diagnostics())

    waiting = Thread(target=call)
    waiting.start()
    client.close()
    waiting.join(5)
    assert ended == ["The app was closed meanwhile. Nothing was done. Start the app again."]


def test_the_person_is_given_no_name_for_support_after_what_they_did_themselves() -> None:
    response = Incoming(status=401, url=API, method="GET", headers=(), body=json.dumps(PROBLEM).encode())
    for own in (StepUpCancelled("x"), StepUpTimeout("x"), NotSignedIn(), SignInExpired(), CeremonyFailed("x")):
        own.response = response
        assert own.correlation_id == "urn:uuid:1"
        names = "If you ask for help, name urn:uuid:1." in own.diagnostics()
        assert names == (type(own) is CeremonyFailed)


def test_who_cancels_an_enrolment_reads_that_nothing_was_added() -> None:
    transport = httpx.MockTransport(_enrolling())
    cancelling = CallbackPrompter(code=lambda label: None)
    changed = options(prompter=cancelling, transport=transport)
    with Client(API, **changed) as client, pytest.raises(StepUpCancelled) as caught:
        client.authenticators.enroll(Totp(), "phone")
    assert caught.value.diagnostics() == (
        "You cancelled before an authenticator app was added. Nothing was added. Start again when you want to."
    )


ENROLLED = {"id": "a", "method": "totp", "name": "phone", "created": 1, "state": "active"}
WRONG = {"type": "urn:upstile:problem:verification-failed", "title": "Wrong", "status": 400}


def _enrolling(*verdicts: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    left = list(verdicts)

    def served(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/authenticators":
            return httpx.Response(201, json={"id": "a", "state": "pending", "otpauth_uri": "otpauth://totp/x"})
        return left.pop(0) if request.url.path.endswith("/verify") else answer(request)

    return served


def test_a_wrong_first_code_is_asked_for_again_and_the_third_is_the_last() -> None:
    wrong, right = httpx.Response(400, json=WRONG), httpx.Response(200, json=ENROLLED)
    person = ScriptedPrompter(["111111", "222222", "333333"])
    with Client(API, **options(prompter=person, transport=httpx.MockTransport(_enrolling(wrong, right)))) as client:
        assert client.authenticators.enroll(Totp(), "phone").state == "active"
    assert person.attempts_left == [2]
    transport = httpx.MockTransport(_enrolling(wrong, wrong, wrong))
    changed = options(prompter=ScriptedPrompter(lambda: "444444"), transport=transport)
    with Client(API, **changed) as client, pytest.raises(CeremonyFailed, match=r"^Wrong"):
        client.authenticators.enroll(Totp(), "phone")


def test_enrolment_runs_out_of_time_and_can_be_cancelled() -> None:
    changed: dict[str, Any] = {"transport": httpx.MockTransport(_enrolling())}
    changed["prompter"] = ScriptedPrompter(["111111"], hold=Event())
    with Client(API, **options(**changed, human_timeout=0.05)) as client, pytest.raises(StepUpTimeout):
        client.authenticators.enroll(Totp(), "phone")

    async def cancelled() -> None:
        async with AsyncClient(API, **options(**changed)) as client:
            await asyncio.wait_for(client.authenticators.enroll(Totp(), "phone"), 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())


@pytest.mark.parametrize("id", ["..", ".", ""])
def test_an_id_that_would_lead_elsewhere_is_refused(id: str) -> None:
    with Client(API, **options()) as client, pytest.raises(ValueError, match="id of an entry"):
        client.authenticators.remove(id)


@pytest.mark.parametrize(
    "mistake",
    [
        {"interaction": "nevr"},
        {"human_timeout": 0},
        {"methods": [Totp]},
        {"methods": ["totp"]},
    ],
)
def test_mistaken_options_are_named_at_once(mistake: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"interaction|methods"):
        Client(API, **options(**mistake))


def test_why_a_key_cannot_be_used_is_said() -> None:
    key = VirtualKey(pin="1234")
    step = {**STEP, "authn_methods": [{"method": "webauthn", "nonce": "n", "options": {}}]}
    offered = httpx.Response(403, json=step)

    def served(request: httpx.Request) -> httpx.Response:
        return offered if request.url.path == "/challenge" else answer(request)

    changed = options(methods=[WebAuthn(devices=lambda: [key])], transport=httpx.MockTransport(served))
    with Client(API, **changed) as client, pytest.raises(StepUpError, match="not signed"):
        client.get("/x")
    assert key.touches == 0


PROGRAM = """
import os, sys, threading, time
from upstile.client import TerminalPrompter
threading.Thread(
    target=lambda: TerminalPrompter(sys.argv[1]).pin("PIN", 8, threading.Event()), daemon=True
).start()
sys.stdin.readline()
"""


def test_a_program_that_ends_at_a_pin_prompt_leaves_the_terminal_as_it_was() -> None:
    person, own = pty.openpty()
    before = termios.tcgetattr(own)
    assert before[3] & termios.ECHO
    command = [sys.executable, "-c", PROGRAM, os.ttyname(own)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as program:  # noqa: S603
        shown = ""
        while "PIN" not in shown:
            shown += os.read(person, 1024).decode()
        program.communicate("\n", timeout=20)
    assert termios.tcgetattr(own)[3] & termios.ECHO
    os.close(person)
    os.close(own)
