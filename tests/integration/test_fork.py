"""A process that is forked from a running server opens its own stores and has its own background thread."""

import asyncio
import os
import traceback
from pathlib import Path

import pytest

from support.own_app import another_process
from support.wire_driver import SettableClock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork: not on Windows")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_serves_on_its_own(tmp_path: Path) -> None:
    server = another_process(tmp_path, SettableClock())
    asyncio.run(server.start_session("ada", amr=["pwd"]))
    child = os.fork()
    if child == 0:
        os._exit(_serve_in_child(server))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    asyncio.run(server.start_session("ada", amr=["pwd"]))  # the parent's connections are as they were
    asyncio.run(server._deployment.aclose())


def _serve_in_child(server: object) -> int:
    try:
        deployment = server._deployment  # type: ignore[attr-defined]
        assert not deployment._ready
        asyncio.run(server.start_session("bob", amr=["pwd"]))  # type: ignore[attr-defined]
        assert deployment.own.revocations.usable
        thread = deployment._keepers[0]._thread
        assert thread is not None
        assert thread.is_alive()
        asyncio.run(deployment.aclose())
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
