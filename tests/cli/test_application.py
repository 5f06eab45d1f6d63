"""Which application the command is about: each mistake is one sentence that says what to do."""

import re
import shutil
import subprocess
import sys

import pytest

from support.command import OLD, Folder

MISTAKES = {
    None: r"say which application this is about: --app module:name or UPSTILE_APP, such as `upstile-server --app",
    "bank": r"--app 'bank' must be module:name, such as",
    "bank:": r"must be module:name",
    "./bank.py:server": r"must be module:name",
    "bnk:server": r"there is no module 'bnk' in .*: run the command where you start the server",
    "bank.api:server": r"there is no module 'bank.api' in",
    "bank:sever": r"bank has no 'sever'\. The StepUp object there is bank:server\.",
    "bank:app": r"bank:app is of the type object, not a StepUp object\. The StepUp object there is bank:server\.",
    "bank:StepUp": r"bank:StepUp is a class, not a StepUp object",
    "json:dumps": r"is of the type function, not a StepUp object\. Name the variable .* a function that makes it",
}


@pytest.mark.parametrize("app", MISTAKES)
def test_a_wrong_application_is_told_in_one_sentence(folder: Folder, app: str | None) -> None:
    assert re.search(MISTAKES[app], folder.run("keys", "status", app=app).sentence(2))
    assert folder.files() == ["bank.py"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "import bnak_tools",
            r"importing bank failed in .*bank.py, line 1: ModuleNotFoundError: No module named 'bnak",
        ),
        ("x = 1\nint('three')", r"importing bank failed in .*bank.py, line 2: ValueError: invalid literal"),
        ("def broken(:", r"importing bank failed in .*SyntaxError"),
        ("raise SystemExit", r"importing bank failed in .*bank.py, line 1: SystemExit"),
        (
            "from upstile.server import ConfigurationError\nraise ConfigurationError('url is wrong: mend it')",
            r"bank is configured wrongly: url is wrong: mend it",
        ),
    ],
)
def test_an_application_that_cannot_be_imported_is_told_with_the_place(
    folder: Folder, text: str, sentence: str
) -> None:
    folder.write("bank.py", text)
    assert re.search(sentence, folder.run("keys", "status").sentence(2))


def test_a_secret_key_that_is_missing_or_malformed_is_told(folder: Folder) -> None:
    missing = folder.run("keys", "status", keys="").sentence(2)
    assert "set UPSTILE_SECRET_KEYS. Make one with: python -c" in missing
    malformed = folder.run("keys", "status", keys=f"{OLD} tooshort").sentence(2)
    assert "member 2 of secret_keys is not 32 bytes as base64url text" in malformed
    assert "tooshort" not in malformed


def test_an_application_is_named_by_the_option_before_the_environment(folder: Folder) -> None:
    folder.write("shop.py", "import bank\nclass web:\n    server = bank.server\n")
    assert folder.run("--app", "shop:web.server", "db", "upgrade").code == 0
    assert folder.files() == ["bank.db", "bank.py", "shop.py"]


def test_importing_an_application_opens_nothing(folder: Folder) -> None:
    assert "bank.db': the server makes it when it starts" in folder.run("keys", "status").sentence(1)
    assert "there is no file" in folder.run("keys", "rotate").sentence(1)
    assert folder.files() == ["bank.py"]


@pytest.mark.parametrize("command", [["keys"], ["keys", "reseal"], ["db", "upgrade"]])
def test_help_teaches_with_examples_and_needs_no_application(folder: Folder, command: list[str]) -> None:
    done = folder.run(*command, "--help", app=None)
    assert done.code == 0
    assert command == ["keys"] or "upstile-server --app bank:server" in done.out
    assert max(map(len, done.out.splitlines())) <= 110


def test_a_command_that_does_not_exist_is_told(folder: Folder) -> None:
    done = folder.run("keys", "rotat")
    assert (done.code, "No such command 'rotat'" in done.error) == (2, True)


def test_the_script_is_installed_beside_the_interpreter() -> None:
    script = shutil.which("upstile-server", path=f"{sys.prefix}/bin")
    assert script is not None
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)  # noqa: S603
    assert "Usage: upstile-server" in done.stdout


def test_the_command_without_its_extra_says_what_to_install_and_the_server_needs_none_of_it() -> None:
    program = (
        "import sys; sys.modules['typer'] = sys.modules['rich'] = None; "
        "import upstile.server, upstile.server.keys._sealed; from upstile.server.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (2, "upstile-server needs typer: pip install 'upstile[cli]'\n")
