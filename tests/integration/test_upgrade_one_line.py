"""An app on httpx that exists: one line besides an import makes it step up."""

from contextlib import closing
from difflib import ndiff
from pathlib import Path
from time import time

from support.ada import Ada
from support.bank_server import BankServer
from support.terminal import Sitting
from support.totp import code_at

ROOT = Path(__file__).parents[2]
CODE = "Code from your authenticator app: "
PASSWORD = "Ada's password: "


def test_one_line_differs_besides_the_import() -> None:
    before, after = ((ROOT / f"examples/upgrade_one_line/{name}.py").read_text() for name in ("before", "after"))
    differences = [line for line in ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert [line for line in differences if line[2:].strip()] == [
        "+ from upstile.client import StepUpAuth",
        '-         client.headers["Authorization"] = f"Bearer {token}"',
        '+         client.auth = StepUpAuth(url, client_id="bank-cli", token=token)',
    ]


def test_the_app_was_refused_and_now_asks_and_pays(bank_server: BankServer) -> None:
    ada = Ada(bank_server)
    ada.bank.clock.ahead = -60  # so that the code of this very moment is not used yet
    with ada.app():
        pass
    ada.bank.clock.ahead = 0
    with closing(_run("before", ada)) as before:
        before.types("correct horse\n", after=PASSWORD)
        assert before.ends() == 0
    assert "401 " in before.shown
    with closing(_run("after", ada)) as after:
        after.types("correct horse\n", after=PASSWORD)
        after.types(f"{code_at(ada.seed, int(time()) // 30)}\n", after=CODE)
        assert after.ends() == 0
    assert "The service says:" in after.shown
    assert "200 {'sent': '50.00'" in after.shown


def _run(name: str, ada: Ada) -> Sitting:
    return Sitting(["-m", f"examples.upgrade_one_line.{name}", ada.bank.url], cwd=ROOT)
