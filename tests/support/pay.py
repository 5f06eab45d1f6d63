"""A command line that pays: `python -m support.pay COMMAND STORE FOLDER URL [STRANGERS]`, a process for each command.

It prints one JSON object: what came of it, and how often the person was asked. `COMMAND` is login, send, status, logout
or forget; `STORE` is file or keyring. With a number, a prompt waits until so many processes are asking.
"""

import json
import os
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from support.file_keyring import FileKeyring
from support.totp import code_at, seed_in
from upstile.client import Client, FileStore, KeyringStore, StepUpError, Store, Totp
from upstile.client.testing import ScriptedPrompter

LOGIN = {"username": "ada", "password": "correct horse"}


class BankClock:
    """The bank's clock. Every process goes by it: to one that is behind, a token of the others is from the future."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_clock"

    def move(self, seconds: float) -> float:
        """Move it ahead; the time by then."""
        now: float = httpx.post(self._url, json={"advance": seconds}).json()["now"]
        return now

    def __call__(self) -> float:
        return self.move(0)


class Person(ScriptedPrompter):
    """Has the seed of the authenticator app in a file."""

    def __init__(self, folder: Path, clock: BankClock, together: int) -> None:
        super().__init__(self._code)
        self._folder, self._clock, self._together = folder, clock, together

    def show_key_uri(self, uri: str) -> None:
        """Scan it."""
        secret = parse_qs(urlsplit(uri).query)["secret"][0]
        (self._folder / "seed").write_text(seed_in(secret).hex())

    def _code(self) -> str:
        (self._folder / f"asking-{os.getpid()}").touch()
        end = monotonic() + 20
        while len(list(self._folder.glob("asking-*"))) < self._together and monotonic() < end:
            sleep(0.02)
        now = self._clock.move(30)
        return code_at(bytes.fromhex((self._folder / "seed").read_text()), int(now) // 30)


def store_of(kind: str, folder: Path) -> Store:
    """The store of the app."""
    state = folder / "state"
    if kind == "file":
        return FileStore("pay", folder=state)
    return KeyringStore("pay", backend=FileKeyring(folder / "keyring"), folder=state)


def main() -> None:
    """Do what the command says."""
    command, kind, place, url, *together = sys.argv[1:]
    folder = Path(place)
    clock = BankClock(url)
    person = Person(folder, clock, int(together[0]) if together else 0)
    said: dict[str, Any] = {}
    with Client(
        url, client_id="bank-cli", store=store_of(kind, folder), prompter=person, methods=[Totp()], clock=clock
    ) as client:
        try:
            said = _done(client, command, folder)
        except StepUpError as error:
            said = {"error": error.code, "told": error.diagnostics()}
    sys.stdout.write(json.dumps({**said, "prompts": len(person.occasions)}) + "\n")


def _done(client: Client, command: str, folder: Path) -> dict[str, Any]:
    if command == "login":
        client.sign_in("/login", subject="ada", json=LOGIN)
        if not (folder / "seed").exists():
            client.authenticators.enroll(Totp(), "phone")
    elif command == "send":
        return {"status": client.post("/transfers", json={"to": "ACME", "amount": "1.00"}).status_code}
    elif command in ("logout", "forget"):
        client.sign_out(forget=command == "forget")
    signed_in = client.signed_in
    return {"subject": signed_in and signed_in.subject, "bound": signed_in and signed_in.bound}


if __name__ == "__main__":
    main()
