"""The commands for one user, as the help desk runs them."""

import getpass
import json
import re
import sqlite3
import sys
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from support.command import ISSUER, NOW, OLD, Done, Folder
from upstile.server.cli._command import command

WHY = ("--reason", "lost her phone")
Run = Callable[..., Done]


@pytest.fixture
def run(used: Folder, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process: a process of its own takes a second to begin, and one test does it that way."""
    monkeypatch.chdir(used.path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("BANK_TIME", str(NOW))
    monkeypatch.setenv("UPSTILE_SECRET_KEYS", OLD)

    def invoked(*arguments: str, typed: str = "") -> Done:
        monkeypatch.delitem(sys.modules, "bank", raising=False)
        result = CliRunner().invoke(command, ["--app", "bank:server", *arguments], input=typed)
        return Done(result.exit_code, result.stdout, result.stderr)

    return invoked


def _told(folder: Folder) -> list[str]:
    path = folder.path / "events.txt"
    return path.read_text().splitlines() if path.exists() else []


def _states(run: Run, subject: str) -> list[str]:
    done = run("user", subject, "show", "--json")
    return [entry["state"] for entry in json.loads(done.out)["authenticators"]]


def test_show_tells_what_is_stored_and_neither_a_secret_nor_anybody(used: Folder, run: Run) -> None:
    done = run("user", "user-7", "show")
    assert done.code == 0
    assert f"user-7 at {ISSUER}" in done.out
    assert "id-0007" in done.out
    assert "0 known keys" in done.out
    stored = json.loads(run("user", "user-7", "show", "--json").out)
    assert (stored["subject"], stored["seen"], stored["at"]) == ("user-7", True, NOW)
    assert [(entry["method"], entry["data"]) for entry in stored["authenticators"]] == [("totp", {})]
    database = sqlite3.connect(used.path / "bank.db")
    [(data,)] = database.execute("SELECT data FROM upstile_authenticators WHERE subject = 'user-7'").fetchall()
    database.close()
    assert json.loads(data)["seed"] not in done.out + json.dumps(stored)
    assert _told(used) == []


def test_a_reset_asks_first_takes_everything_out_of_use_and_reaches_the_application(used: Folder, run: Run) -> None:
    assert run("user", "user-7", "reset", *WHY, typed="n\n").code == 1
    assert run("user", "user-7", "reset", *WHY).code == 1  # nobody is there to answer
    assert (_states(run, "user-7"), _told(used)) == (["active"], [])
    done = used.run("user", "user-7", "reset", *WHY, "--by", "bob", typed="y\n")
    assert (done.code, done.out.strip()) == (0, "done for 'user-7', who had 1 authenticators in use")
    assert "This cannot be undone." in done.error
    assert _states(run, "user-7") == ["disabled"]
    assert _states(run, "user-8") == ["active"]
    assert _told(used) == ["authenticator-disabled by bob: lost her phone"]


def test_a_reset_of_who_had_nothing_in_use_says_that_a_sign_in_still_enrols(used: Folder, run: Run) -> None:
    database = sqlite3.connect(used.path / "bank.db")
    begun = "UPDATE upstile_authenticators SET state = 'pending', expires_at = ? WHERE subject = 'user-7'"
    with database:
        database.execute(begun, (NOW + 600,))
    database.close()
    warning = "never had an authenticator in use: a new sign-in sets up the first one without a code"
    done = run("user", "user-7", "reset", "--yes", *WHY)
    assert (done.code, f"'user-7' {warning}" in done.error) == (0, True)
    for _ in range(2):  # what was taken out of use before counts as well
        done = run("user", "user-8", "reset", "--yes", *WHY)
        assert (done.code, warning in done.error) == (0, False)


def test_each_change_is_told_with_who_did_it_and_why(used: Folder, run: Run) -> None:
    for words in (["reset", "--yes"], ["end-sessions", "--yes"], ["unlock"], ["export"], ["forget", "--yes"]):
        assert run("user", "user-7", *words, *WHY).code == 0
    assert run("user", "user-7", "enrolment-code", *WHY).code == 0
    kinds = [*("authenticator-disabled", "sessions-ended", "user-unlocked", "user-exported", "user-forgotten")]
    by = f" by {getpass.getuser()}: lost her phone"
    assert _told(used) == [kind + by for kind in (*kinds, "enrolment-code-issued")]


@pytest.mark.parametrize(
    "words", [["reset", "--yes"], ["end-sessions", "--yes"], ["unlock"], ["enrolment-code"], ["export"], ["forget"]]
)
def test_without_a_reason_nothing_is_done(used: Folder, run: Run, words: list[str]) -> None:
    for reason in ([], ["--reason", " "]):
        done = run("user", "user-7", *words, *reason)
        assert (done.code, done.out) == (2, "")
        assert "--reason" in done.error
    assert (_states(run, "user-7"), _told(used)) == (["active"], [])


def test_a_name_that_was_never_seen_is_told(used: Folder, run: Run) -> None:
    for words in (["show"], ["reset", "--yes", *WHY], ["forget", "--yes", *WHY]):
        done = run("user", "user-7 ", *words)
        assert done.code == 1
        assert "'user-7 ' was never seen here: is the name right?" in done.error
    code = run("user", "nobody", "enrolment-code", *WHY)
    assert code.code == 0
    assert "'nobody' was never seen here" in code.error
    assert "must be a text that names the user" in run("user", "", "show").sentence(1)


def test_a_name_that_the_application_does_not_know_is_refused(used: Folder, run: Run) -> None:
    text = (used.path / "bank.py").read_text()
    used.write("bank.py", text.replace("notify=note,", 'notify=note, users=lambda name: name == "new",'))
    for words in (["show"], ["reset", "--yes", *WHY], ["enrolment-code", *WHY]):
        assert "there is no user 'nobody': nothing was done" in run("user", "nobody", *words).sentence(1)
    assert _told(used) == []
    assert run("user", "new", "enrolment-code", *WHY).code == 0
    assert run("user", "user-7", "unlock", *WHY).code == 0  # deleted there, and still here


def test_a_code_for_who_has_something_in_use_says_what_comes_first(used: Folder, run: Run) -> None:
    done = run("user", "user-7", "enrolment-code", *WHY)
    assert re.fullmatch(r"(\w{4}-){3}\w{4}\n", done.out)
    assert "the code is good once 'user-7' was reset" in done.error


def test_what_is_forgotten_is_in_the_file_no_more(used: Folder, run: Run) -> None:
    assert run("user", "user-7", "forget", "--yes", *WHY).code == 0
    database = sqlite3.connect(used.path / "bank.db")
    for table in ("upstile_authenticators", "upstile_accounts"):
        query = f"SELECT count(*) FROM {table} WHERE subject = 'user-7'"  # noqa: S608
        assert database.execute(query).fetchone() == (0,)
    log = database.execute("SELECT kind, below FROM upstile_revocations WHERE name = 'user-7'").fetchall()
    database.close()
    assert sorted(log) == [("logins", 1), ("proofs", 1)]
    assert json.loads(run("user", "user-7", "show", "--json").out)["authenticators"] == []
    assert _states(run, "user-8") == ["active"]
