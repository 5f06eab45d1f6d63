"""Keycloak itself, as its distribution starts it, with realms of a test's own."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any
from zipfile import ZipFile

import httpx

from support.installed import missing

VERSION = "26.7.3"
_SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_PATIENCE = 400.0
"""Seconds for a start: it takes ten, the first time thirty, and many more on a busy machine."""
_DOWNLOAD = 540


@contextmanager
def keycloak(realms: Mapping[str, Mapping[str, Any]]) -> Generator[str]:
    """Run one on a free port.

    Args:
        realms: what each realm is, by its name: as in a realm file, but for the name.

    Yields:
        The URL below which the realms are: `URL/realms/NAME`.
    """
    if shutil.which("java") is None:
        missing("Java 17 or newer", "apt-get install openjdk-17-jre-headless")
    with TemporaryDirectory(prefix="keycloak-", ignore_cleanup_errors=True) as folder:
        with ZipFile(_distribution()) as archive:
            archive.extractall(folder)
        built = _cache() / f"keycloak-built-{VERSION}"
        home, said = Path(folder, f"keycloak-{VERSION}"), Path(folder, "said")
        (home / "data" / "import").mkdir(parents=True)
        for name, realm in realms.items():
            (home / "data" / "import" / f"{name}.json").write_text(json.dumps({**realm, "realm": name}))
        if built.is_dir():
            shutil.copytree(built, home / "lib" / "quarkus", dirs_exist_ok=True)
        port = _free_port()
        command = ["sh", "bin/kc.sh", "start-dev", "--http-host=127.0.0.1", f"--http-port={port}", "--import-realm"]
        memory = {**os.environ, "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m"}
        with said.open("wb") as log:
            running = subprocess.Popen(  # noqa: S603
                command, cwd=home, env=memory, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(running, said, [f"{url}/realms/{name}" for name in realms])
            _keep(home / "lib" / "quarkus", built)
            yield url
        finally:
            os.killpg(running.pid, signal.SIGKILL)  # the script, and the Java that it started
            running.wait()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "upstile-tests"


def _keep(made: Path, built: Path) -> None:
    """Keep what the first start builds, which is most of its time."""
    if not built.is_dir():
        with TemporaryDirectory(dir=built.parent) as folder, suppress(OSError):  # another process was quicker
            shutil.copytree(made, Path(folder, built.name)).replace(built)


def _distribution() -> Path:
    """The archive; Maven gets it once, from where it is set up to get such things."""
    cache = _cache()
    found = cache / f"keycloak-quarkus-dist-{VERSION}.zip"
    if not found.is_file():
        maven = shutil.which("mvn")
        if maven is None:
            missing(f"Keycloak {VERSION}", f"apt-get install maven, which gets it; or put its zip at {found}")
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as folder:
            command = [maven, "-q", "-B", _COPY, f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD, check=False)  # noqa: S603
            if done.returncode != 0:
                missing(f"Keycloak {VERSION}", f"Maven could not get {_ARTIFACT}: {done.stdout[-500:]}")
            Path(folder, found.name).replace(found)
    digest = sha256(found.read_bytes()).hexdigest()
    assert digest == _SHA256, f"{found} is not the Keycloak that these tests know: remove it"
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(running: "subprocess.Popen[bytes]", said: Path, realms: list[str]) -> None:
    end = monotonic() + _PATIENCE
    for realm in realms:
        while not _answers(f"{realm}/.well-known/openid-configuration"):
            assert running.poll() is None, said.read_text()[-4000:]
            assert monotonic() < end, said.read_text()[-4000:]
            sleep(0.2)  # it says so in no other way


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.TransportError:
        return False
