"""What was kept of a body is gone with its call, whatever its end."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import upstile.client.adapters._spool as spooling
from support.desk import Desk
from support.streams import BIG, once
from upstile.client import StepUpCancelled
from upstile.client.testing import ScriptedPrompter

SPOOL: dict[str, Any] = {"on_unreplayable": "spool"}


@pytest.mark.parametrize("end", ["cancelled", "lost", "answered 500"])
def test_nothing_is_left_open_whatever_the_end(end: str, files: list[Any]) -> None:
    desk = Desk()
    if end == "lost":
        desk.first("call", httpx.ReadError("gone"))
    if end == "answered 500":
        desk.first("call", httpx.Response(500))
    expected = {"cancelled": StepUpCancelled, "lost": httpx.ReadError}.get(end)
    with desk.client(**SPOOL, prompter=ScriptedPrompter([])) as bank:
        if expected is None:
            bank.post("/transfers", content=once(BIG))
        else:
            with pytest.raises(expected):
                bank.post("/transfers", content=once(BIG))
    assert [file.closed for file in files] == [True]


@pytest.mark.parametrize("moment", ["while it is sent", "while it is written", "during the ceremony"])
def test_a_cancelled_task_leaves_nothing_open(moment: str, files: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    desk, go_on = Desk(), threading.Event()
    desk.person = ScriptedPrompter(["123456"], hold=go_on)

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in BIG:
            yield chunk
        if moment == "while it is sent":
            await asyncio.sleep(60)

    def there() -> bool:
        return bool({"while it is sent": len(files), "during the ceremony": desk.asked}.get(moment, writing.is_set()))

    writing = threading.Event()
    if moment == "while it is written":
        monkeypatch.setattr(spooling.Spool, "flush", _slow(writing, go_on, spooling.Spool.flush))

    async def main() -> None:
        async with desk.async_client(**SPOOL) as bank:
            task = asyncio.create_task(bank.post("/transfers", content=chunks()))
            while not there():
                await asyncio.sleep(0.001)
            task.cancel()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    gc.collect()
    assert [file.closed for file in files] == [True] * len(files)


def test_a_process_that_is_killed_leaves_no_file(tmp_path: Path) -> None:
    program = """
import time
from upstile.client.adapters._spool import Spool
spool = Spool(10_000_000)
spool.add(b"secret" * 100_000)
spool.flush()
print("written", flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_gets_the_whole_body_as_well() -> None:
    desk = Desk()
    desk.first("call", httpx.Response(307, headers={"location": "/moved"}))
    with desk.client(**SPOOL, follow_redirects=True) as bank:
        assert bank.post("/transfers", content=once(BIG)).status_code == 200
    assert {sent.body for sent in desk.at("call")} == {b"".join(BIG)}


def test_a_request_that_is_over_is_not_sent_again_without_its_body() -> None:
    desk = Desk()
    with desk.client(**SPOOL) as bank:
        request = bank.build_request("POST", "/transfers", content=map(bytes, BIG))
        bank.send(request)
        with pytest.raises(httpx.StreamConsumed):
            bank.send(request)
    assert len(desk.at("call")) == 2


def _slow(
    begun: threading.Event, go_on: threading.Event, work: Callable[[spooling.Spool], None]
) -> Callable[[spooling.Spool], None]:
    def slow(spool: spooling.Spool) -> None:
        begun.set()
        go_on.wait(5)
        work(spool)

    return slow
