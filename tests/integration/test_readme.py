"""The README's code is the examples' code, and it runs: its two files exactly as they stand there."""

import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from time import time
from typing import Any

import pytest

from examples.readme.more import send
from support.pasted import Person, free_port
from support.terminal import Sitting
from support.totp import code_at, seed_in
from upstile.client import CallbackPrompter, Client, FileStore, Totp
from upstile.client.adapters import _auth as adapter

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FILE = re.compile(r"<!-- file: (?P<file>\S+) -->\n```python\n(?P<code>.*?)```", re.DOTALL)
FIRST = "First code that your authenticator app shows: "
CODE = "Code from your authenticator app: "
SENT = "{'sent': '50.00', 'by': 'ada'}"


def test_its_files_are_those_of_the_examples() -> None:
    assert [match["file"] for match in FILE.finditer(README)] == ["examples/readme/api.py", "examples/readme/app.py"]


def test_the_first_two_commands_are_what_ci_runs() -> None:
    commands = re.findall(r"^pip install uv && (uv run .*)$", README, re.MULTILINE)
    assert commands == ["uv run --only-group demo python -m examples.bank", "uv run pytest"]
    for command in commands:
        assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the two files of the README; they differ in the port alone, and only where 8000 is taken."""
    port = free_port(8000)
    for match in FILE.finditer(README):
        code = match["code"] if port == 8000 else match["code"].replace("localhost:8000", f"localhost:{port}")
        (tmp_path / Path(match["file"]).name).write_text(code)
    (tmp_path / "port").write_text(str(port))
    return tmp_path


def test_the_two_files_of_the_readme_run_as_pasted_and_a_person_confirms_a_transfer(folder: Path) -> None:
    with _api(folder):
        with closing(Sitting(["app.py"], cwd=folder)) as first:
            first.types("correct horse\n", after="Ada's password: ")
            first.sees("type this secret: ")
            seed = seed_in(first.sees("\n").replace(" ", "").strip())
            _types_codes(first, seed)
            assert first.ends() == 0
        assert re.search(r"The service says:\s+│ Confirm this transfer\s", first.shown)
        assert "Confirmed." in first.shown
        with closing(Sitting(["app.py"], cwd=folder)) as again:  # enrolled already: no second secret
            again.types("correct horse\n", after="Ada's password: ")
            assert "type this secret" not in again.sees(CODE)
            again.writes("\x03")
            assert again.ends() != 0


def test_who_does_not_know_the_password_gets_no_further(folder: Path) -> None:
    with _api(folder), closing(Sitting(["app.py"], cwd=folder)) as stranger:
        stranger.types("wrong horse\n", after="Ada's password: ")
        assert stranger.ends() == 1
        assert "403 Forbidden" in stranger.shown


def test_the_handler_asks_for_a_large_order_and_the_app_says_what_to_do(folder: Path) -> None:
    more = (ROOT / "examples/readme/more.py").read_text()
    (folder / "more.py").write_text(more.replace("from examples.readme.api import", "from api import"))
    url = f"http://localhost:{(folder / 'port').read_text()}"
    with (
        _api(folder, "more:app"),
        Client(url, client_id="bank-cli", prompter=CallbackPrompter(code=lambda _: None)) as client,
    ):
        client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
        assert send(client, 1000) == '"ordered for 1000 EUR"'
        with pytest.raises(SystemExit, match=r"Set up a security key or an authenticator app first\."):
            send(client, 1001)


def _types_codes(person: Sitting, seed: bytes) -> None:
    """The last step's code where the first one is asked, so that this step's is still good; until it is done."""
    while True:
        seen = person.sees(FIRST, CODE, SENT)
        if seen.endswith(SENT):
            return
        person.writes(f"{code_at(seed, int(time()) // 30 - seen.endswith(FIRST))}\n")


def test_the_command_line_stays_signed_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    person = Person()
    monkeypatch.setattr(adapter, "TerminalPrompter", lambda: person.prompter)
    passwords = iter(["wrong horse", "correct horse"])
    monkeypatch.setattr("getpass.getpass", lambda: next(passwords))
    url = f"http://localhost:{(folder / 'port').read_text()}"
    source = (ROOT / "examples/readme/pay.py").read_text().replace("https://api.example.com", url)
    module: dict[str, Any] = {"__name__": "pay"}
    exec(compile(source, "pay.py", "exec"), module)  # noqa: S102
    pay = module["pay"]
    with _api(folder):
        assert pay("login", "ada") == "The bank refused the sign-in: status 403."
        assert pay("login", "ada") == "You are signed in as ada."
        with Client(url, client_id="bank-cli", store=FileStore("pay")) as client:
            client.authenticators.enroll(Totp(), "phone")
        assert pay("send") == '{"sent":"50.00","by":"ada"}'
        assert pay("logout") == "You are signed out."
        assert pay("send").startswith("You are not signed in. Sign in first.")
    assert pay("send").startswith("The bank cannot be reached.")
    assert list((folder / "state/pay/upstile").glob("*.json"))


@contextmanager
def _api(folder: Path, app: str = "api:app") -> Generator[None]:
    port = (folder / "port").read_text()
    command = [sys.executable, "-m", "uvicorn", app, "--port", port]  # 8000 is uvicorn's own
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as api:  # noqa: S603
        try:
            assert api.stderr is not None
            assert any("Uvicorn running on" in line for line in api.stderr), "the API did not start"
            yield
        finally:
            api.terminate()
            api.communicate(timeout=20)
