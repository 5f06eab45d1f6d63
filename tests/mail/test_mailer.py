"""The mailer beside a real mail server: what arrives, as a mail client parses it."""

import dataclasses
import re
import ssl
from email.utils import parsedate_to_datetime

import pytest

from support.mail_server import certificates, mailbox, odd_server, scripted
from upstile.server import ConfigurationError
from upstile.server.mail import Mail, Mailer, MailRefused, MailServerAway

pytestmark = pytest.mark.anyio
SENDER = "Bank für Ada <no-reply@bank.example>"
NOW = 1_800_000_000.0
MAIL = Mail(
    to="ada@example.com",
    subject="Grüße: your code",
    text="Grüße\n.\nFrom here on\n" + "long " * 300,
    html="<p>Grüße</p>",
    language="de",
)


def mailer(url: str, **options: object) -> Mailer:
    return Mailer(url, **{"sender": SENDER, "clock": lambda: NOW, "timeout": 2.0, **options})  # type: ignore[arg-type]


async def test_both_parts_and_all_headers_arrive() -> None:
    async with mailbox() as box:
        await mailer(box.url).send(MAIL)
        await mailer(box.url).send(MAIL)
    arrived = box.mails[0]
    message = arrived.message
    assert (arrived.sender, arrived.recipient) == ("no-reply@bank.example", "ada@example.com")
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert arrived.text.splitlines() == MAIL.text.splitlines()
    assert arrived.html.splitlines() == [MAIL.html]
    assert str(message["From"]) == SENDER
    assert str(message["Subject"]) == MAIL.subject
    assert parsedate_to_datetime(message["Date"]).timestamp() == NOW
    assert message["Message-ID"] == f"<{MAIL.id}@bank.example>" == box.mails[1].message["Message-ID"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "de"
    assert max(map(len, arrived.raw.split(b"\r\n"))) <= 78
    assert arrived.raw.isascii()


INJECTIONS = ["\r\nBcc: eve@evil.example", "\nX: y", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00"]


@pytest.mark.parametrize("injected", INJECTIONS, ids=ascii)
@pytest.mark.parametrize("member", ["to", "subject", "language", "id"])
async def test_no_member_becomes_a_second_header(member: str, injected: str) -> None:
    harmless = getattr(MAIL, member)
    for value in (harmless + injected, injected + harmless, harmless[:2] + injected + harmless[2:]):
        async with mailbox() as box:
            with pytest.raises(MailRefused) as caught:
                await mailer(box.url).send(dataclasses.replace(MAIL, **{member: value}))
        assert box.mails == []
        assert "evil" not in str(caught.value)


@pytest.mark.parametrize("injected", INJECTIONS, ids=ascii)
async def test_no_sender_becomes_a_second_header(injected: str) -> None:
    for sender in (f"Bank{injected} <no-reply@bank.example>", f"no-reply@bank.example{injected}x"):
        with pytest.raises(ConfigurationError):
            Mailer("smtp://localhost", sender=sender)


@pytest.mark.parametrize("injected", ["\r\n.\r\nMAIL FROM:<eve@evil.example>", "\n.\n", "\r.\r", "\n.\r\nQUIT\r\n"])
async def test_no_body_ends_the_mail_early(injected: str) -> None:
    async with mailbox() as box:
        await mailer(box.url).send(dataclasses.replace(MAIL, text=f"a{injected}b", html=f"a{injected}b"))
    (arrived,) = box.mails
    assert arrived.text.split() == f"a{injected}b".split()
    assert arrived.html.split() == f"a{injected}b".split()


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@@example.com",
        "ada@example.com,eve@evil.example",
        "ada@example.com eve@evil.example",
        "<ada@example.com>",
        "Ada <ada@example.com>",
        '"ada"@example.com',
        "ada@[127.0.0.1]",
        ".ada@example.com",
        "ada..b@example.com",
        "ada@-example.com",
        "ada@exa mple.com",
        "ada@example..com",
        "a" * 65 + "@example.com",
        "ada@" + "a." * 120 + "example.com",
        "ada@" + "a" * 320 + ".com",
        "ада\u202e@example.com",
    ],
)
async def test_what_is_no_address_is_refused_before_a_server_is_asked(to: str) -> None:
    with pytest.raises(MailRefused):
        await mailer("smtp://127.0.0.1:1").send(dataclasses.replace(MAIL, to=to))


async def test_a_domain_of_another_script_is_that_domain_and_no_similar_one() -> None:
    async with mailbox() as box:
        await mailer(box.url).send(dataclasses.replace(MAIL, to="ada@faß.example"))
    assert box.mails[0].recipient == "ada@xn--fa-hia.example"  # with IDNA 2003 it were fass.example


async def test_an_address_beyond_ascii_goes_to_a_server_that_has_smtputf8() -> None:
    async with mailbox(enable_SMTPUTF8=True) as box:
        await mailer(box.url).send(dataclasses.replace(MAIL, to="jürgen@bücher.example"))
    assert box.mails[0].recipient == "jürgen@xn--bcher-kva.example"
    assert "jürgen@xn--bcher-kva.example" in box.mails[0].raw.decode()


async def test_an_address_beyond_ascii_is_refused_where_the_server_has_no_smtputf8() -> None:
    async with mailbox() as box:
        with pytest.raises(MailRefused, match="SMTPUTF8"):
            await mailer(box.url).send(dataclasses.replace(MAIL, to="jürgen@example.com"))
    assert not box.mails
    assert not box.tried


async def test_a_password_travels_over_tls_and_is_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    trust = certificates()
    accounts = {"bank": "p@ss/w:rd"}
    async with mailbox(accounts=accounts, tls_context=trust.server, require_starttls=True) as box:
        url = box.url.replace("//", "//bank:p%40ss%2Fw%3Ard@")
        sends = with_starttls(mailer(url, tls=trust.client))
        await sends.send(MAIL)
        wrong = with_starttls(mailer(box.url.replace("//", "//bank@"), password="wr0ng-secret", tls=trust.client))
        with pytest.raises(MailServerAway, match="535") as caught:
            await wrong.send(MAIL)
    assert box.mails[0].encrypted
    assert box.mails[0].user == "bank"
    said = f"{sends!r} {wrong!r} {vars(sends)!r} {caught.value!r} {caught.value.__context__!r} {caplog.text}"
    assert not re.search(r"p@ss|p%40ss|wr0ng", said)


def with_starttls(made: Mailer) -> Mailer:
    """A mailer that takes the test's server on this machine for one elsewhere."""
    made._server = dataclasses.replace(made._server, tls="starttls")
    return made


async def test_tls_from_the_start() -> None:
    trust = certificates()
    async with mailbox(implicit=trust.server) as box:
        await mailer(box.url.replace("smtp:", "smtps:"), tls=trust.client).send(MAIL)
        with pytest.raises(MailServerAway, match="certificate"):
            await mailer(box.url.replace("smtp:", "smtps:")).send(MAIL)
    assert len(box.mails) == 1


async def test_a_server_without_starttls_gets_nothing() -> None:
    async with mailbox() as box:
        with pytest.raises(MailServerAway, match="STARTTLS"):
            await with_starttls(mailer(box.url)).send(MAIL)
    assert box.tried == []


async def test_a_certificate_of_nobody_and_one_of_another_host_get_nothing() -> None:
    own, other = certificates(), certificates("mail.example.com")
    for server, client in ((own.server, None), (other.server, other.client)):
        async with mailbox(tls_context=server, require_starttls=True) as box:
            with pytest.raises(MailServerAway, match="certificate"):
                await with_starttls(mailer(box.url, tls=client)).send(MAIL)
        assert box.tried == []


async def test_what_was_said_before_tls_counts_no_more() -> None:
    """A reply that somebody puts behind that to STARTTLS is not taken for one of the encrypted server."""

    replies = {"EHLO": "250-odd\r\n250 STARTTLS", "STARTTLS": "220 go\r\n250 AUTH PLAIN\r\n235 welcome"}
    async with odd_server(scripted(replies)) as url:
        with pytest.raises(MailServerAway):
            await with_starttls(mailer(url, timeout=0.5)).send(MAIL)


async def test_starttls_that_is_refused_after_it_was_offered_gets_nothing() -> None:
    seen: list[str] = []
    replies = {"EHLO": "250-odd\r\n250 STARTTLS", "STARTTLS": "454 not now"}

    async def dialogue(reader, writer):  # type: ignore[no-untyped-def]
        line = reader.readline

        async def noted() -> bytes:
            got = await line()
            seen.append(got.decode().split(" ")[0].strip())
            return bytes(got)

        reader.readline = noted
        await scripted(replies)(reader, writer)

    async with odd_server(dialogue) as url:
        with pytest.raises(MailServerAway, match="454"):
            await with_starttls(mailer(url)).send(MAIL)
    assert set(seen) <= {"EHLO", "STARTTLS", "QUIT", ""}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("", {}),
        ("http://mail.example.com", {}),
        ("smtp://", {}),
        ("smtp://mail.example.com:port", {}),
        ("smtp://mail.example.com:99999", {}),
        ("smtp://mail.example.com/path", {}),
        ("smtp://mail.example.com?tls=no", {}),
        ("smtp://ma\u0456l.example.com", {}),
        ("smtp://bank@mail.example.com", {}),
        ("smtp://mail.example.com", {"password": "s3cret"}),
        ("smtps://mail.example.com", {"allow_plaintext": True}),
        ("smtp://mail.example.com", {"timeout": 0}),
        ("smtp://mail.example.com", {"deadline": float("inf")}),
        ("smtp://bank:s3cret@mail.example.com:x", {}),
    ],
)
def test_what_cannot_be_used_is_refused_at_start_up(url: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        mailer(url, **options)
    assert "s3cret" not in str(caught.value)


def test_a_context_that_checks_nothing_is_refused() -> None:
    loose = ssl.create_default_context()
    loose.check_hostname = False
    with pytest.raises(ConfigurationError, match="check"):
        mailer("smtp://mail.example.com", tls=loose)


@pytest.mark.parametrize(
    ("url", "tls", "port"),
    [
        ("smtp://mail.example.com", "starttls", 587),
        ("smtp://10.0.0.1:25", "starttls", 25),
        ("smtp://127.0.0.1.example.com", "starttls", 587),
        ("smtp://localhost.example.com", "starttls", 587),
        ("smtp://localhost", "none", 587),
        ("smtp://127.0.0.2:25", "none", 25),
        ("smtp://[::1]:25", "none", 25),
        ("smtps://mail.example.com", "implicit", 465),
        ("smtps://localhost:1", "implicit", 1),
    ],
)
def test_only_this_machine_is_spoken_to_in_the_clear(url: str, tls: str, port: int) -> None:
    server = mailer(url)._server
    assert (server.tls, server.port) == (tls, port)


def test_plaintext_elsewhere_is_said_aloud() -> None:
    assert mailer("smtp://mail.example.com", allow_plaintext=True)._server.tls == "none"
