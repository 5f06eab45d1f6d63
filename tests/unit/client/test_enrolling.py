"""Enrolling and removing from the app: nonsense is one typed error, and a name stays a name."""

import asyncio
import pickle
import re

import httpx
import pytest
import respx

from support.libraries import current
from support.mocked_api import API, client
from upstile.client import CeremonyFailed, Method, NoMethodAvailable, StepUpRequired, Totp, WebAuthn
from upstile.client.testing import ScriptedPrompter, VirtualKey

pytestmark = pytest.mark.usefixtures("library")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (httpx.Response(201, json={"id": 7}), "cannot be read"),
        (httpx.Response(201, text="<html>"), "cannot be read"),
        (httpx.Response(403, json=["no"]), "refused: status 403"),
        (httpx.Response(403, json={"type": "x", "title": "No\x1b[2J", "status": 403}), "No [2J"),
        (httpx.Response(201, json={"id": "../login", "state": "pending", "options": {}}), "cannot be read"),
    ],
    ids=["members", "html", "no problem", "escape codes", "options"],
)
def test_an_enrolment_that_is_answered_with_nonsense_is_one_typed_error(
    server: respx.MockRouter, reply: httpx.Response, said: str
) -> None:
    server["metadata"].respond(json={"issuer": API, "authenticators_endpoint": f"{API}/authenticators"})
    server.post(f"{API}/authenticators").mock(return_value=reply)
    with client() as bank, pytest.raises(CeremonyFailed, match=re.escape(said)):
        bank.authenticators.enroll(WebAuthn(lambda: [VirtualKey()]), "key")


def test_no_key_at_enrolment_says_so(server: respx.MockRouter) -> None:
    with client() as bank, pytest.raises(NoMethodAvailable) as caught:
        bank.authenticators.enroll(WebAuthn(list), "key")
    assert caught.value.diagnostics() == "No security key is connected. Plug in your security key and try again."
    assert not server.calls


@pytest.mark.parametrize("method", [Totp(), WebAuthn(lambda: [VirtualKey()])])
def test_where_nobody_may_be_asked_nothing_is_begun(server: respx.MockRouter, method: Method) -> None:
    person = ScriptedPrompter(["123456"])
    with client(person, interaction="never") as bank, pytest.raises(StepUpRequired) as caught:
        bank.authenticators.enroll(method, "phone")
    assert caught.value.diagnostics() == "This needs you: run it in a terminal."
    assert "enroll()" in caught.value.hint
    assert caught.value.methods == (method.name,)
    assert pickle.loads(pickle.dumps(caught.value)).hint == caught.value.hint  # noqa: S301
    assert not server.calls
    assert not person.labels


def test_nor_in_async_code(server: respx.MockRouter) -> None:
    async def enrol() -> None:
        async with current().clients.AsyncClient(API, client_id="cli", token="T", interaction="never") as bank:
            await bank.authenticators.enroll(Totp(), "phone")

    with pytest.raises(StepUpRequired):
        asyncio.run(enrol())
    assert not server.calls


def test_what_is_not_ours_to_name_stays_within_its_segment(server: respx.MockRouter) -> None:
    server["metadata"].respond(json={"issuer": API, "authenticators_endpoint": f"{API}/authenticators"})
    removed = server.delete(url__startswith=API).respond(204)
    with client() as bank:
        bank.authenticators.remove("../login?x#y")
    assert removed.calls[0].request.url.raw_path == b"/authenticators/..%2Flogin%3Fx%23y"


def test_what_is_closed_says_so_where_it_is_listed_and_is_opened_by_its_id(server: respx.MockRouter) -> None:
    server["metadata"].respond(json={"issuer": API, "authenticators_endpoint": f"{API}/authenticators"})
    entry = {"id": "a1", "method": "totp", "name": "phone", "created": 1, "state": "active"}
    other = {**entry, "id": "b2"}
    server.get(f"{API}/authenticators").respond(json={"authenticators": [{**entry, "closed": True}, other]})
    opened = server.post(f"{API}/authenticators/a1/open").respond(json=entry)
    with client() as bank:
        closed, usual = bank.authenticators.list()
        assert closed.question == "100 wrong codes from unknown devices; let new devices try again?"
        assert usual.question is None
        assert bank.authenticators.open(closed.id).question is None
    assert opened.call_count == 1


def test_where_enrolling_would_not_help_the_server_says_what_does(server: respx.MockRouter) -> None:
    said = "Sign in again in another way."
    refusal = {"error": "unmet_authentication_requirements", "detail": said}
    server["challenge"].side_effect = [httpx.Response(400, json=refusal)]
    with client() as bank, pytest.raises(NoMethodAvailable) as refused:
        bank.post("/transfers", json={})
    assert refused.value.next_step == said


@pytest.mark.parametrize("name", ["", " ", "phone\u202e", "a\nb", "pho\u200bne", "n" * 101])
def test_a_name_that_no_server_takes_is_refused_before_anybody_is_asked(server: respx.MockRouter, name: str) -> None:
    server["metadata"].respond(json={"issuer": API, "authenticators_endpoint": f"{API}/authenticators"})
    with client() as bank:
        with pytest.raises(ValueError, match="something to see"):
            bank.authenticators.enroll(WebAuthn(list), name)
        with pytest.raises(ValueError, match="something to see"):
            bank.authenticators.rename("a", name)
    assert not server.calls
