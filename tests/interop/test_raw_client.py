"""A client that shares no code with us, against our API and authorization server, over a real socket."""

import ast
import subprocess
import sys
from pathlib import Path

from support.bank_server import BankServer

SCRIPT = Path(__file__).with_name("raw_client.py")
OURS = {"upstile", "fido2", "jwt", "webauthn", "support", "examples"}


def test_a_raw_client_steps_up_by_the_wire_protocol_alone(bank_server: BankServer) -> None:
    command = [sys.executable, str(SCRIPT), bank_server.url, bank_server.clock_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("everything held\n")


def test_the_raw_client_imports_nothing_of_ours() -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported.isdisjoint(OURS)
