"""Blocks of pages that have no test of their own elsewhere: they run, and do what the page says."""

import json
import logging
import os
import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.pasted import free_port
from support.walked import Reader, run_shell
from upstile import client as sdk
from upstile.client import Client
from upstile.client.testing import ScriptedPrompter
from upstile.protocol import base64url_encode
from upstile.server.fastapi import App, StepUp

Pasted = Callable[[str], list[str]]
OPTIONS = """
    url="http://localhost:8000",
    storage="sqlite:///bank.db",
    clients=[App("pay")],
    allow_insecure_loopback=True,
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def run(code: str, **names: Any) -> dict[str, Any]:
    """Run a block; `...,` among its arguments stands for those that a deployment has."""
    exec(compile(code.replace("    ...,\n", OPTIONS), "page", "exec"), names)  # noqa: S102
    return names


def test_a_client_is_made_as_the_page_says(pasted: Pasted) -> None:
    [code] = pasted("docs/client.md")
    with run(code)["client"] as client:
        assert client.signed_in is None


def test_an_app_at_an_identity_provider_is_made_as_the_page_says(
    pasted: Pasted, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    def away(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        raise httpx.ConnectError("nobody is there")

    def offline(url: str, **options: Any) -> Client:
        return Client(url, transport=httpx.MockTransport(away), prompter=ScriptedPrompter(), **options)

    monkeypatch.setattr(sdk, "Client", offline)
    [code] = pasted("docs/client.md")
    with pytest.raises((sdk.StepUpError, httpx.ConnectError)):
        run(code)
    assert asked[0] == "https://api.example.com/.well-known/oauth-protected-resource"


def test_the_log_is_json(pasted: Pasted, folder: Path) -> None:
    [code] = pasted("docs/events.md")
    names = run(code)
    audit, handler = names["audit"], names["handler"]
    assert isinstance(audit, logging.Logger)
    try:
        audit.info("challenged")
    finally:
        audit.removeHandler(handler)
        handler.close()
    [line] = (folder / "audit.jsonl").read_text().splitlines()
    assert isinstance(json.loads(line), dict)


def test_notices_are_configured_as_the_page_says(pasted: Pasted) -> None:
    [code] = pasted("docs/mails.md")
    names = run(code, secret="x", App=App, StepUp=StepUp)
    assert isinstance(names["server"], StepUp)


def test_methods_are_named_as_the_page_says(pasted: Pasted) -> None:
    def taken(*_: object) -> bool:
        return True

    [code] = pasted("docs/methods.md")
    names = run(code, send_mail=taken, send_text=taken, check=taken, App=App, StepUp=StepUp)
    assert isinstance(names["server"], StepUp)


def test_mails_are_previewed(pasted: Pasted, folder: Path) -> None:
    (folder / "my-texts").mkdir()
    (folder / "my-texts" / "code.en.txt").write_text("Ours\n{{ code }}\n")
    [code] = pasted("docs/mails.md")
    _shell(folder, code)
    assert "Ours" in (folder / "preview" / "code.en.txt").read_text()
    assert len(list((folder / "preview").glob("*.html"))) > 10


@pytest.mark.long
def test_keys_are_made_and_looked_at(pasted: Pasted, bank: Path) -> None:
    make, look = pasted("docs/operating.md")
    key = _shell(bank, make.splitlines()[0]).strip()
    assert re.fullmatch(r"[\w-]{43}=?", key)
    export = make.splitlines()[1].replace("…", key, 1)
    shown = _shell(bank, f"{export}\nupstile-server --app bank:server db upgrade\n{look}")
    assert "seals and opens" in shown


@pytest.mark.long
def test_the_help_desk_looks_and_resets(pasted: Pasted, bank: Path) -> None:
    [code] = pasted("docs/operating.md")
    environment = {"UPSTILE_SECRET_KEYS": base64url_encode(bytes(32))}
    sign_in = "import bank; from upstile.server.testing import token_for; token_for(bank.server, 'ada')"
    _shell(bank, f'python -c "{sign_in}"', **environment)
    shown = _shell(bank, code, **environment)
    assert "This cannot be undone. [y/N]: " in shown
    with closing(sqlite3.connect(bank / "bank.db")) as audit:
        told = audit.execute("SELECT subject FROM upstile_audit WHERE kind = 'authenticator-disabled'").fetchall()
    assert told == [("ada",)]


@pytest.fixture
def bank(folder: Path) -> Path:
    """A folder with the `bank.py` of the tutorials."""
    Reader(folder, port=free_port(8000)).only("docs/tutorials/api.md", "pasted: bank.py")
    return folder


def _shell(folder: Path, code: str, **environment: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return run_shell(code, folder, os.environ | {"PATH": path, "COLUMNS": "120"} | environment, typed="y\n")
