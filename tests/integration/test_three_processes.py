"""A command line whose commands are processes: one sign-in for all of them, one prompt for each terminal."""

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.bank_server import BankServer
from support.pay import store_of
from support.terminal_session import Session, terminal
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.stores import EntryName


@dataclass
class Pay:
    """The app on one machine, with its state in `folder`, in a terminal."""

    kind: str
    folder: Path
    bank: BankServer
    window: Session

    def command(self, name: str, *more: str) -> list[str]:
        """One command of the app."""
        return ["-m", "support.pay", name, self.kind, str(self.folder), self.bank.url, *more]

    def do(self, name: str, window: Session | None = None) -> dict[str, Any]:
        """Run it."""
        done: dict[str, Any] = (window or self.window).run(self.command(name))[0]
        return done

    def entry(self) -> dict[str, Any]:
        """What is stored."""
        url = self.bank.url
        name = EntryName(api=url, issuer=url, client_id="bank-cli", profile="default")
        text = store_of(self.kind, self.folder).read(name)
        entry: dict[str, Any] = json.loads(text or "{}")
        return entry

    def balance(self, entry: dict[str, Any]) -> int:
        """What the bank answers to a call with the token of this entry, and a proof by its key."""
        token, url = entry["login"]["access_token"], f"{self.bank.url}/balance"
        proof = ProofKey.imported(self.bank.clock, entry["key"]).proof("GET", url, token)
        return httpx.get(url, headers={"authorization": f"DPoP {token}", "dpop": proof}).status_code


@pytest.fixture(params=["file", pytest.param("keyring", marks=pytest.mark.long)])
def pay(request: pytest.FixtureRequest, tmp_path: Path, bank_server: BankServer) -> Generator[Pay]:
    folder = tmp_path / "machine"
    folder.mkdir()
    with terminal() as window:
        yield Pay(request.param, folder, bank_server, window)


def test_login_send_send_is_one_prompt_and_after_logout_the_token_is_refused(pay: Pay) -> None:
    assert pay.do("login")["subject"] == "ada"
    assert pay.do("send") == {"status": 200, "prompts": 1}
    assert pay.do("send") == {"status": 200, "prompts": 0}
    assert pay.do("status") == {"subject": "ada", "bound": True, "prompts": 0}
    before = pay.entry()
    assert pay.balance(before) == 200
    assert pay.do("logout")["subject"] is None
    assert pay.balance(before) == 401
    after = pay.entry()
    assert (after["key"], after["subject"]) == (before["key"], "ada")
    assert {"login", "elevated"} & {name for name, value in after.items() if value} == set()
    assert pay.do("send")["told"].startswith("You are not signed in. Sign in first.")
    pay.do("login")
    assert pay.entry()["key"] == before["key"]
    pay.do("forget")
    assert pay.entry() == {}


@pytest.mark.long
def test_a_second_terminal_is_asked_for_itself(pay: Pay) -> None:
    pay.do("login")
    assert pay.do("send")["prompts"] == 1
    with terminal() as other:
        assert pay.do("send", other) == {"status": 200, "prompts": 1}
    assert pay.do("send")["prompts"] == 0


def test_two_processes_that_step_up_at_once_lose_nothing(pay: Pay) -> None:
    pay.do("login")
    login = pay.entry()["login"]
    for asked in pay.folder.glob("asking-*"):
        asked.unlink()
    sent = pay.window.run(*[pay.command("send", "2")] * 2)
    assert [done["status"] for done in sent] == [200, 200]
    assert min(done["prompts"] for done in sent) >= 1
    entry = pay.entry()
    assert entry["login"] == login
    assert len(entry["elevated"]) == 2
    assert pay.do("send") == {"status": 200, "prompts": 0}


@pytest.mark.long
def test_a_sign_in_that_was_revoked_elsewhere_says_that_it_has_ended(pay: Pay) -> None:
    pay.do("login")
    token = pay.entry()["login"]["access_token"]
    httpx.post(f"{pay.bank.url}/stepup/revoke", data={"token": token, "client_id": "bank-cli"}).raise_for_status()
    done = pay.do("send")
    assert (done["error"], done["prompts"]) == ("sign_in_expired", 0)
    assert done["told"].startswith("Your sign-in has ended. Sign in again.")
