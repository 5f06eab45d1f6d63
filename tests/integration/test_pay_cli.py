"""examples/pay_cli at a terminal: one prompt, and JSON in the pipe."""

import json
import subprocess
from pathlib import Path
from time import time

import pytest

from support.bank_server import BankServer
from support.shell import sitting
from support.totp import code_at, seed_in

PAY = ("-m", "examples.pay_cli")
SEND = [*PAY, "send", "ACME", "50.00"]
FIRST = "First code that your authenticator app shows: "
CODE = "Code from your authenticator app: "


def test_two_transfers_ask_once_and_their_results_are_piped(bank_server: BankServer, tmp_path: Path) -> None:
    lines = [[*PAY, "login", "ada"], [*PAY, "phone"], SEND, SEND]
    with sitting(tmp_path, *lines, stdout=subprocess.PIPE, environment={"PAY_API": bank_server.url}) as ada:
        ada.types("correct horse\n", after="Password: ")
        ada.sees("type this secret: ")
        seed = seed_in(ada.sees("\n").replace(" ", "").strip())
        ada.types(f"{code_at(seed, int(time()) // 30 - 1)}\n", after=FIRST)
        assert "Confirm this transfer" in ada.types(f"{code_at(seed, int(time()) // 30)}\n", after=CODE)
        ada.sees("<exit 0>")
        assert ada.sees("<exit 0>").strip() == "<exit 0>"  # the second one asked nothing
        assert ada.ends() == 0
        assert "correct horse" not in ada.shown
        assert ada.program.stdout is not None
        with ada.program.stdout as pipe:
            signed_in, added, first, second = [json.loads(line) for line in pipe]
    assert (signed_in["signed_in"], signed_in["user"]) == (True, "ada")
    assert added == {"added": "phone"}
    assert (first["balance"], second["balance"]) == ("950.00", "900.00")


@pytest.mark.long
def test_what_goes_wrong_is_a_sentence_and_an_exit_code(bank_server: BankServer, tmp_path: Path) -> None:
    lines = [SEND, [*PAY, "status"], [*PAY, "login", "ada"], SEND, [*PAY, "login", "ada"], [*PAY, "logout"]]
    with sitting(tmp_path, *lines, environment={"PAY_API": bank_server.url}) as ada:
        assert "pay: You are not signed in. Sign in first." in ada.sees("<exit 3>")
        assert '"signed_in": false' in ada.sees("<exit 3>")
        ada.types("wrong\n", after="Password: ")
        assert "pay: the bank answered 403." in ada.sees("<exit 1>")
        ada.sees("<exit 3>")
        ada.types("correct horse\n", after="Password: ")
        ada.sees("<exit 0>")
        assert '"signed_in": false' in ada.sees("<exit 0>")
        assert ada.ends() == 0
