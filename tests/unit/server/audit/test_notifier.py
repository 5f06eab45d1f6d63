"""The deployment's hook, whatever it does: no reply waits long for it."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

import pytest

from support.wire_driver import URL
from upstile.server.audit import Notify, SecurityEvent
from upstile.server.audit import _notifier as module
from upstile.server.audit._notifier import Notifier
from upstile.server.storage import User

pytestmark = pytest.mark.anyio
EVENT = SecurityEvent(kind="login", user=User(URL, "ada"), at=1.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What a hook that hangs waits for; at the end of the test it goes on."""
    event = threading.Event()
    yield event
    event.set()


def _waits_for(released: threading.Event) -> Notify:
    def hook(event: SecurityEvent) -> None:
        released.wait(30)

    return hook


async def test_a_hook_that_hangs_holds_up_one_reply_for_its_patience_and_the_next_ones_not_at_all(
    released: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    notify = Notifier(_waits_for(released))
    began = monotonic()
    await notify(EVENT)
    assert 0.1 <= monotonic() - began < 2
    began = monotonic()
    for _ in range(20):
        await notify(EVENT)
    assert monotonic() - began < 1
    assert sum("takes longer" in record.message for record in caplog.records) == 1


async def test_a_hook_that_hangs_holds_up_no_event_loop(released: threading.Event) -> None:
    notify = Notifier(_waits_for(released))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.005)

    counting = asyncio.create_task(count())
    await notify(EVENT)
    counting.cancel()
    assert turns > 3


async def test_a_coroutine_that_hangs_is_left_behind_even_if_it_cannot_be_cancelled() -> None:
    stop = asyncio.Event()

    async def hook(event: SecurityEvent) -> None:
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), 30)
            except asyncio.CancelledError:
                continue

    notify, began = Notifier(hook), monotonic()
    await notify(EVENT)
    await notify(EVENT)
    assert monotonic() - began < 2
    stop.set()
    await asyncio.sleep(0)


async def test_a_flood_while_the_hook_hangs_is_bounded_counted_and_logged(
    released: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    notify = Notifier(_waits_for(released))
    for _ in range(12):
        await notify(EVENT)
    assert notify.dropped == 7
    assert sum("was not told" in record.message for record in caplog.records) == 7


async def test_a_hook_that_was_slow_and_is_quick_again_is_waited_for_again(released: threading.Event) -> None:
    told: list[SecurityEvent] = []
    released_first = threading.Event()

    def hook(event: SecurityEvent) -> None:
        released_first.wait(30)
        told.append(event)

    notify = Notifier(hook)
    await notify(EVENT)
    assert not told
    released_first.set()
    while len(told) < 1:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)
    await notify(EVENT)
    assert len(told) == 2


@pytest.mark.parametrize("error", [RuntimeError("down"), ValueError(), TypeError()])
async def test_a_hook_that_raises_is_logged_and_changes_nothing(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def plain(event: SecurityEvent) -> None:
        raise error

    async def waiting(event: SecurityEvent) -> None:
        raise error

    await Notifier(plain)(EVENT)
    await Notifier(waiting)(EVENT)
    assert [record.message for record in caplog.records] == ["the notify hook failed"] * 2


async def test_an_object_or_a_function_that_gives_back_a_coroutine_is_waited_for() -> None:
    told: list[SecurityEvent] = []

    class Hook:
        async def __call__(self, event: SecurityEvent) -> None:
            await asyncio.sleep(0)
            told.append(event)

    hook = Hook()
    await Notifier(hook)(EVENT)
    await Notifier(lambda event: hook(event))(EVENT)
    assert told == [EVENT, EVENT]


async def test_noise_about_one_user_keeps_the_hook_from_hearing_of_no_other(released: threading.Event) -> None:
    notify = Notifier(_waits_for(released))
    for _ in range(module.MOST_EACH + 5):
        await notify(replace(EVENT, user=User(URL, "mallory")))
    assert notify.dropped == 5
    await notify(EVENT)
    assert notify.dropped == 5


async def test_noise_before_a_change_keeps_the_hook_from_hearing_of_no_change(released: threading.Event) -> None:
    notify = Notifier(_waits_for(released))
    for number in range(module.MOST + 5):
        await notify(replace(EVENT, kind="enrolment-begun", user=User(URL, f"ada {number // 5}")))
    assert notify.dropped == 5
    for kind in ("authenticator-added", "authenticator-removed"):
        await notify(replace(EVENT, kind=kind))
    assert notify.dropped == 5


async def test_a_change_waits_for_its_turn_behind_the_changes_of_many_others(released: threading.Event) -> None:
    heard: list[User | None] = []

    def hook(event: SecurityEvent) -> None:
        released.wait(30)
        heard.append(event.user)

    notify = Notifier(hook)
    for number in range(module.MOST):
        await notify(replace(EVENT, kind="authenticator-removed", user=User(URL, f"mallory {number // 10}")))
    await notify(replace(EVENT, kind="authenticator-added"))
    released.set()
    async with asyncio.timeout(10):
        while len(heard) <= module.MOST:
            await asyncio.sleep(0.01)
    assert (notify.dropped, heard[-1]) == (0, EVENT.user)
