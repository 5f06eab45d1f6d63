"""`upstile login`, `status` and `logout`: said once, remembered, and never a secret on a screen."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from support.bank_server import BankServer
from support.shell import Done, Shell

WHO = ("username: ", "ada\n")
PASSWORD = ("password: ", "correct horse\n")


def login(shell: Shell, bank: BankServer, *more: str, typed: Sequence[tuple[str, str]] = (WHO, PASSWORD)) -> Done:
    """The first sign-in, with all that has to be said once."""
    where = ["--api", bank.url, "--client-id", "bank-cli", "--path", "/login"]
    return shell.run("login", *where, "--field", "username", "--secret", "password", *more, typed=typed)


def status(shell: Shell, *more: str) -> dict[str, Any]:
    """What is known."""
    members: dict[str, Any] = json.loads(shell.run("status", "--json", *more).out)
    return members


def kept_secrets(shell: Shell) -> list[str]:
    """The token and the private key that are kept."""
    entries = [json.loads(path.read_text()) for path in shell.home.rglob("*.json")]
    [entry] = [entry for entry in entries if "key" in entry]
    return [entry["login"]["access_token"], entry["key"]]


def test_a_sign_in_is_remembered_and_the_next_one_asks_for_what_changes_only(shell: Shell, bank: BankServer) -> None:
    done = login(shell, bank)
    assert (done.code, done.out) == (0, "")
    assert done.error.startswith(f"You are signed in as ada at {bank.url} until ")
    assert "correct horse" not in shell.terminal.shown + shell.files()
    known = status(shell)
    assert (known["api"], known["client_id"], known["subject"], known["bound"]) == (bank.url, "bank-cli", "ada", True)
    assert known["confirmations"] == []
    assert known["expires"] > bank.clock()
    assert json.loads(shell.run("request", "GET", "/balance").out) == {"balance": "1000.00"}
    assert shell.run("login", "--quiet", typed=(WHO, PASSWORD)) == Done(code=0, body=b"", error="")
    done = shell.run("login", "--field", "username=ada", "--json", typed=[PASSWORD])
    assert json.loads(done.out)["subject"] == "ada"


def test_status_says_in_words_what_is_known_and_3_or_4_what_is_to_be_done(shell: Shell, bank: BankServer) -> None:
    assert "upstile login" in shell.run("status").sentence(3)
    login(shell, bank)
    done = shell.run("status")
    assert done.code == 0
    rows = dict(row.split(maxsplit=1) for row in done.out.replace("Signed in", "Signed").splitlines())
    assert rows["API"] == bank.url
    assert rows["Signed"].startswith("ada until ")
    assert rows["Confirmed"] == "nothing in this terminal"
    done = shell.run("status", "--acr", "mfa")
    assert (done.code, done.error.count("mfa is not confirmed here")) == (4, 1)
    shell.run("logout")
    done = shell.run("status", "--json")
    assert (done.code, json.loads(done.out)["signed_in"], json.loads(done.error)["exit_code"]) == (3, False, 3)


def test_after_logout_the_api_takes_the_token_no_more_and_with_forget_nothing_is_left(
    shell: Shell, bank: BankServer
) -> None:
    login(shell, bank)
    key = kept_secrets(shell)[1]
    assert shell.run("logout").error == "You are signed out.\n"
    assert bank.exchanges[-1] == ("POST", "/stepup/revoke", 200)
    assert "Run `upstile login`." in shell.run("request", "GET", "/balance").sentence(3)
    assert key in shell.files()
    assert shell.run("logout").error == "You were not signed in.\n"
    assert shell.run("logout", "--forget").code == 0
    assert shell.files() == ""


def test_the_api_says_why_it_refuses_a_sign_in_and_nothing_is_remembered(shell: Shell, bank: BankServer) -> None:
    done = login(shell, bank, typed=[WHO, ("password: ", "wrong\n")])
    assert "Unknown user or wrong password" in done.sentence(1)
    assert "wrong\n" not in shell.terminal.shown
    assert shell.files() == ""
    assert "name what it asks for, such as --field" not in done.error
    where = ["--api", bank.url, "--client-id", "bank-cli", "--path", "/login"]
    assert "name what it asks for, such as --field username" in shell.run("login", *where).sentence(1)
    assert "no sign-in there" in login(shell, bank, "--path", "/nowhere").sentence(1)


def test_a_form_for_one_api_is_no_form_for_the_next_one_and_a_refused_body_names_what_was_sent(
    shell: Shell, bank: BankServer
) -> None:
    refused = login(shell, bank, "--form").sentence(1)
    assert "It was sent a form." in refused
    assert "JSON: leave --form out" in refused
    assert login(shell, bank).code == 0
    [profiles] = [path for path in shell.home.rglob("*.json") if '"path"' in path.read_text()]
    text = profiles.read_text().replace('"form": false', '"form": true')
    profiles.write_text(text)
    assert "It was sent a form." in login(shell, bank).sentence(1)  # the same API: as remembered
    profiles.write_text(text.replace(bank.url, "http://localhost:1"))
    assert login(shell, bank).code == 0


def test_profiles_have_sign_ins_of_their_own(shell: Shell, bank: BankServer) -> None:
    login(shell, bank, "--profile", "work")
    sentence = shell.run("status").sentence(3)
    assert "'default'" in sentence
    assert sentence.endswith("There are profiles: work.")
    assert status(shell, "--profile", "work")["subject"] == "ada"
    assert json.loads(shell.run("--profile", "work", "status", "--json").out)["subject"] == "ada"
    shell.set(UPSTILE_PROFILE="work")
    assert status(shell)["subject"] == "ada"
    assert (
        "Run `upstile login --profile other`."
        in shell.run("status", "-p", "other", "--api", bank.url, "--client-id", "x").error
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--api", "example.com"], "--api 'example.com' lacks its beginning. Write https://example.com."),
        (["--api", "localhost:8000"], "--api 'localhost:8000' lacks its beginning. Write http://localhost:8000."),
        (["--api", "http://api.example.com/v1"], "http is for this machine only. Write https://api.example.com/v1."),
        (["--api", "ftp://example.com"], "is no address. Write one as https://api.example.com."),
        (["--api", "https://[::"], "is no address. Write one as https://api.example.com."),
        (["--api", "https://a@example.com"], "'https://a@example.com' must be an https URL"),
        (["--issuer", "login.example.com"], "Write https://login.example.com."),
        (["--interaction", "nonsense"], "--interaction is auto, never or required, not 'nonsense'."),
    ],
)
def test_who_mistypes_an_option_is_told_how_to_write_it(shell: Shell, typed: list[str], said: str) -> None:
    shell.set(UPSTILE_API="https://api.example.com", UPSTILE_CLIENT_ID="my-app")
    sentence = shell.run(*typed, "status").sentence(2)
    assert said in sentence
    assert "makers" not in sentence


def test_an_app_that_the_api_does_not_know_is_the_option_that_names_it(shell: Shell, bank: BankServer) -> None:
    login(shell, bank, "--client-id", "bank-kli")
    assert shell.run("step-up", "--acr", "mfa").sentence(1) == (
        "The service does not know this app. Look whether --client-id is the name under which the API knows this app."
    )
    assert "Not confirmed" not in shell.terminal.shown


def test_a_question_ends_as_one_and_one_second_is_one(shell: Shell, bank: BankServer) -> None:
    login(shell, bank)
    assert shell.run("step-up").sentence(2) == "What is to be confirmed? Say it, such as --acr mfa."
    assert "mfa of the last second is not confirmed here" in shell.run("status", "--acr", "mfa", "--max-age", "1").error


def test_an_error_as_json_has_a_stable_code_and_developers_words_only_where_they_are_wanted(
    shell: Shell, bank: BankServer
) -> None:
    login(shell, bank)
    shell.run("logout")
    told = json.loads(shell.run("authenticators", "list", "--json").error)
    assert told.pop("next_step").startswith("Run `upstile login`.")
    assert told == {"error": "You are not signed in", "code": "not_signed_in", "exit_code": 3}
    verbose = shell.run("authenticators", "list", "--json", "--verbose")
    assert "missing-token" in json.loads(verbose.error.splitlines()[-1])["hint"]


def test_an_unknown_profile_is_3_except_where_signing_in_would_be_what_makes_it_known(shell: Shell) -> None:
    for command in (["status"], ["request", "GET", "/"], ["step-up", "--acr", "mfa"], ["authenticators", "list"]):
        assert "Sign in first, or say --api and --client-id." in shell.run("-p", "new", *command).sentence(3)
    assert "Say --api and --client-id." in shell.run("login", "-p", "new").sentence(2)
    shell.set(UPSTILE_TOKEN="T")
    assert "Say --api and --client-id, too" in shell.run("request", "GET", "/").sentence(3)


def test_a_password_is_no_option(shell: Shell, bank: BankServer) -> None:
    where = ["--api", bank.url, "--client-id", "bank-cli", "--path", "/login"]
    sentence = shell.run("login", *where, "--secret", "password=correct horse").sentence(2)
    assert "correct horse" not in sentence


@pytest.mark.parametrize(
    ("piped", "said"),
    [
        (b"", "Nothing was piped in"),
        (b"\n", "Nothing was piped in"),
        (b"one\ntwo\n", "has several lines"),
        (b"one\r\rtwo", "has several lines"),
        (b"SECRET two\n", "is no token"),
        (b'"SECRET"\n', "is no token"),
        (b"SECR\xc3\x89T", "is no token"),
    ],
)
def test_a_piped_token_is_one_line(shell: Shell, bank: BankServer, piped: bytes, said: str) -> None:
    where = ["--api", bank.url, "--client-id", "bank-cli"]
    sentence = shell.run("login", "--token-stdin", *where, piped=piped).sentence(2)
    assert said in sentence
    assert "SECRET" not in sentence
    assert shell.files() == ""


def test_a_piped_token_becomes_the_sign_in(shell: Shell, bank: BankServer) -> None:
    where = ["--api", bank.url, "--client-id", "bank-cli", "--subject", "ada"]
    assert shell.run("login", "--token-stdin", *where, on_terminal=True).code == 4
    token = token_of(bank)
    assert shell.run("login", "--token-stdin", *where, "--expires-in", "600", piped=f"{token}\r\n".encode()).code == 0
    known = status(shell)
    assert (known["subject"], known["bound"]) == ("ada", False)
    assert shell.run("request", "GET", "/balance").code == 0
    assert shell.run("logout").code == 0
    assert httpx.get(f"{bank.url}/balance", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_a_token_of_the_environment_goes_before_and_nothing_is_kept(shell: Shell, bank: BankServer) -> None:
    shell.set(UPSTILE_API=bank.url, UPSTILE_CLIENT_ID="bank-cli", UPSTILE_TOKEN=token_of(bank))
    assert shell.run("request", "GET", "/balance").code == 0
    done = shell.run("status")
    assert "by UPSTILE_TOKEN" in done.out
    for command in ("login", "logout"):
        assert "UPSTILE_TOKEN is set" in shell.run(command).sentence(2)
    shell.set(UPSTILE_INTERACTION="never")
    assert shell.run("request", "POST", "/transfers", "--json", '{"to": "A", "amount": "1"}').code == 4
    assert shell.files() == ""


def test_where_nobody_may_be_asked_nobody_is(shell: Shell, bank: BankServer) -> None:
    assert login(shell, bank, "--interaction", "never", typed=[]).sentence(4) == "This needs you: run it in a terminal."
    assert shell.terminal.shown == ""
    shell.set(UPSTILE_INTERACTION="never", UPSTILE_API=bank.url, UPSTILE_CLIENT_ID="bank-cli")
    shell.set(UPSTILE_TOKEN=token_of(bank))
    before = len(bank.exchanges)
    assert shell.run("authenticators", "add", "totp").sentence(4) == "This needs you: run it in a terminal."
    assert len(bank.exchanges) == before
    assert shell.run("step-up", "--acr", "mfa").sentence(4) == "This needs you: run it in a terminal."
    assert shell.terminal.shown == ""


def test_no_command_prints_a_token_or_a_key(shell: Shell, bank: BankServer) -> None:
    said = [login(shell, bank, "--verbose")]
    secrets = kept_secrets(shell)
    for command in (
        ["status", "-v"],
        ["status", "--json"],
        ["request", "GET", "/balance", "-i", "-v"],
        ["request", "GET", "/nothing", "-v"],
        ["authenticators", "list", "-v"],
        ["step-up", "--acr", "mfa", "-v", "--json"],
        ["logout", "-v", "--json"],
        ["request", "GET", "/balance", "-v"],
    ):
        said.append(shell.run(*command))
    shown = "".join(done.out + done.error for done in said) + shell.terminal.shown
    assert "ada" in shown
    for secret in secrets:
        assert secret not in shown


def test_what_is_remembered_may_be_damaged_and_is_left_alone(shell: Shell, bank: BankServer) -> None:
    login(shell, bank)
    [file] = [path for path in shell.home.rglob("*.json") if '"profiles"' in path.read_text()]
    file.write_text('{"profiles": {"default": {"api": 7}}}')
    assert f"{file} is damaged. Remove it, and sign in again." in shell.run("status").sentence(1)
    assert "7" in file.read_text()
    file.chmod(0o666)
    assert "is open to other users of this machine" in shell.run("status").sentence(1)


def token_of(bank: BankServer) -> str:
    """A token that is not bound, as somebody else's sign-in hands it out."""
    reply = httpx.post(f"{bank.url}/login", json={"username": "ada", "password": "correct horse"})
    token: str = reply.raise_for_status().json()["access_token"]
    return token
