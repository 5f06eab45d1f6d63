"""The README's code is the examples' code, and it runs."""

import re
from pathlib import Path
from time import time
from typing import Any

import pytest

from examples.bank.serving import serving
from examples.readme.enrol import first_use, order
from support.totp import code_at, seed_in
from upstile.client import CallbackPrompter, Client
from upstile.client.adapters import _auth as adapter

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- from (?P<file>\S+): (?P<part>\S+) -->\n```python\n(?P<code>.*?)```", re.DOTALL)


def test_the_blocks_are_taken_from_the_examples() -> None:
    readme = (ROOT / "README.md").read_text()
    blocks = {(match["file"], match["part"]): match["code"] for match in BLOCK.finditer(readme)}
    assert {part for _, part in blocks} == {"guard", "sign-in", "handler", "app", "enrol"}
    assert len(blocks) == readme.count("```python")
    for (file, part), code in blocks.items():
        _, _, rest = (ROOT / file).read_text().partition(f"# README: {part}\n")
        assert code.strip() == rest.partition("# README: end")[0].strip(), part


def test_the_first_two_commands_are_what_ci_runs() -> None:
    commands = re.findall(r"^pip install uv && (uv run .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands == ["uv run python -m examples.bank", "uv run pytest"]
    for command in commands:
        assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


def test_the_readmes_api_and_app_confirm_a_transfer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    person = Person()
    monkeypatch.setattr(adapter, "TerminalPrompter", lambda: person.prompter)
    monkeypatch.setattr("getpass.getpass", lambda: "correct horse")
    with serving(_api) as url:
        with Client(url, client_id="bank-cli") as client:
            client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            first_use(client)
            first_use(client)  # once is enough
            assert order(client, 1000) == '"ordered for 1000 EUR"'
        ran = _run("examples/readme/app.py", url)
    assert ran["reply"].json() == {"sent": "50.00", "by": "ada"}
    assert person.asked == ["First code that your authenticator app shows", "Code from your authenticator app"]


def test_the_readmes_handler_asks_for_a_large_order_and_its_app_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(_api) as url, Client(url, client_id="bank-cli", prompter=Person().prompter) as client:
        client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
        assert "Enrol one of: webauthn, totp." in order(client, 1001)


class Person:
    """Reads codes: the last step's to verify the enrolment, so that this step's is still unused."""

    def __init__(self) -> None:
        self.seed = b""
        self.asked: list[str] = []
        self.prompter = CallbackPrompter(show_key_uri=self.scan, code=self.code)

    def scan(self, uri: str) -> None:
        """Take the seed."""
        self.seed = seed_in(uri.partition("secret=")[2].partition("&")[0])

    def code(self, label: str) -> str:
        """The code of this step, or of the last one the first time."""
        self.asked.append(label)
        return code_at(self.seed, int(time()) // 30 + len(self.asked) - 2)


def _api(url: str) -> Any:
    return _run("examples/readme/api.py", url)["app"]


def _run(file: str, url: str) -> dict[str, Any]:
    """Run an example as it stands, but for the address."""
    source = (
        (ROOT / file).read_text().replace('url="https://api.example.com"', f'url="{url}", allow_insecure_loopback=True')
    )
    module: dict[str, Any] = {"__name__": file}
    exec(compile(source.replace("https://api.example.com", url), file, "exec"), module)  # noqa: S102
    return module
