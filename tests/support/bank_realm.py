"""The realm of `examples/with_keycloak`, for tests: with more people in it, and changed as a test says."""

import json
from base64 import b32encode
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep, time
from typing import Any

import examples.with_keycloak
from support.totp import code_at, seed_in

FILE = Path(examples.with_keycloak.__file__).with_name("realm.json")
REALM: dict[str, Any] = json.loads(FILE.read_text())
PASSWORD = "correct horse"
_STEP = 30


def secret_of(name: str) -> str:
    """The secret of a person's authenticator app, in base32; ada's is that of the file."""
    return "JBSWY3DPEHPK3PXP" if name == "ada" else b32encode(name.encode().ljust(20, b"-")).decode()


def person(name: str) -> dict[str, Any]:
    """Somebody like ada, but for the name."""
    (ada,) = REALM["users"]
    made: dict[str, Any] = json.loads(json.dumps(ada).replace(secret_of("ada"), secret_of(name)))
    return {**made, "username": name, "email": f"{name}@example.com", "firstName": name}


def realm(*people: str, **changes: Any) -> dict[str, Any]:
    """The realm, with further people.

    Args:
        people: their names.
        changes: members of the realm.
    """
    return {**deepcopy(REALM), "users": [person(name) for name in ("ada", *people)], **changes}


def with_max_age(made: dict[str, Any], level: str, seconds: int) -> dict[str, Any]:
    """The same realm, in which a level is good for so many seconds."""
    for config in made["authenticatorConfig"]:
        if config["alias"] == level:
            config["config"]["loa-max-age"] = str(seconds)
    return made


@dataclass
class Phone:
    """An authenticator app, whose person types no code twice.

    Keycloak takes each code once, and that of the next step, too; so this waits only for the third.
    """

    name: str
    used: set[int] = field(default_factory=set[int])

    def code(self) -> str:
        """A code that was not used."""
        while True:
            now = int(time()) // _STEP
            for step in (now, now + 1):
                if step not in self.used:
                    self.used.add(step)
                    return code_at(seed_in(secret_of(self.name)), step)
            sleep(0.5)
