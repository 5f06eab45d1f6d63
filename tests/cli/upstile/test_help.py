"""`upstile --help` teaches, starts fast, and says the same as docs/cli.md."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from docs.command_line import PAGE, commands, reference
from docs.generated import page_with
from support.shell import Shell, loaded, noting
from upstile.client.cli import _ending

CLI = Path(_ending.__file__).parent


def test_the_page_is_what_the_command_says() -> None:
    page = PAGE.read_text()
    assert page == page_with(reference(), page), "run uv run python -m docs.command_line"


@pytest.mark.parametrize("name", commands())
def test_each_command_has_an_example_and_every_example_is_a_command(name: str, shell: Shell) -> None:
    done = shell.run(*name.split(), "--help")
    assert (done.code, done.error) == (0, "")
    group = name in ("", "authenticators")
    assert "Example" in done.out or group
    for line in done.out.splitlines():
        words = line.strip().split()
        if words[:1] == ["upstile"] and not group:
            assert f"upstile {name}" in line


def test_the_help_says_why_no_token_is_printed_and_what_each_exit_code_means(shell: Shell) -> None:
    told = " ".join(shell.run("--help").out.split())
    assert "No command prints a token" in told
    assert "there is `upstile request`" in told
    for code, meaning in _ending.MEANINGS.items():
        assert f"{code} {meaning}" in told


def test_each_error_of_the_sdk_has_an_exit_code_that_is_documented() -> None:
    from upstile.client import _errors

    codes = {error.code for error in vars(_errors).values() if isinstance(error, type) and hasattr(error, "code")}
    assert set(_ending.CODES) <= codes
    assert set(_ending.CODES.values()) <= set(_ending.MEANINGS)


@pytest.mark.parametrize("hidden", ["typer", "fido2", "httpx"])
def test_without_the_extra_it_says_what_to_install(hidden: str) -> None:
    program = f"import sys; sys.modules[{hidden!r}] = None; from upstile._start import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (2, f"upstile needs {hidden}: pip install 'upstile[cli]'\n")


def test_the_help_loads_neither_httpx_nor_keys_nor_models(tmp_path: Path) -> None:
    path = tmp_path / "loaded"
    subprocess.run([sys.executable, *noting(path), "--help"], capture_output=True, check=True)  # noqa: S603
    modules = loaded(path)
    assert "typer" in modules
    assert modules.isdisjoint({"httpx", "httpx2", "fido2", "pydantic", "anyio", "rich", "filelock"})


def test_the_sdk_never_loads_the_command() -> None:
    program = "import sys, upstile.client; upstile.client.Client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert {"typer", "upstile.client.cli"}.isdisjoint(done.stdout.split())


def test_the_command_uses_what_every_app_may_use() -> None:
    for path in set(CLI.glob("*.py")) - {CLI / "__main__.py"}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("upstile"):
                assert node.module == "upstile.client" or (node.module or "").startswith("upstile.client.cli"), path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("upstile sta", "status"), ("upstile authenticators re", "rename"), ("upstile request --da", "--data-binary")],
)
def test_a_shell_completes(shell: Shell, typed: str, offered: str) -> None:
    words = typed.split()
    shell.set(_UPSTILE_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))
    assert offered in shell.run().out.split()


def test_a_shell_completes_the_names_of_profiles(shell: Shell) -> None:
    from upstile.client.cli._profiles import Profile, Profiles

    for name in ("work", "home"):
        Profiles().remember(name, Profile(api="https://api.example.com", client_id="my-app"))
    shell.set(_UPSTILE_COMPLETE="complete_bash", COMP_WORDS="upstile status --profile w", COMP_CWORD="3")
    assert shell.run().out.split() == ["work"]


def test_the_version_is_that_of_the_distribution(shell: Shell) -> None:
    from importlib.metadata import version

    assert shell.run("--version").out == f"upstile {version('upstile')}\n"
