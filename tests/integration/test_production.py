"""The production example on real parts: nginx, three processes, PostgreSQL, Redis."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

import httpx

from support.production import COMMAND, Running, programs, started
from support.totp import code_at, seed_in
from upstile.client import CallbackPrompter, Client, Totp
from upstile.protocol import find_step_up, parse_challenges

ORDER = {"to": "ACME", "amount": "50.00"}


def test_a_node_is_killed_while_a_person_is_asked_and_nobody_notices() -> None:
    programs()
    with started() as running:
        running.await_words("In production:")
        pids, folder = running.pids, running.folder
        killed: list[str] = []

        def kill_who_asked() -> None:
            killed.append(running.requests("/stepup/challenge")[-1])
            os.kill(pids[killed[0]], signal.SIGKILL)
            running.await_words(f"{killed[0]} has ended")

        person = Person(kill_who_asked)
        with Client(running.url, client_id="bank-cli", prompter=person.prompter, methods=[Totp()]) as client:
            client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            client.authenticators.enroll(Totp(), "phone")
            assert client.get("/statements/2026%2F11").json() == {"statement": "2026/11", "of": "ada"}
            _is_a_challenge_of(running.url, running)
            assert client.post("/transfers", json=ORDER).json() == {"sent": "50.00", "to": "ACME", "by": "ada"}
            for _ in range(6):
                assert client.post("/transfers", json=ORDER).status_code == 200
        assert person.asked == ["First code that your authenticator app shows", "Code from your authenticator app"]
        before, after = running.requests("/stepup/challenge")
        assert before == killed[0]
        assert after != killed[0]
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == 0, running.said
    _is_gone(pids, folder)


def test_ctrl_c_while_it_starts_leaves_nothing() -> None:
    programs()
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # PostgreSQL is another user
        with started(TMPDIR=folder) as running:
            running.await_words("Making the tables")
            assert _working_in(folder)
            running.process.send_signal(signal.SIGINT)
            assert running.ended() == 0
        assert running.said.splitlines()[-1] == "Stopped."
        assert _working_in(folder) == []
        assert list(Path(folder).iterdir()) == []


def test_it_says_what_to_install() -> None:
    with started(PATH="/nonexistent") as running:
        assert running.ended() == 1
    assert COMMAND[0] == sys.executable  # an absolute path, which needs no PATH
    assert "redis-server" in running.said
    assert "apt-get install " in running.said
    assert "Traceback" not in running.said


class Person:
    """Reads codes: the last step's to verify the enrolment, so that this step's is unused when the transfer asks."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.seed = b""
        self.asked: list[str] = []
        self._meanwhile = meanwhile
        self.prompter = CallbackPrompter(show_key_uri=self.scan, code=self.code)

    def scan(self, uri: str) -> None:
        """Take the seed."""
        self.seed = seed_in(uri.partition("secret=")[2].partition("&")[0])

    def code(self, label: str) -> str:
        """A code; something happens before the second one is typed."""
        self.asked.append(label)
        if len(self.asked) == 2:
            self._meanwhile()
        return code_at(self.seed, int(time()) // 30 + len(self.asked) - 2)


def _is_a_challenge_of(url: str, running: Running) -> None:
    """Whatever a request says of where it came from, the challenge names the configured URL."""
    told = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
    weak = httpx.post(f"{url}/login", json={"username": "ada", "password": "correct horse"}).json()["access_token"]
    headers = {"Authorization": f"Bearer {weak}", "Host": "evil.example", **told}
    reply = httpx.post(f"{url}/transfers", json=ORDER, headers=headers)
    challenge = find_step_up(parse_challenges(reply.headers["www-authenticate"]))
    assert challenge is not None
    assert challenge.resource_metadata == f"{running.url}/.well-known/oauth-protected-resource"


def _is_gone(pids: dict[str, int], folder: Path) -> None:
    assert not [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()]
    assert not folder.exists()


def _working_in(folder: str) -> list[str]:
    """The processes whose working directory is in a folder, also one that was removed."""
    found: list[str] = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # it has ended meanwhile
            found += [str(link)] if str(link.readlink()).startswith(folder) else []
    return found
