"""A client that shares no code with us, against our API and authorization server, over a real socket."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from support.bank_server import BankServer

SCRIPT = Path(__file__).with_name("raw_client.py")
OURS = {"upstile", "fido2", "jwt", "webauthn"}
THEIRS = {"httpx", "cryptography", "rfc8785"}


def imports_of(source: str) -> set[str]:
    """The top-level names that a program imports, anywhere in it."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or ".").partition(".")[0])
    return imported


def test_a_raw_client_steps_up_by_the_wire_protocol_alone(bank_server: BankServer) -> None:
    command = [sys.executable, str(SCRIPT), bank_server.url, "--clock-url", bank_server.clock_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("everything held\n")
    assert not re.search(r"correct horse|[\w-]{40,}", done.stdout), "the script prints no secret"


def test_a_raw_client_that_meets_something_else_says_so_in_a_sentence(bank_server: BankServer) -> None:
    command = [sys.executable, str(SCRIPT), bank_server.url, "ada", "wrong", "--clock-url", bank_server.clock_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("BROKEN: expected 200 from POST /login"), done.stdout
    assert done.stderr == ""


def test_the_raw_client_imports_nothing_of_ours() -> None:
    imported = imports_of(SCRIPT.read_text(encoding="utf-8"))
    assert imported.isdisjoint(OURS)
    assert imported - sys.stdlib_module_names <= THEIRS
    assert "importlib" not in imported
