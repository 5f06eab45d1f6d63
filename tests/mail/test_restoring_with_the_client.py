"""The way back by mail from the app and from the command, with a real server and the mails of a real mail server."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.bank_server import BankServer, running_bank
from support.libraries import Library
from support.mail_server import Mailbox, mailbox
from support.phone import PersonWithAPhone
from support.shell import Done, Shell
from upstile.client import CeremonyFailed, Otp, Totp
from upstile.client.testing import ScriptedPrompter
from upstile.server.mail import CodeMails, Mailer
from upstile.server.methods import EmailCode, WebAuthn
from upstile.server.methods import Totp as TotpMethod

pytestmark = pytest.mark.anyio
DAY = 24 * 3600
LOGIN: dict[str, Any] = {"json": {"username": "ada", "password": "correct horse"}}
ORDER = {"to": "ACME", "amount": "1.00"}
WAITING = (
    "You get the code in 24 hours: come back then, sign in again and ask once more. All your addresses were told."
    " Whoever can still confirm, or signs in on a device that is known, stops it."
)


@asynccontextmanager
async def bank(folder: Path) -> AsyncGenerator[tuple[BankServer, Mailbox]]:
    """The bank, where a mailbox alone restores an account, and its mail server."""
    async with mailbox() as box:
        mails = CodeMails(Mailer(box.url, sender="Bank <no-reply@bank.example>"))
        with running_bank(
            folder, methods=[WebAuthn(), TotpMethod(), EmailCode(mails, mail_alone_restores=True)]
        ) as bank:
            yield bank, box


def code_in(box: Mailbox) -> str:
    """What stands alone on its line in the last mail."""
    found = re.search(r"^(\d{8}|[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})$", box.mails[-1].text.replace("\r", ""), re.MULTILINE)
    assert found is not None, box.mails[-1].text
    return found[1]


def app(bank: BankServer, clients: Any, person: Any, *, async_: bool = False) -> Any:
    """An app on a device of its own."""
    made = clients.AsyncClient if async_ else clients.Client
    return made(bank.url, client_id="bank-cli", prompter=person, methods=[Totp(), Otp()], clock=bank.clock)


def enrolled(bank: BankServer, box: Mailbox, clients: Any) -> str:
    """Ada enrols an app on her phone, and her mailbox: its id."""
    phone = PersonWithAPhone(bank.clock)
    with app(bank, clients, phone) as client:
        client.sign_in("/login", **LOGIN)
        client.authenticators.enroll(Totp(), "phone")
        mail_reader = ScriptedPrompter(lambda: code_in(box))
        client.step_up(acr="mfa", scope="authenticators", max_age=60)
        client.step_up_auth.session.prompter = mail_reader
        entry = client.authenticators.enroll(Otp("ada@example.com"), "my mail")
        return str(entry.id)


@pytest.mark.both_libraries
async def test_a_person_who_lost_everything_gets_back_in_a_day_later(tmp_path: Path, library: Library) -> None:
    async with bank(tmp_path) as (server, box):
        id = await asyncio.to_thread(enrolled, server, box, library.clients)
        server.clock.ahead += 3600

        def lost() -> None:
            person = PersonWithAPhone(server.clock)
            with app(server, library.clients, person) as client:
                client.sign_in("/login", **LOGIN)
                asked = client.authenticators.restore(id)
                assert (asked.state, asked.sentences) == ("waiting", WAITING)
                server.clock.ahead += 700
                with pytest.raises(CeremonyFailed) as stale:
                    client.authenticators.restore(id)
                assert "Sign in again" in str(stale.value.next_step)
                server.clock.ahead += DAY
                client.sign_in("/login", **LOGIN)
                asked = client.authenticators.restore(id)
                assert (asked.state, asked.expires_in) == ("sent", 600)
                assert asked.sentences.startswith("The code was sent by mail. It is good for 10 minutes.")
                client.authenticators.enroll(Totp(), "new phone", enrolment_code=code_in(box))
                client.sign_in("/login", **LOGIN)
                assert client.post("/transfers", json=ORDER).is_success
                states = {one.name: one.state for one in client.authenticators.list()}
                assert states == {"phone": "disabled", "my mail": "disabled", "new phone": "active"}

        await asyncio.to_thread(lost)


@pytest.mark.both_libraries
async def test_the_same_with_asyncio(tmp_path: Path, library: Library) -> None:
    async with bank(tmp_path) as (server, box):
        id = await asyncio.to_thread(enrolled, server, box, library.clients)
        async with app(server, library.clients, PersonWithAPhone(server.clock), async_=True) as client:
            await client.sign_in("/login", **LOGIN)
            assert (await client.authenticators.restore(id)).state == "waiting"
            server.clock.ahead += DAY
            await client.sign_in("/login", **LOGIN)
            assert (await client.authenticators.restore(id)).state == "sent"
            await client.authenticators.enroll(Totp(), "new phone", enrolment_code=code_in(box))
            await client.sign_in("/login", **LOGIN)
            assert (await client.post("/transfers", json=ORDER)).is_success


async def test_what_restores_nothing_is_refused_with_a_sentence(tmp_path: Path, library: Library) -> None:
    async with bank(tmp_path) as (server, box):
        await asyncio.to_thread(enrolled, server, box, library.clients)

        def wrong() -> None:
            with app(server, library.clients, PersonWithAPhone(server.clock)) as client:
                client.sign_in("/login", **LOGIN)
                phone = next(one for one in client.authenticators.list() if one.name == "phone")
                for id in (phone.id, "nobody's"):
                    with pytest.raises(CeremonyFailed) as refused:
                        client.authenticators.restore(id)
                    assert refused.value.next_step

        await asyncio.to_thread(wrong)


async def test_at_the_command_it_is_asked_for_by_who_is_sure(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bank(tmp_path) as (server, box):
        await asyncio.to_thread(enrolled, server, box, library.clients)
        server.clock.ahead = 0.0  # the command has the time of day
        before, shell = len(box.mails), Shell(tmp_path / "home", monkeypatch)
        question = "Have you lost everything that you confirm with? All your addresses are told that you ask. [y/N]: "

        def commands() -> list[Done]:
            where = ["--api", server.url, "--client-id", "bank-cli", "--path", "/login"]
            fields = ["--field", "username=ada", "--secret", "password"]
            restore = ("authenticators", "restore")
            return [
                shell.run("login", *where, *fields, typed=[("password: ", "correct horse\n")]),
                shell.run(*restore, "phone", "--yes"),
                shell.run(*restore, "my mail", typed=[(question, "n\n")]),
                shell.run(*restore, "my mail", typed=[(question, "y\n")]),
            ]

        login, phone, no, yes = await asyncio.to_thread(commands)
        shell.terminal.close()
        assert login.code == 0, login
        assert phone.sentence(1).startswith('"phone" is no address that a code can be mailed to.')
        assert no.sentence(5) == "Nothing was done."
        assert (yes.code, yes.out) == (0, "")
        assert WAITING in " ".join(yes.error.split())
        assert [mail.recipient for mail in box.mails[before:]] == ["ada@example.com"]
