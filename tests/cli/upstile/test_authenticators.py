"""`upstile authenticators remove`: what cannot be done is refused before anybody is asked."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import respx

from support.mocked_api import API
from support.shell import Shell

LIST = f"{API}/authenticators"


@pytest.fixture
def server(shell: Shell) -> Iterator[respx.MockRouter]:
    """An API that a token of the environment is for."""
    shell.set(UPSTILE_API=API, UPSTILE_CLIENT_ID="cli", UPSTILE_TOKEN="T")
    with respx.mock as router:
        router.get(f"{API}/.well-known/oauth-protected-resource").respond(
            json={"resource": API, "authorization_servers": [API]}
        )
        router.get(f"{API}/.well-known/oauth-authorization-server").respond(
            json={"issuer": API, "token_endpoint": f"{API}/token", "authenticators_endpoint": LIST}
        )
        yield router


def _has(server: respx.MockRouter, **states: str) -> None:
    entries: list[dict[str, Any]] = [
        {"id": name, "method": "totp", "name": name, "created": 1, "state": state} for name, state in states.items()
    ]
    server.get(LIST).respond(json={"authenticators": entries})


@pytest.mark.parametrize("others", [{}, {"new": "pending"}, {"old": "disabled"}])
@pytest.mark.parametrize("more", [[], ["--yes"]])
def test_the_last_one_is_refused_before_anybody_is_asked(
    shell: Shell, server: respx.MockRouter, others: dict[str, str], more: list[str]
) -> None:
    _has(server, phone="active", **others)
    sentence = shell.run("authenticators", "remove", "phone", *more).sentence(1)
    assert sentence == '"phone" is the last one, and stays. Add another first, with `upstile authenticators add`.'
    assert shell.terminal.shown == ""


@pytest.mark.parametrize(
    ("which", "states"),
    [("phone", {"phone": "active", "key": "active"}), ("new", {"phone": "active", "new": "pending"})],
)
def test_another_one_is_removed_by_who_is_sure(
    shell: Shell, server: respx.MockRouter, which: str, states: dict[str, str]
) -> None:
    _has(server, **states)
    question = f'Remove "{which}" (totp)? [y/N]: '
    assert shell.run("authenticators", "remove", which, typed=[(question, "n\n")]).sentence(5) == "Nothing was done."
    removed = server.delete(f"{LIST}/{which}").respond(204)
    assert shell.run("authenticators", "remove", which, typed=[(question, "y\n")]).code == 0
    assert removed.call_count == 1


def test_recovery_codes_are_replaced_by_who_is_sure_and_shown_on_the_terminal_alone(
    shell: Shell, server: respx.MockRouter
) -> None:
    entry = {"id": "rc1", "method": "recovery_code", "name": "paper", "created": 1, "state": "active"}
    server.get(LIST).respond(json={"authenticators": [entry]})
    made = {"id": "rc1", "state": "active", "codes": ["7QKM-0ZCD-1A9W-0E1X"]}
    replaced = server.post(f"{LIST}/rc1/regenerate").respond(json=made)
    sure, saved = "[y/N]: ", "once you have saved them: "
    done = shell.run("authenticators", "regenerate", "paper", "--json", typed=[(sure, "y\n"), (saved, "saved\n")])
    assert (done.code, replaced.call_count) == (0, 1)
    assert "7QKM-0ZCD-1A9W-0E1X" in shell.terminal.shown
    assert "7QKM" not in done.out + done.error


def test_an_address_is_added_by_its_value(shell: Shell, server: respx.MockRouter) -> None:
    begun = server.post(LIST).respond(201, json={"id": "em1", "state": "pending", "expires_in": 600})
    entry = {"id": "em1", "method": "otp", "name": "otp", "created": 1, "state": "active"}
    server.post(f"{LIST}/em1/verify").respond(json=entry)
    add = ("authenticators", "add", "otp", "--to", "ada@example.com")
    done = shell.run(*add, typed=[("Code that you were sent: ", "12345678\n")])
    assert done.code == 0
    assert b"ada@example.com" in begun.calls[0].request.content


@pytest.mark.parametrize(
    "arguments", [["otp"], ["totp", "--to", "ada@example.com"], ["otp", "--to", "a\x1bb"], ["password"]]
)
def test_what_cannot_be_added_is_told_before_anything_is_sent(
    shell: Shell, server: respx.MockRouter, arguments: list[str]
) -> None:
    assert shell.run("authenticators", "add", *arguments).sentence(2)
    assert not server.calls


def test_what_is_no_set_of_codes_is_not_replaced(shell: Shell, server: respx.MockRouter) -> None:
    _has(server, phone="active")
    assert "is no set of recovery codes" in shell.run("authenticators", "regenerate", "phone").sentence(1)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"state": "waiting", "sent_in": 86_400}, "You get the code in 24 hours: "),
        ({"state": "waiting", "sent_in": 3_601}, "You get the code in 61 minutes: "),
        ({"state": "waiting"}, "You get the code later: "),
        ({"state": "sent", "expires_in": 60}, "The code was sent by mail. It is good for 1 minute. "),
        ({"state": "sent"}, "Run `upstile authenticators add totp --enrolment-code`, then sign in again."),
    ],
)
def test_the_command_says_how_far_a_way_back_by_mail_is(
    shell: Shell, server: respx.MockRouter, reply: dict[str, Any], said: str
) -> None:
    entry = {"id": "m", "method": "otp", "name": "my mail", "created": 1, "state": "active", "channel": "email"}
    server.get(LIST).respond(json={"authenticators": [entry]})
    server.post(f"{LIST}/m/restore").respond(202, json={"id": "m", **reply})
    asked = ("authenticators", "restore", "my mail", "--yes")
    done = shell.run(*asked)
    assert (done.code, done.out) == (0, "")
    assert said in " ".join(done.error.split())
    assert json.loads(shell.run(*asked, "--json").out) == {"id": "m", **reply}
