"""`upstile-server check`: what each call asks for, and what is wrong, without anything being made."""

import json
from typing import Any

import pytest

from support.command import Done, Folder

BANK = """
from fastapi import Depends, FastAPI
from starlette.applications import Starlette

RECENT = server.requirement(acr="mfa", max_age=300, reason="Confirm this transfer")

def staff(auth=Depends(RECENT)):
    return auth.subject

def create_app():
    app, desk = FastAPI(), FastAPI()
    app.post("/login")(lambda: None)
    app.get("/news")(lambda: None)
    app.post("/notes", dependencies=[Depends(server.optional(acr="mfa"))])(lambda: None)
    app.post("/transfers", dependencies=[Depends(RECENT)])(lambda: None)
    app.delete("/account", dependencies=[Depends(server.require(max_age=0)), Depends(server.require(acr="phr"))])(
        lambda: None)
    desk.put("/limits/{user}", dependencies=[Depends(server.require())])(lambda: None)
    app.put("/limit", dependencies=[Depends(RECENT), Depends(staff)])(lambda: None)
    app.mount("/desk", desk)
    server.install(app)
    return app
"""


@pytest.fixture
def bank(folder: Folder) -> Folder:
    """An application with routes, which a function makes."""
    folder.write("bank.py", (folder.path / "bank.py").read_text() + BANK)
    return folder


def document(done: Done) -> dict[str, Any]:
    """What is printed for a program."""
    found: dict[str, Any] = json.loads(done.out)
    return found


def levels(found: dict[str, Any]) -> dict[str, list[str]]:
    """How bad what was found about each thing is."""
    told: dict[str, list[str]] = {}
    for finding in found["findings"]:
        told.setdefault(finding["about"], []).append(finding["level"])
    return told


def test_every_call_is_shown_with_what_it_asks_for_and_nothing_is_made(bank: Folder) -> None:
    done = bank.run("check", "bank:create_app", "--json")
    assert done.code == 0, done
    asks = {
        f"{','.join(call['methods'])} {call['path']}": [(it["acr"], it["max_age"]) for it in call["requirements"]]
        for call in document(done)["calls"]
    }
    assert asks == {
        "PUT /limit": [(["mfa"], 300)],  # the same guard at two places
        "POST /login": [],
        "GET /news": [],
        "POST /notes": [],
        "POST /transfers": [(["mfa"], 300)],
        "DELETE /account": [([], 0), (["phr"], None)],
        "PUT /desk/limits/{user}": [([], None)],
    }
    told = levels(document(done))
    assert told["guard"] == ["look", "look"]  # POST /login, POST /notes
    notes = next(call for call in document(done)["calls"] if call["path"] == "/notes")
    assert [it["acr"] for it in notes["optional"]] == [["mfa"]]
    assert told["storage"] == ["look"]  # nothing is there before the first start
    assert told["url"] == ["ok"]
    assert bank.files() == ["bank.py"]


def test_what_an_operator_reads_and_strict(bank: Folder) -> None:
    done = bank.run("check", "bank:create_app", "--strict")
    assert done.code == 1
    assert "mfa of the last 300 seconds, “Confirm this transfer”" in done.out
    assert "POST /login declares none: is it meant for everybody?" in done.out
    assert "who has one: mfa" in done.out
    assert done.out.count("Confirm this transfer") == 2
    assert "POST /notes declares an optional one: what does it check of a caller without a token?" in done.out
    assert bank.files() == ["bank.py"]


@pytest.mark.long
def test_an_application_that_is_not_installed_is_wrong(bank: Folder) -> None:
    done = bank.run("check")
    assert done.code == 1
    assert "call server.install(app)" in done.out


@pytest.mark.long
@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("bank", "must be module:function"),
        ("bank:create_ap", "must be module:function"),
        ("bnk:create_app", "there is no module 'bnk'"),
        ("json:loads", "importing json:loads failed"),
    ],
)
def test_a_wrong_function_is_one_sentence(bank: Folder, function: str, sentence: str) -> None:
    assert sentence in bank.run("check", function).sentence(2)


@pytest.mark.long
def test_keys_that_are_gone_and_a_storage_of_a_later_release_are_wrong(used: Folder) -> None:
    used.write("bank.py", (used.path / "bank.py").read_text() + BANK)
    right = document(used.run("check", "bank:create_app", "--json"))
    assert levels(right)["storage"] == levels(right)["signing keys"] == levels(right)["secret keys"] == ["ok"]
    from upstile.server.keys._secret_keys import new_key

    done = used.run("check", "bank:create_app", "--json", keys=new_key().decode())
    assert done.code == 1
    assert "wrong" in str(levels(document(done)))
