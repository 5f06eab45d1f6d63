"""A client that shares no code with us, against our API and authorization server, over a real socket."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from support.bank_server import BankServer

CLIENT = Path(__file__).with_name("raw")
THEIRS = {"httpx", "cryptography", "rfc8785"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The raw client, in a process of its own."""
    command = [sys.executable, "-m", "interop.raw", *arguments]
    return subprocess.run(  # noqa: S603
        command, cwd=CLIENT.parent.parent, capture_output=True, text=True, timeout=60, check=False
    )


def imports_of(source: str) -> set[str]:
    """The modules that a program imports, anywhere in it."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("." * node.level + (node.module or ""))
    return imported


def test_a_raw_client_steps_up_by_the_wire_protocol_alone(bank_server: BankServer) -> None:
    done = run(bank_server.url, "--clock-url", bank_server.clock_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("everything held\n")
    assert not re.search(r"correct horse|[\w-]{40,}", done.stdout), "the script prints no secret"


def test_a_raw_client_that_meets_something_else_says_so_in_a_sentence(bank_server: BankServer) -> None:
    done = run(bank_server.url, "ada", "wrong", "--clock-url", bank_server.clock_url)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("BROKEN: expected 200 from POST /login"), done.stdout
    assert done.stderr == ""


def test_the_raw_client_imports_nothing_of_ours() -> None:
    modules = list(CLIENT.glob("*.py"))
    imported = set[str]().union(*(imports_of(module.read_text(encoding="utf-8")) for module in modules))
    own = {name for name in imported if name.startswith("interop.raw.")}
    outside = {name.partition(".")[0] for name in imported - own} - sys.stdlib_module_names
    assert len(modules) > 3
    assert outside == THEIRS
    assert "importlib" not in imported
