"""Runs nodes of the bank: `python -m support.node_program`, for `support.nodes`.

It has imported everything when the first node is asked for, and each node is forked from it: so a node costs no more
than what it does itself. A line of standard input asks for one; the answer is its process id and its port.
"""

import importlib
import json
import os
import signal
import socket
import sys
from math import inf
from pathlib import Path
from time import monotonic_ns
from typing import Any

import uvicorn
from fastapi import FastAPI

from examples.bank.api import create_app
from examples.bank.serving import free_port
from support.clocks import SharedClock
from support.node_faults import Fault, arm
from upstile.server.authorization.ceremony import _overload
from upstile.server.deployment import _keeper
from upstile.server.methods import CodeMessage, EmailCode, Method, RecoveryCodes, Totp, WebAuthn

_IMPORTED_LATE = ("alembic.command", "uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.h11_impl")
"""What a node would import when it begins to serve."""


def main() -> None:
    """Fork a node for each line, until there are no more lines; then they all end."""
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a node that has ended leaves nothing behind
    started: list[int] = []
    for line in iter(sys.stdin.readline, ""):
        listener, port = free_port()
        pid = os.fork()
        if pid == 0:
            _be_a_node(listener, json.loads(line))
        listener.close()
        started.append(pid)
        sys.stdout.write(f"{pid} {port}\n")
        sys.stdout.flush()
    for pid in started:
        if _is_ours(pid):
            os.kill(pid, signal.SIGKILL)


def _is_ours(pid: int) -> bool:
    try:
        return os.getpgid(pid) == os.getpgid(0)
    except ProcessLookupError:
        return False


def _be_a_node(listener: socket.socket, asked: dict[str, Any]) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(2, 1)
        os.close(0)
        serve(listener, **asked)
        code = 0
    finally:
        os._exit(code)


def mailing(folder: str) -> list[Method]:
    """All ways to confirm; a sent code is a file of the folder, named by its time."""

    def deliver(message: CodeMessage) -> None:
        (Path(folder) / f"{monotonic_ns()}").write_text(message.code)

    codes = RecoveryCodes(reaches_mfa=True)
    return [WebAuthn(), Totp(), codes, EmailCode(deliver, reaches_mfa=True)]


def serve(
    listener: socket.socket, *, clock: str, keeper: float | None, secret_keys: str, mails: str | None, **bank: Any
) -> None:
    """Be one node of the bank, until it is told to end."""
    _overload.LATE = inf  # a busy machine must not refuse what a test starts
    if keeper is not None:
        _keeper.PERIOD = keeper
    os.environ["UPSTILE_SECRET_KEYS"] = secret_keys
    app = create_app(clock=SharedClock(Path(clock)), methods=None if mails is None else mailing(mails), **bank)
    _take_faults(app)
    config = uvicorn.Config(app, log_level="info", access_log=False, lifespan="on", ws="none", log_config=None)
    uvicorn.Server(config).run(sockets=[listener])


def _take_faults(app: FastAPI) -> None:
    @app.post("/_fault")
    async def fault(fault: Fault) -> None:
        arm(fault)


if __name__ == "__main__":
    main()
