"""OAuth software for JavaScript against a running bank: a whole step-up, and both metadata documents."""

import subprocess
from pathlib import Path

import pytest

from support.bank_server import BankServer
from support.installed import node

SCRIPTS = Path(__file__).with_name("node")


@pytest.mark.parametrize("script", ["metadata.mjs", "step_up.mjs"])
def test_software_for_javascript_understands_the_server(bank_server: BankServer, script: str) -> None:
    command = [node(SCRIPTS), script, bank_server.url, bank_server.clock_url]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "everything held\n"


def test_no_test_names_where_its_packages_come_from() -> None:
    assert '"resolved"' not in (SCRIPTS / "package-lock.json").read_text()
