"""Mail servers that hang, refuse and close: each ends in time, as the error that says what helps."""

import asyncio
import time

import pytest

from support.mail_server import mailbox, odd_server, scripted
from upstile.server.mail import Mail, MailDeferred, Mailer, MailError, MailRefused, MailServerAway

pytestmark = pytest.mark.anyio
MAIL = Mail(to="ada@example.com", subject="Your code", text="secret 12345678", html="<p>secret 12345678</p>")


def mailer(url: str, timeout: float = 0.3, deadline: float = 2.0) -> Mailer:
    return Mailer(url, sender="no-reply@bank.example", timeout=timeout, deadline=deadline)


async def failure(url: str, **options: float) -> MailError:
    began = time.monotonic()
    with pytest.raises(MailError) as caught:
        await mailer(url, **options).send(MAIL)
    assert time.monotonic() - began < 2.0
    assert "ada@" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


async def test_nobody_listens() -> None:
    async with mailbox() as box:
        pass
    assert isinstance(await failure(box.url), MailServerAway)


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_a_server_that_hangs_is_away(verb: str) -> None:
    async with odd_server(scripted({verb: ""})) as url:
        assert "in time" in str(await failure(url))


@pytest.mark.parametrize("greeting", ["", "220-and"])
async def test_a_server_that_never_greets_is_away(greeting: str) -> None:
    async with odd_server(scripted({}, greeting=greeting)) as url:
        assert type(await failure(url)) is MailServerAway


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_a_server_that_closes_in_the_middle_is_away(verb: str) -> None:
    async with odd_server(scripted({verb: None, "HELO": None})) as url:
        assert type(await failure(url)) is MailServerAway


@pytest.mark.parametrize(
    ("verb", "reply", "meaning"),
    [
        ("RCPT", "550 5.1.1 ada@example.com: unknown", MailRefused),
        ("RCPT", "553 no", MailRefused),
        ("RCPT", "450 4.2.1 greylisted", MailDeferred),
        ("RCPT", "452 too many", MailDeferred),
        ("RCPT", "421 going down", MailServerAway),
        (".", "554 5.7.1 spam", MailRefused),
        (".", "451 4.3.0 later", MailDeferred),
        ("DATA", "554 no", MailRefused),
        ("MAIL", "550 5.7.1 not your domain", MailServerAway),
        ("MAIL", "451 later", MailServerAway),
        ("EHLO", "550 no", MailServerAway),
        ("RCPT", "999 what", MailError),
        ("RCPT", "nonsense", MailServerAway),
    ],
)
async def test_what_a_refusal_means(verb: str, reply: str, meaning: type[MailError]) -> None:
    async with odd_server(scripted({verb: reply, "HELO": reply})) as url:
        error = await failure(url)
    assert isinstance(error, meaning)
    assert "unknown" not in str(error)


@pytest.mark.parametrize("greeting", ["554 no service", "421 busy", "HTTP/1.1 400 Bad Request"])
async def test_a_greeting_that_is_none_is_away(greeting: str) -> None:
    async with odd_server(scripted({}, greeting=greeting)) as url:
        assert type(await failure(url)) is MailServerAway


async def test_a_server_that_drips_is_away_when_the_deadline_is_over() -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-wait\r\n")
            await asyncio.sleep(0.05)

    async with odd_server(drips) as url:
        assert "in time" in str(await failure(url, timeout=1.5, deadline=0.5))


async def test_a_goodbye_that_hangs_costs_no_mail() -> None:
    async with odd_server(scripted({"QUIT": ""})) as url:
        await mailer(url).send(MAIL)
