"""The demo, as a newcomer runs it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from upstile.protocol import find_step_up, parse_challenges

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "examples.bank"]


@pytest.fixture(scope="module")
def told() -> str:
    done = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_demo_tells_every_step_and_ends_well(told: str) -> None:
    for number in "123456":
        assert f"\n({number}) " in told
    assert told.rstrip().endswith("Every step ended as told.")
    assert "the demo's clock is moved" in told


def test_the_demo_shows_the_challenges_and_masks_the_secrets(told: str) -> None:
    assert told.count("WWW-Authenticate: DPoP error=") == 6
    assert "access_token=•••" in told
    assert not re.search(r"eyJ[A-Za-z0-9_-]{10}", told)
    assert not re.search(r"secret=[A-Z2-7]", told)
    assert "2468" not in told


def test_a_wrong_argument_is_explained() -> None:
    done = subprocess.run([*DEMO, "--sreve"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
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
            found = find_step_up(parse_challenges(reply.headers["www-authenticate"]))
        finally:
            bank.send_signal(signal.SIGINT)
            bank.wait(20)
    assert reply.status_code == 401
    assert found is not None
    assert (found.requirement.acr, found.requirement.max_age) == (("mfa",), 300)
    assert found.resource_metadata == f"{url[0]}/.well-known/oauth-protected-resource"
    assert bank.returncode == 0


def _until_printed(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line and "curl" in line:
            return printed
    raise AssertionError(printed)
