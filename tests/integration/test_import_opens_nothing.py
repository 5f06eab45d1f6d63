"""A module that makes its `StepUp` opens nothing when it is imported: no file, no socket, no database, no key."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from fastapi import Depends, FastAPI
from upstile.server import App
from upstile.server.fastapi import StepUp
from upstile.server.issuers import JWTVerifier

CLI, HERE = [App("cli")], {"url": "http://localhost:8000", "allow_insecure_loopback": True}
SECRET = {"secret_keys": ["A" * 43], "url": "https://api.example.com"}

def applications():
    yield StepUp.embedded(**HERE, clients=CLI, storage="sqlite:///x.db")
    yield StepUp.embedded(**HERE, clients=CLI, storage=":memory:")
    one_time = "redis://cache.invalid:6379/0"
    yield StepUp.embedded(**SECRET, clients=CLI, storage="postgresql://nobody@db.invalid/x", one_time=one_time)
    issuer = JWTVerifier(issuer="https://id.invalid", satisfies={"phr": {"mfa"}})
    yield StepUp(url="https://api.example.com", storage="sqlite:///y.db", verifier=issuer)

def imported():
    for server in applications():
        app = FastAPI()
        app.add_api_route("/", lambda: "", dependencies=[Depends(server.require(acr="mfa", max_age=300))])
        server.install(app)
        app.openapi()

imported()  # the modules that are imported then are opened here
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
imported()
WATCHED = ("open", "os.", "socket.", "sqlite3.", "tempfile.", "shutil.", "subprocess.", "_thread.start")
print([event for event in seen if event[0].startswith(WATCHED)])
"""


def test_nothing_is_opened_before_the_application_starts(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert not [*tmp_path.iterdir()]
