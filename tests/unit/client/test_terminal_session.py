"""Which terminal session a process belongs to: told by its number and by when its leader was started."""

import os
import subprocess
import sys
from pathlib import Path

from support.terminal_session import terminal
from upstile.client.stores import _terminal

PRINT = ["-c", "import json; from upstile.client.stores._terminal import terminal_session as t; print(json.dumps(t()))"]
DETACHED = [
    "-c",
    "import json, os; from upstile.client.stores._terminal import terminal_session as t\n"
    "if os.fork(): os.wait()\nelse: os.setsid(); print(json.dumps(t()), flush=True); os._exit(0)",
]


def test_processes_of_one_terminal_agree_and_those_of_another_do_not() -> None:
    with terminal() as one, terminal() as two:
        first, second = one.run(PRINT, PRINT)
        (other,) = two.run(PRINT)
    assert first == second
    assert first is not None
    assert other not in (None, first)


def test_a_process_that_left_its_terminal_has_none() -> None:
    with terminal() as window:
        assert window.run(DETACHED) == [None]


def test_a_process_that_never_had_a_terminal_has_none() -> None:
    command = [sys.executable, *PRINT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True)  # noqa: S603
    assert done.stdout == "null\n"


def test_the_number_of_a_leader_that_was_started_at_another_time_is_another_session(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    (proc / "7").mkdir(parents=True)
    (proc / "self").mkdir()
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "sys/kernel/random/boot_id").write_text("boot\n")
    seen = set[str | None]()
    for name, ticks in (("bash", 100), ("bash", 200), (") 1 2 3 (", 300)):
        (proc / "7/stat").write_text(f"7 ({name}) " + " ".join(["S", *map(str, range(4, 22)), str(ticks), "0"]))
        seen.add(_terminal._started(7, proc))
    assert seen == {"100 boot", "200 boot", "300 boot"}
    assert _terminal._started(8, proc) is None  # the leader is gone


def test_where_there_is_no_proc_ps_says_it(tmp_path: Path) -> None:
    ps = tmp_path / "ps"
    ps.write_text('#!/bin/sh\n[ "$1 $2 $3" = "-o lstart= -p" ] && [ "$4" = 7 ] && echo "Mon Nov 30 12:00:00 2026"\n')
    ps.chmod(0o700)
    assert _terminal._started(7, tmp_path / "none", str(ps)) == "Mon Nov 30 12:00:00 2026"
    assert _terminal._started(8, tmp_path / "none", str(ps)) is None
    assert _terminal._started(7, tmp_path / "none", str(tmp_path / "missing")) is None


def test_this_process_is_told_by_its_leader() -> None:
    assert _terminal._started(os.getpid()) is not None
