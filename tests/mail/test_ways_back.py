"""A person with a lost phone: each way back, with the mails that a real mail server gets; and that server's absence."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.mail_server import Arrived, Mailbox, mailbox
from support.mailbox import ADDRESS, answer, begin, send, start
from support.own_app import OwnApp, own_app
from support.wire_driver import Started, new_key, problem_of
from upstile.server.authorization._lives import RESTORE_DELAY
from upstile.server.mail import CodeMails, Mailer, Notices
from upstile.server.mail.notices import _notices, _sender
from upstile.server.methods import EmailCode, RecoveryCodes, Totp, WebAuthn

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
APPS = {"bank-cli": "Pay"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look into the queue all the time."""
    monkeypatch.setattr(_notices, "PERIOD", 0.02)
    monkeypatch.setattr(_sender, "SHORTEST_PAUSE", 0.02)
    monkeypatch.setattr(_sender, "LONGEST_PAUSE", 0.05)


@dataclass
class Ada:
    """A person, what she enrolled, and her mailbox.

    Attributes:
        old, new: the phone that she had, known to the bank, and the one that she has; neither is signed in.
        mail: the identifier of her mailbox.
        codes: her recovery codes.
        lost: the identifier of the authenticator app on the old phone.
    """

    box: Mailbox
    old: OwnApp
    new: OwnApp
    mail: str
    codes: list[str]
    lost: str

    async def told(self, *subjects: str) -> None:
        """Wait until all of these mails are there."""
        async with asyncio.timeout(10):
            while not set(subjects) <= {str(m.message["Subject"]) for m in self.box.mails}:
                await asyncio.sleep(0.02)
        assert {mail.recipient for mail in self.box.mails} == {ADDRESS}

    async def enrol_new_phone(self, token: str | None = None, **more: str) -> None:
        """An authenticator app on the new phone."""
        begun = await self.new.call("POST", PATH, token=token, json={"method": "totp", "name": "new", **more})
        assert begun.status_code == 201, begun.text
        path, code = f"{PATH}/{begun.json()['id']}/verify", self.new.first_code(begun.json()["otpauth_uri"])
        verified = await self.new.call("POST", path, token=token, json={"otp": code})
        assert verified.json()["state"] == "active"
        self.new.clock.now += 30

    async def takes_the_place(self, started: Started, right: httpx.Response) -> None:
        """With what a right answer entitles to: enrol the new phone, remove the old one, confirm with the new one."""
        redeemed = await self.new.redeem(started, right.json()["authorization_code"])
        token = redeemed.json()["access_token"]
        await self.enrol_new_phone(token)
        assert (await self.new.call("DELETE", f"{PATH}/{self.lost}", token=token)).status_code == 204
        assert await self.new.elevate()
        await self.told(
            "Pay: somebody tried to reach your account",
            "Pay: you confirmed that it was you",
            "Pay: A sign-in method was added",
            "Pay: A sign-in method was removed",
            "Pay: a new device was confirmed",
        )


def code_in(mail: Arrived) -> str:
    """What stands alone on its line, as a person finds it."""
    found = re.search(r"^(?:\d{8}|[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})$", mail.text.replace("\r", ""), re.MULTILINE)
    assert found is not None, mail.text
    return found[0]


def newest(box: Mailbox, words: str) -> Arrived:
    """The newest mail with these words in its subject."""
    return [mail for mail in box.mails if words in str(mail.message["Subject"])][-1]


@asynccontextmanager
async def bank(
    folder: Path, box: Mailbox, *, passkey: bool = False, address: str = ADDRESS, **more: Any
) -> AsyncGenerator[Ada]:
    """Ada, with an authenticator app, recovery codes and a mailbox, maybe a passkey, and an empty mailbox."""
    mailer = Mailer(box.url, sender="Bank <no-reply@bank.example>", timeout=1.0)
    mailed = EmailCode(CodeMails(mailer, apps=APPS), mail_alone_restores=True)
    options: dict[str, Any] = {
        "methods": [WebAuthn(), Totp(), RecoveryCodes(reaches_mfa=True), mailed],
        "name": "Bank",
        **more,
    }
    async with own_app(folder, **options) as old:
        await old.sign_in()
        lost = (await old.enroll_totp()).json()["id"]
        token = await old.elevate(scope="authenticators", max_age="60")
        made = await old.call("POST", PATH, token=token, json={"method": "recovery_code", "name": "paper"})
        mail = (await begin(old, token=token)).json()["id"]
        verified = await old.call("POST", f"{PATH}/{mail}/verify", token=token, json={"otp": code_in(box.mails[-1])})
        assert verified.status_code == 200, verified.text
        if passkey:
            assert (await old.enroll_passkey(token)).status_code == 200
    box.mails.clear()
    async with own_app(folder, notices=Notices(mailer, lambda _: (address, None), apps=APPS), **options) as now:
        now.clock.now = old.clock.now + 3600
        known = replace(now, key=old.key, seed=old.seed, passkey=old.passkey)
        yield Ada(box, known, replace(now, key=new_key(), passkey=old.passkey), mail, made.json()["codes"], lost)


async def test_a_backup_code(tmp_path: Path) -> None:
    async with mailbox() as box, bank(tmp_path, box) as ada:
        await ada.new.sign_in()
        started = await start(ada.new, scope="authenticators", max_age="60")
        right = await ada.new.answer(started, authn_method="recovery_code", otp=ada.codes[3])
        await ada.takes_the_place(started, right)


async def test_a_second_method(tmp_path: Path) -> None:
    async with mailbox() as box, bank(tmp_path, box, passkey=True) as ada:
        await ada.new.sign_in()
        started = await start(ada.new, scope="authenticators", max_age="60", acr_values="phr")
        await ada.takes_the_place(started, await ada.new.assert_passkey(started))


async def test_the_help_desk(tmp_path: Path) -> None:
    async with mailbox() as box, bank(tmp_path, box) as ada:
        await ada.new.server.disable_authenticators("ada", by="bob", reason="lost phone")
        code = await ada.new.server.enrolment_code("ada", by="bob", reason="lost phone")
        await ada.new.sign_in()
        await ada.enrol_new_phone(enrolment_code=code)
        assert await ada.new.elevate()
        await ada.told(
            "Bank: All sign-in methods were taken out of use",
            "Bank: A code for setting up a sign-in method was made",
            "Pay: A sign-in method was added",
        )
        assert code not in "".join(mail.text for mail in box.mails)


async def test_the_owner_is_told_until_when_some_things_stay_closed(tmp_path: Path) -> None:
    async with mailbox() as box, bank(tmp_path, box, cooling_off=24 * 3600) as ada:
        await ada.new.server.disable_authenticators("ada", by="bob", reason="lost phone")
        await ada.told("Bank: All sign-in methods were taken out of use", "Bank: some things stay closed for a while")
        mail = newest(box, "stay closed")
        assert "until Saturday, 16 January 2027, 09:01 UTC. Everything else" in " ".join(mail.text.split())
        assert "Saturday, 16 January 2027, 09:01 UTC" in mail.html
        ada.new.clock.now += 3600
        code = await ada.new.server.enrolment_code("ada")
        await ada.new.sign_in()
        await ada.enrol_new_phone(enrolment_code=code)  # which begins it anew
        await ada.told("Pay: some things stay closed for a while")
        assert "until Saturday, 16 January 2027, 10:01 UTC" in " ".join(newest(box, "stay closed").text.split())


async def _ask(ada: Ada) -> str:
    await ada.new.sign_in()
    asked = await ada.new.call("POST", f"{PATH}/{ada.mail}/restore")
    assert asked.status_code == 202, asked.text
    return str(asked.json()["state"])


async def test_a_code_by_mail_a_day_later(tmp_path: Path) -> None:
    async with mailbox() as box, bank(tmp_path, box) as ada:
        assert await _ask(ada) == "waiting"
        await box.wait(1)  # to the destination, before the reply
        for mail in box.mails:
            assert mail.message["Subject"] == "Pay: somebody asked to recover your account by mail"
            assert f"In {RESTORE_DELAY // 3600} hours" in " ".join(mail.text.split())
            with pytest.raises(AssertionError):
                code_in(mail)
        ada.new.clock.now += RESTORE_DELAY
        assert await _ask(ada) == "sent"
        code = code_in(newest(box, "code to recover your account"))
        assert code in newest(box, "code to recover your account").html
        await ada.enrol_new_phone(enrolment_code=code)
        await ada.told(
            "Pay: A code that opens your account was sent by mail",
            "Pay: A new sign-in method took the place of all others",
        )
        asked = [mail for mail in box.mails if "asked to recover" in str(mail.message["Subject"])]
        assert len(asked) == 1  # and none from the queue of notices, which is sent later, to the same address
        await ada.new.sign_in()
        assert await ada.new.elevate()
        await ada.old.sign_in()
        old_code = await ada.old.answer(await ada.old.start(), otp=ada.old.code())
        assert old_code.json()["result"] == "rejected"


@pytest.mark.parametrize("address", ["ada@other.example", "Ada@example.com"])
async def test_another_address_is_told_that_somebody_asked(tmp_path: Path, address: str) -> None:
    async with mailbox() as box, bank(tmp_path, box, address=address) as ada:
        assert await _ask(ada) == "waiting"
        asked = await box.wait(2)
        assert {mail.recipient for mail in asked} == {ADDRESS, address}
        assert {mail.message["Subject"] for mail in asked} == {"Pay: somebody asked to recover your account by mail"}
        stored = str(await ada.new.server.export_user("ada"))
        assert address not in stored
        assert ADDRESS not in stored


async def test_a_known_phone_stops_a_thief_who_reads_the_mailbox(tmp_path: Path) -> None:
    async with mailbox() as box, bank(tmp_path, box) as ada:
        assert await _ask(ada) == "waiting"
        ada.new.clock.now += RESTORE_DELAY
        assert await _ask(ada) == "sent"
        code = code_in(newest(box, "code to recover your account"))
        await ada.old.sign_in()
        await ada.told("Pay: The recovery of your account by mail was stopped")
        body = {"method": "totp", "name": "thief", "enrolment_code": code}
        assert problem_of(await ada.new.call("POST", PATH, json=body)) == "first-enrolment"
        assert await ada.old.elevate()


async def test_a_mail_server_that_stops_during_a_ceremony_costs_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with mailbox() as box:
            ada = await stack.enter_async_context(bank(tmp_path, box))
            await ada.new.sign_in()
            first, second = await start(ada.new, acr_values=None), await start(ada.new, acr_values=None)
            await ada.told("Pay: somebody tried to reach your account")
        for started in (first, second):  # the server is gone now
            failed = await send(ada.new, started, ada.mail)
            assert (failed.json()["result"], failed.json()["attempts_left"]) == ("not_sent", 5)
        assert "totp" in [offer["method"] for offer in first.reply.json()["authn_methods"]]
        assert (await ada.new.answer(first, otp=ada.old.code())).status_code == 200  # another method
        async with mailbox(box=box):
            assert (await send(ada.new, second, ada.mail)).json()["result"] == "sent"  # a resend
            code = code_in(newest(box, "code to confirm"))
            assert (await answer(ada.new, second, ada.mail, code)).status_code == 200
            stranger = replace(ada.new, key=new_key())  # on the side that the failed ones were on
            await stranger.sign_in()
            sent = [await send(stranger, await start(stranger, acr_values=None), ada.mail) for _ in range(5)]
            assert [reply.json()["result"] for reply in sent] == ["sent"] * 5
            ada.new.clock.now += 60
            await ada.told("Pay: you confirmed that it was you", "Pay: a new device was confirmed")
            assert len({mail.message["Message-ID"] for mail in box.mails}) == len(box.mails)
