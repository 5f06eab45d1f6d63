"""The demo, as a newcomer runs it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from interop.raw.wire import challenge as strictly_parsed
from support.at_the_demo import AtTheDemo
from upstile.protocol import find_step_up, parse_challenges

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "examples.bank"]
ENVIRONMENT = {**os.environ, "COLUMNS": "80"}


@pytest.fixture
def sitting() -> Iterator[AtTheDemo]:
    made = AtTheDemo()
    yield made
    made.close()


@pytest.fixture(scope="module")
def told() -> str:
    done = _run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_demo_tells_every_step_and_ends_well(told: str) -> None:
    assert re.findall(r"^\((.)\) ", told, re.MULTILINE) == list("1·23···4···567·")
    assert "the demo's clock is moved" in told
    last = told.partition("Every step ended as told.\n")[2]
    commands = re.findall(r"^    uv run --only-group demo (.+)$", last, re.MULTILINE)
    assert commands == ["python -m examples.bank --interactive", "python -m examples.bank --serve"]
    assert all((ROOT / file).exists() for file in re.findall(r"examples/\S+|README.md", last))


def test_the_demo_shows_the_challenges_and_masks_the_secrets(told: str) -> None:
    assert told.count("WWW-Authenticate: DPoP error=") == 9
    assert "access_token=•••" in told
    assert not re.search(r"eyJ[A-Za-z0-9_-]{10}", told)
    assert not re.search(r"secret=[A-Z2-7]", told)
    assert "2468" not in told
    assert not re.search(r"([0-9A-Z]{4}-){3}[0-9A-Z]{4}", told)  # a recovery code


def test_the_demo_says_what_may_surprise(told: str) -> None:
    assert told.count("(403 is how the draft standard") == 1
    assert "a proof no older than a minute" in told
    assert told.count("acr=mfa serves once") == 1
    assert told.count("  took ") == 15


def test_the_first_challenge_is_shown_whole_and_of_the_others_what_differs(told: str) -> None:
    shown = re.findall(r"WWW-Authenticate: (.+(?:\n {11}\S.*)+)", told)
    joined = [" ".join(line.strip() for line in lines.split("\n")) for lines in shown]
    found = [find_step_up(parse_challenges(challenge.removesuffix(", …"))) for challenge in joined]
    assert [challenge and challenge.requirement.max_age for challenge in found] == [300, 60, 0, 60, 60, None, 300, 0, 0]
    form = r'DPoP error="\w+"(, acr_values="\w+")?(, [a-z_]+=("\S+"|\d+))*'
    assert re.fullmatch(form, joined[0])
    assert 'resource_metadata="http://localhost:' in joined[0]
    assert 'algs="ES256"' in joined[0]
    assert all(re.fullmatch(form + ", …", challenge) for challenge in joined[1:])


def test_a_mail_is_shown_as_it_arrived_the_first_whole_and_the_second_to_its_code(told: str) -> None:
    mails = re.findall(r"(?:^ {4}│.*\n)+", told, re.MULTILINE)
    first, second = ([line.removeprefix("    │").strip() for line in mail.splitlines()] for mail in mails)
    assert first[:3] == [
        "From: Bank <no-reply@login.bank.example>",
        "To: ada@example.com",
        "Subject: Bank: code to add this mail address",
    ]
    assert "IF IT WAS NOT YOU" in first
    assert second[2] == "Subject: Bank: code to confirm that it is you"
    assert second[-1] == "…"
    codes = [line for line in first + second if re.fullmatch(r"\d{8}", line)]
    assert len({*codes}) == len(codes) == 2
    assert second[-2] == codes[1]


def test_a_lost_phone_is_replaced_with_a_recovery_code_which_a_mailed_code_could_not(told: str) -> None:
    lost = told.partition("Her phone is lost.")[2]
    mailed, _, replaced = lost.partition("She adds her new phone")
    assert "answer by otp → sent" in mailed
    assert "without acr serves once" in mailed
    assert "start (mfa) → asks for totp, recovery_code; 5" in replaced
    assert "answer by recovery_code → authorization_code=•••" in replaced
    assert "“Recovery codes left: 9.”" in replaced
    assert re.search(r"DELETE /stepup/authenticators/\S+  204", replaced)


def test_lines_fit_and_have_no_blanks_at_their_end(told: str) -> None:
    lines = told.split("\n")
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line in lines if len(line) > 80 and "resource_metadata=" not in line] == []


def test_an_ascii_locale_gets_question_marks() -> None:
    done = _run(PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "access_token=???" in done.stdout


def test_a_closed_pipe_ends_the_demo_quietly() -> None:
    # The pipe holds less than the demo says, so it is still speaking when the reader leaves.
    pipe = subprocess.PIPE
    with subprocess.Popen(DEMO, cwd=ROOT, pipesize=4096, stdout=pipe, stderr=pipe) as demo:  # noqa: S603
        assert demo.stdout is not None
        assert demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr.read() == b""
        assert demo.wait(20) == 141


def test_without_a_terminal_the_interactive_demo_says_so_and_shows_nothing() -> None:
    done = _run("--interactive")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "--interactive asks you on the terminal: run it in one, with its output not redirected.\n"


def test_the_interactive_demo_shows_no_secret_to_a_pipe() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as piped, closing(AtTheDemo(stdout=writer)) as sitting:
        os.close(writer)
        assert sitting.ends() == 1
        assert piped.read() == b""
    assert "run it in one" in sitting.shown


def test_who_mistypes_and_picks_another_method_still_sees_every_step_end_as_told(sitting: AtTheDemo) -> None:
    sitting.types_a_code(after="authenticator app shows: ", wrong=True)
    for _ in ("again", "and once more"):
        sitting.types_a_code(after="authenticator app shows: ", wrong=True)
    sitting.types("\n", after="Enter tries this step again")
    sitting.types_a_code(after="authenticator app shows: ")
    sitting.types_a_code(after="Code from your authenticator app: ", wrong=True)
    sitting.types_a_code(after="Code from your authenticator app: ")
    sitting.types_a_code(after="Code from your authenticator app: ")
    sitting.types_the_mailed_code(after="Code that you were sent: ", slowly=True)
    sitting.types_a_code(after="Code from your authenticator app: ")  # a minute later: asked again
    sitting.types("saved\n", after="once you have saved them: ")
    sitting.types("2\n", after="change with a number: ")
    sitting.types_the_mailed_code(after="Code from the mail: ")
    sitting.types("2\n", after="change with a number: ")
    sitting.types_a_recovery_code(after="One of your recovery codes: ")
    sitting.types_a_code(after="authenticator app shows: ")
    for _ in ("enrols the key", "uses it"):
        sitting.types("2468\n", after="8 tries left): ")
    sitting.types("2\n", after="change with a number: ")
    assert "wrong code" not in sitting.types("2468\n", after="8 tries left): ")
    sitting.types("1\n", after="change with a number: ")
    sitting.types_a_code(after="Code from your authenticator app: ")
    assert sitting.ends() == 0
    assert "Every step ended as told." in sitting.shown
    assert "--interactive" not in sitting.shown.partition("What to try next")[2]


def test_the_terminal_shows_the_secret_for_who_has_no_camera_and_lines_that_fit(sitting: AtTheDemo) -> None:
    shown = sitting.types_a_code(after="authenticator app shows: ")
    uri = re.search(r"secret=([A-Z2-7]+)", shown)
    text = re.search(r"type this secret: (([A-Z2-7]{4} )+[A-Z2-7]{4})", shown)
    assert uri is not None
    assert text is not None
    assert text[1].replace(" ", "") == uri[1]
    challenged = sitting.sees("Code from your authenticator app")
    assert max(map(len, challenged.split("\n"))) <= 80


def test_ctrl_c_has_one_ending_and_leaves_the_terminal_as_it_was(sitting: AtTheDemo) -> None:
    sitting.types_a_code(after="authenticator app shows: ")
    sitting.types("\x03", after="Code from your authenticator app: ")
    assert sitting.ends() == 130
    assert sitting.shown.replace("\r", "").partition("Code from your authenticator app: ")[2] == "^C\nStopped.\n"


STOPPED_WHILE_LOADING = """
import runpy, sys
class Stop:
    def find_spec(self, name, *rest):
        if name == "httpx":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop())
runpy.run_module("examples.bank", run_name="__main__")
"""


def test_ctrl_c_before_it_has_begun_ends_it_without_a_traceback() -> None:
    command = [sys.executable, "-c", STOPPED_WHILE_LOADING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (130, "")


def test_a_wrong_argument_is_explained() -> None:
    done = _run("--sreve")
    assert done.returncode == 2
    assert "unrecognized arguments: --sreve" in done.stderr


def test_the_served_bank_challenges_the_printed_token() -> None:
    serve = [*DEMO, "--serve"]
    with subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, text=True) as bank:  # noqa: S603
        try:
            printed = _until_printed(bank, "oauth-authorization-server")
            token = printed.partition("TOKEN=")[2].partition("\n")[0]
            url = re.search(r"http://localhost:\d+", printed)
            assert url is not None
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{url[0]}/balance", headers=headers).status_code == 200
            order = {"to": "ACME", "amount": "50.00"}
            reply = httpx.post(f"{url[0]}/transfers", headers=headers, json=order)
            line = reply.headers["www-authenticate"]
        finally:
            bank.send_signal(signal.SIGINT)
            bank.wait(20)
    assert reply.status_code == 401
    metadata = f"{url[0]}/.well-known/oauth-protected-resource"
    params = {"error": "insufficient_user_authentication", "acr_values": "mfa", "max_age": "300"}
    assert strictly_parsed(line) == ("bearer", {**params, "resource_metadata": metadata})  # by no code of ours
    found = find_step_up(parse_challenges(line))
    assert found is not None
    assert (found.requirement.acr, found.requirement.max_age) == (("mfa",), 300)
    assert found.resource_metadata == metadata
    assert bank.returncode == 0


def _until_printed(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line and "curl" in line:
            return printed
    raise AssertionError(printed)


def _run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603
        [*DEMO, *arguments],
        cwd=ROOT,
        env=ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
