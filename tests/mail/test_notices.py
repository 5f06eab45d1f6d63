"""Notices from the event to the mailbox: through a deployment, a real mail server, and its absence."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from support.mail_server import Mailbox, mailbox
from support.own_app import OwnApp, own_app
from upstile.server import ConfigurationError
from upstile.server.mail import Mailer, Notices
from upstile.server.mail.notices import _notices, _sender
from upstile.server.storage import User

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look into the queue all the time."""
    monkeypatch.setattr(_notices, "PERIOD", 0.02)
    monkeypatch.setattr(_sender, "SHORTEST_PAUSE", 0.02)
    monkeypatch.setattr(_sender, "LONGEST_PAUSE", 0.05)


def address(user: User) -> tuple[str, str | None]:
    return f"{user.subject}@example.com", None


def notices(box: Mailbox, lookup: Any = address, **options: Any) -> Notices:
    mailer = Mailer(box.url, sender="Bank <no-reply@bank.example>", timeout=1.0)
    return Notices(mailer, lookup, apps={"bank-cli": "Bank in the terminal"}, **options)


@asynccontextmanager
async def bank(folder: Path, box: Mailbox, lookup: Any = address, **options: Any) -> AsyncGenerator[OwnApp]:
    async with own_app(folder, notices=notices(box, lookup, **options)) as app:
        await app.sign_in()
        await app.enroll_totp()
        yield app


def subjects(box: Mailbox) -> list[str]:
    return [str(mail.message["Subject"]) for mail in box.mails]


async def test_a_person_is_told_of_an_attempt_a_success_a_change_and_a_new_device(tmp_path: Path) -> None:
    async with mailbox() as box:
        async with bank(tmp_path, box, place=lambda _: "Hamburg, Germany") as app:
            await app.elevate()
            await box.wait(4)
        assert sorted(subjects(box)) == [
            "Bank in the terminal: A sign-in method was added",
            "Bank in the terminal: a new device was confirmed",
            "Bank in the terminal: somebody tried to reach your account",
            "Bank in the terminal: you confirmed that it was you",
        ]
        for mail in box.mails:
            assert mail.recipient == "ada@example.com"
            assert "Bank in the terminal" in mail.text
            assert "UTC" in mail.text


async def test_an_attempt_is_told_of_though_nobody_completes_it_in_the_reader_s_language(tmp_path: Path) -> None:
    async def lookup(user: User) -> tuple[str, str | None]:
        await asyncio.sleep(0)
        return "ada@example.com", "de-AT"

    async with mailbox() as box, bank(tmp_path, box, lookup, kinds=["ceremony-started"]) as app:
        await app.start()
        (mail,) = await box.wait(1)
        assert "Jemand wollte auf Ihr Konto zugreifen" in str(mail.message["Subject"])


async def test_a_coroutine_runs_on_the_event_loop_of_the_application(tmp_path: Path) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def lookup(user: User) -> tuple[str, str | None]:
        loops.append(asyncio.get_running_loop())
        return address(user)

    async with mailbox() as box, bank(tmp_path, box, lookup):
        await box.wait(1)
    assert set(loops) == {asyncio.get_running_loop()}


async def test_a_thief_who_goes_on_and_on_sends_one_mail_in_ten_minutes(tmp_path: Path) -> None:
    async with mailbox() as box, bank(tmp_path, box, kinds=["answer-locked", "ceremony-started"]) as app:
        first = await app.start()
        await box.wait(1)
        await app.start()
        await app.start()
        for _ in range(5):
            await app.answer(first, otp="000000")
        await box.wait(2)  # one of each kind
        await asyncio.sleep(0.2)
        assert len(box.mails) == 2
        app.clock.now += 600
        await box.wait(3)
        assert "This happened 2 times since" in " ".join(box.mails[2].text.split())


async def test_a_mail_server_that_is_stopped_and_started_again_loses_no_notice_and_holds_up_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with mailbox() as box:
        pass
    async with bank(tmp_path, box) as app:
        await asyncio.wait_for(app.elevate(), 5)  # the ceremony is finished all the same
        async with asyncio.timeout(10):
            while "was not sent" not in caplog.text:
                await asyncio.sleep(0.02)
        async with mailbox(box=box):
            app.clock.now += 60
            await box.wait(4)
    assert len({mail.message["Message-ID"] for mail in box.mails}) == 4
    assert "ada" not in caplog.text


async def test_what_waits_is_sent_by_the_process_that_comes_after(tmp_path: Path) -> None:
    async with mailbox() as box:
        pass
    async with bank(tmp_path, box):
        pass
    async with mailbox(box=box), own_app(tmp_path, notices=notices(box)) as app:
        app.clock.now += 3600
        await box.wait(1)
        assert "added" in subjects(box)[0]


async def test_a_lookup_that_raises_is_tried_again_and_its_words_are_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    def lookup(user: User) -> tuple[str, str | None]:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise RuntimeError("secret words")
        return address(user)

    async with mailbox() as box, bank(tmp_path, box, lookup) as app:
        async with asyncio.timeout(10):
            while not box.mails:
                app.clock.now += 30
                await asyncio.sleep(0.05)
    assert len(box.mails) == 1
    assert "RuntimeError" in caplog.text
    assert "secret words" not in caplog.text


async def test_who_has_no_address_gets_nothing_and_that_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[User] = []

    def lookup(user: User) -> None:
        asked.append(user)

    async with mailbox() as box, bank(tmp_path, box, lookup):
        async with asyncio.timeout(5):
            while not asked:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
    assert not box.mails
    assert len(asked) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(("reply", "tries"), [("550 5.1.1 unknown", 1), ("450 4.2.1 later", 2)])
async def test_a_refusal_for_good_is_given_up_and_one_for_now_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, reply: str, tries: int
) -> None:
    async with mailbox() as box:
        box.replies["ada@example.com"] = reply
        async with bank(tmp_path, box) as app:
            async with asyncio.timeout(10):
                while "550" not in caplog.text and "450" not in caplog.text:
                    await asyncio.sleep(0.02)
            box.replies.clear()
            app.clock.now += 60
            if tries == 2:
                await box.wait(1)
            await asyncio.sleep(0.1)
    assert len(box.tried) == tries
    assert len(box.mails) == tries - 1
    assert ("given up" in caplog.text) == (tries == 1)


async def test_a_notice_is_given_up_after_a_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with mailbox() as box:
        pass
    async with bank(tmp_path, box) as app:
        async with asyncio.timeout(15):
            while "given up" not in caplog.text:
                app.clock.now += 3600
                await asyncio.sleep(0.05)
    assert "given up after" in caplog.text


def test_a_kind_without_a_mail_is_refused_at_start_up() -> None:
    with pytest.raises(ConfigurationError, match="token-issued"):
        notices(Mailbox(), kinds=["token-issued"])


async def test_it_stops_though_a_library_loses_the_cancellation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.wait_for` of Python 3.11 does, where what it waits for is done in that moment."""
    begun = threading.Event()

    async def deaf(*_: object) -> None:
        if not begun.is_set():
            begun.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(30)

    monkeypatch.setattr(Mailer, "send", deaf)
    async with mailbox() as box:
        told = notices(box)
        async with own_app(tmp_path, notices=told) as app:
            await app.sign_in()
            await app.enroll_totp()
            assert await asyncio.to_thread(begun.wait, 10)
            loop, task = told._loop, told._task
            assert loop is not None
            assert task is not None
            stopping = asyncio.ensure_future(told.stop())
            in_time, _ = await asyncio.wait({stopping}, timeout=5)
            if not in_time:  # or the test itself would never end
                loop.call_soon_threadsafe(task.cancel)
            await stopping
        assert in_time
