"""A process that is forked while a person is being asked."""

import os
import sys
from threading import Event, Thread

import pytest

from support.desk import Desk
from upstile.client import CallbackPrompter

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def test_a_child_forked_during_a_ceremony_asks_for_itself() -> None:
    desk, asked, hold = Desk(), Event(), Event()

    def code(label: str) -> str:
        asked.set()
        assert hold.wait(20)
        return "123456"

    with desk.client(prompter=CallbackPrompter(code=code)) as bank:
        parent = Thread(target=bank.post, args=("/transfers",))
        parent.start()
        assert asked.wait(10)
        child = os.fork()
        if child == 0:
            hold.set()  # nobody would answer in the child otherwise
            done = Thread(target=lambda: os._exit(0 if bank.post("/transfers").status_code == 200 else 1))
            done.start()
            done.join(10)
            sys.stderr.write("the child waits for ever\n")
            os._exit(2)
        _, status = os.waitpid(child, 0)
        hold.set()
        parent.join(10)
    assert os.waitstatus_to_exitcode(status) == 0
