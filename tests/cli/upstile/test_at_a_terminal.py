"""`upstile` as processes of one terminal, against the bank: asked once, stopped at any moment."""

import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from time import time

import pytest

from support.bank_server import BankServer
from support.shell import UPSTILE, Shell, loaded, noting, sitting
from support.terminal import Sitting
from support.totp import code_at, seed_in
from upstile.client import Client, Totp
from upstile.client.testing import ScriptedPrompter

LOGIN = ["--client-id", "bank-cli", "--path", "/login", "--field", "username=ada", "--secret", "password"]
TRANSFER = ["request", "POST", "/transfers", "--json", '{"to": "ACME", "amount": "50.00"}']
PAY = [*UPSTILE, *TRANSFER]
CODE = "Code from your authenticator app: "


class Phone(ScriptedPrompter):
    """The authenticator app; enrolled with the code of the last step, so that this step's is unused."""

    def __init__(self) -> None:
        super().__init__(lambda: self.code_of(-1))
        self.seed = b""

    def show_key_uri(self, uri: str) -> None:
        """Scan it."""
        self.seed = seed_in(uri.partition("secret=")[2].partition("&")[0])

    def code_of(self, steps: int = 0) -> str:
        """The code of so many steps from now."""
        return code_at(self.seed, int(time()) // 30 + steps)


@pytest.fixture
def phone(bank_server: BankServer) -> Phone:
    """Ada's."""
    phone = Phone()
    with Client(bank_server.url, client_id="bank-cli", prompter=phone, methods=[Totp()]) as client:
        client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
        client.authenticators.enroll(Totp(), "phone")
    return phone


@pytest.mark.long
def test_five_commands_of_a_terminal_ask_once_and_their_output_is_piped(
    bank_server: BankServer, phone: Phone, tmp_path: Path
) -> None:
    login = [*UPSTILE, "login", "--api", bank_server.url, *LOGIN]
    status = [*UPSTILE, "status", "--acr", "mfa", "--max-age", "200", "--json"]
    again = [*noting(tmp_path / "loaded"), *TRANSFER]
    with sitting(tmp_path, login, PAY, again, status, [*UPSTILE, "logout"], stdout=subprocess.PIPE) as ada:
        ada.types("correct horse\n", after="password: ")
        ada.sees("<exit 0>")
        assert "Confirm this transfer" in ada.types(f"{phone.code_of()}\n", after=CODE)
        ada.sees("<exit 0>")
        assert ada.sees("<exit 0>").strip() == "<exit 0>"  # nothing was asked
        assert ada.ends() == 0
        assert ada.shown.count("<exit 0>") == 5
        assert ada.program.stdout is not None
        with ada.program.stdout as pipe:
            printed = pipe.read().decode()
    decoder, found = json.JSONDecoder(), list[dict[str, object]]()
    while printed.strip():
        members, end = decoder.raw_decode(printed.lstrip())
        found.append(members)
        printed = printed.lstrip()[end:]
    first, second, known = found
    assert (first["balance"], second["balance"]) == ("950.00", "900.00")
    assert "fido2" not in loaded(tmp_path / "loaded")
    assert known["subject"] == "ada"
    assert known["confirmations"]


def test_without_a_terminal_it_is_4_and_a_piped_code_is_no_answer(
    shell: Shell, bank_server: BankServer, phone: Phone
) -> None:
    assert shell.run("login", "--api", bank_server.url, *LOGIN, typed=[("password: ", "correct horse\n")]).code == 0
    done = subprocess.run(  # noqa: S603
        [sys.executable, *PAY],
        input=phone.code_of(),
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("upstile: There is no terminal to ask on.")
    assert ("POST", "/transfers", 200) not in bank_server.exchanges


def interrupt(ada: Sitting) -> None:
    """Ctrl-C."""
    ada.writes("\x03")


def terminate(ada: Sitting) -> None:
    """What a system that shuts down sends."""
    ada.program.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("end", "code"), [pytest.param(interrupt, 130, marks=pytest.mark.long), (terminate, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_command_that_is_stopped_at_a_password_gives_the_terminal_back(
    tmp_path: Path, end: Callable[[Sitting], None], code: int
) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    ada = Sitting([*UPSTILE, "login", "--api", "http://localhost:1", *LOGIN], cwd=tmp_path, environment=environment)
    watched = os.dup(ada._person)
    try:
        ada.sees("password: ")
        assert not termios.tcgetattr(watched)[3] & termios.ECHO
        end(ada)
        assert ada.program.wait(20) == code
        assert termios.tcgetattr(watched)[3] & termios.ECHO
    finally:
        os.close(watched)
        ada.close()


@pytest.mark.long
def test_whoever_stops_reading_ends_it_without_a_word(api: str, tmp_path: Path) -> None:
    environment = {**os.environ, "UPSTILE_API": api, "UPSTILE_CLIENT_ID": "my-app", "UPSTILE_TOKEN": "T"}
    command = [sys.executable, *UPSTILE, "request", "GET", "/binary"]
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == ""
        assert program.wait(60) == 141


@pytest.mark.long
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(api: str, tmp_path: Path, closed: str) -> None:
    environment = {**os.environ, "UPSTILE_API": api, "UPSTILE_CLIENT_ID": "my-app", "UPSTILE_TOKEN": "T"}
    line = f"{sys.executable} -m upstile.client.cli request POST /status/404 -d @- -o {tmp_path / 'body'} {closed}"
    done = subprocess.run(  # noqa: S602
        line, shell=True, env=environment, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False
    )
    assert done.returncode == 22
    assert "fault" not in done.stderr
    assert (tmp_path / "body").read_text() == '{"no":"luck"}'


@pytest.mark.long
def test_authenticators_are_added_renamed_and_removed(bank_server: BankServer, tmp_path: Path) -> None:
    own = [*UPSTILE, "authenticators"]
    lines = [
        [*UPSTILE, "login", "--api", bank_server.url, *LOGIN],
        [*own, "add", "totp", "--name", "my phone"],
        [*own, "list"],
        [*own, "rename", "my phone", "her phone"],
        [*own, "remove", "her phone"],
        [*own, "remove", "no phone"],
        [*own, "add", "pigeon"],
    ]
    phone = Phone()
    with sitting(tmp_path, *lines) as ada:
        ada.types("correct horse\n", after="password: ")
        ada.sees("type this secret: ")
        phone.seed = seed_in(ada.sees("\n").replace(" ", "").strip())
        ada.types(f"{phone.code_of(-1)}\n", after="First code that your authenticator app shows: ")
        ada.sees('"my phone" is added.')
        ada.sees("<exit 0>")
        assert "my phone  totp  active" in ada.sees("<exit 0>")
        ada.types(f"{phone.code_of()}\n", after=CODE)
        ada.sees('It is called "her phone" now.')
        ada.sees('"her phone" is the last one, and stays.')
        ada.sees("<exit 1>")
        ada.sees("None of them is called 'no phone'.")
        ada.sees("<exit 1>")
        ada.sees("'pigeon' is no kind of authenticator.")
        ada.sees("<exit 2>")
        assert ada.ends() == 0
