"""A one-time code by mail, from the hook to the mail client."""

from dataclasses import dataclass, field, replace
from typing import Literal

import pytest

from support.mail_server import mailbox, odd_server, scripted
from upstile.server.mail import CodeMails, Mailer, MailServerAway, Texts

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, kw_only=True)
class Message:
    destination: str = "ada@example.com"
    code: str = field(default="40387161", repr=False)
    service: str = "Bank"
    app: str = "pay"
    account: str | None = "ada.lovelace@example.com"
    language: str | None = "de-AT"
    purpose: Literal["confirm", "enrol"] = "confirm"
    requested_at: float = 1_796_122_680.0
    address: str | None = "192.0.2.0/24"
    expires_in: int = 600


def mails(url: str) -> CodeMails:
    mailer = Mailer(url, sender="Bank <no-reply@bank.example>", timeout=0.5)
    return CodeMails(mailer, texts=Texts(zone="Europe/Berlin"), apps={"pay": "Pay"})


async def test_a_code_arrives_with_all_that_the_reader_needs() -> None:
    async with mailbox() as box:
        await mails(box.url)(Message())
    (mail,) = box.mails
    assert mail.recipient == "ada@example.com"
    subject = str(mail.message["Subject"])
    assert "Pay" in subject
    assert "Bestätigung" in subject
    assert "\r\n40387161\r\n" in mail.text.replace("\r\n", "\n").replace("\n", "\r\n")
    for part in (mail.text, mail.html):
        for said in (
            "40387161",
            "Pay",
            "ad••@example.com",
            "Dienstag, 1. Dezember 2026, 11:58 Uhr MEZ",
            "192.0.2.x",
            "10 Minuten",
            "Geben Sie diesen Code niemandem",
        ):
            assert said in " ".join(part.split()), said
        assert "lovelace" not in part


@pytest.mark.parametrize("language", ["en", "de"])
async def test_the_code_is_in_no_header_and_not_in_the_preview(language: str) -> None:
    async with mailbox() as box:
        await mails(box.url)(Message(language=language))
    (mail,) = box.mails
    assert "40387161" not in str(mail.message.items())
    assert mail.html.count("40387161") == 1
    preview = mail.html.partition("display:none")[2].partition("</div>")[0]
    assert "Pay" in preview


async def test_what_the_hook_raises_quotes_no_code_and_no_address() -> None:
    async with odd_server(scripted({"DATA": None})) as url:
        with pytest.raises(MailServerAway) as caught:
            await mails(url)(Message())
    assert "40387161" not in repr(caught.value)
    assert "ada" not in repr(caught.value)


async def test_what_is_not_known_is_left_out() -> None:
    nothing = replace(Message(language=None), account=None, address=None)
    async with mailbox() as box:
        await mails(box.url)(nothing)
    (mail,) = box.mails
    assert "None" not in mail.text + mail.html + str(mail.message["Subject"])
    assert "Account" not in mail.text
    assert "Where" not in mail.text


async def test_a_code_that_adds_an_address_says_so() -> None:
    async with mailbox() as box:
        await mails(box.url)(Message(purpose="enrol", language="en"))
    (mail,) = box.mails
    assert str(mail.message["Subject"]) == "Pay: code to add this mail address"
    assert "Add this mail address" in mail.html
