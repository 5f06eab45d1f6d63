"""What a test needs besides the development tools: without it the test fails in CI and is skipped elsewhere."""

import os
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pytest

_OLDEST_NODE = 20


def missing(what: str, remedy: str) -> NoReturn:
    """End the test that needs it, with what to do."""
    sentence = f"{what} is missing: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def module(name: str) -> Any:
    """A Python module of the dependency group `interop`."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        missing(name.partition(".")[0], "uv sync --group interop")


def node(folder: Path) -> str:
    """Node.js, with the packages of a folder."""
    program = shutil.which("node")
    if program is None or _major(program) < _OLDEST_NODE:
        missing(f"Node.js {_OLDEST_NODE} or newer", "apt-get install nodejs npm")
    if not (folder / "node_modules").is_dir():
        missing("what the scripts of Node.js use", "npm ci --prefix tests/interop/node")
    return program


def _major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603
    return int(said.lstrip("v").partition(".")[0])
