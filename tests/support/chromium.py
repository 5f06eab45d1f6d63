"""A real browser without a window: Debian's Chromium, spoken to over its DevTools protocol."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic, sleep
from typing import Any

from websockets.sync.client import ClientConnection, connect

from support.installed import missing

_PATIENCE = 15.0
_address = re.compile(r"ws://\S+")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-extensions", "--remote-debugging-port=0", "--hide-scrollbars"),
)


class Tab:
    """One page of the browser, as its person sees and uses it.

    Attributes:
        in_use: is held by whoever uses it in a thread of their own.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._numbers, self.in_use = connection, count(1), Lock()
        self._session: str | None = None
        target = self.does("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.does("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.does("Page.enable")

    def does(self, command: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; returns its result."""
        number = next(self._numbers)
        session = {} if self._session is None else {"sessionId": self._session}
        self._connection.send(json.dumps({"id": number, "method": command, "params": parameters, **session}))
        while True:
            message = json.loads(self._connection.recv(timeout=_PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                found: dict[str, Any] = message["result"]
                return found

    def goes(self, url: str) -> None:
        """Open a page."""
        self.does("Page.navigate", url=url)

    def says(self, script: str) -> Any:
        """What a script comes to."""
        return self.does("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def sees(self, text: str) -> None:
        """Wait until the page has a text."""
        end = monotonic() + _PATIENCE
        while text not in (shown := self.says("document.body ? document.body.innerText : ''") or ""):
            assert monotonic() < end, f"{text!r} never came: {shown!r}"
            sleep(0.05)  # a page has no other way to say it

    def types(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.says(f"document.querySelector({json.dumps(selector)}).focus()")
        self.does("Input.insertText", text=text)

    def clicks(self, selector: str) -> None:
        """Click on something."""
        self.says(f"document.querySelector({json.dumps(selector)}).click()")

    def looks(self, width: int, *, dark: bool, height: int = 480) -> None:
        """Be so many pixels wide and high, light or dark."""
        self.does("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.does("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """A PNG of what it shows."""
        return b64decode(self.does("Page.captureScreenshot", format="png")["data"])


@contextmanager
def chromium() -> Generator[Tab]:
    """Run one; yields a page of it."""
    program = shutil.which("chromium")
    if program is None:
        missing("Chromium", "apt-get install chromium")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [program, *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        errors = Path(folder, "said").open("w+")  # noqa: SIM115 - closed below
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)  # noqa: S603
        try:
            with connect(_listening(Path(folder, "said")), max_size=None) as connection:
                yield Tab(connection)
        finally:
            running.kill()
            running.wait()
            errors.close()


def _listening(said: Path) -> str:
    end = monotonic() + _PATIENCE
    while (found := _address.search(said.read_text())) is None:
        assert monotonic() < end, said.read_text()
        sleep(0.05)
    return found[0]
