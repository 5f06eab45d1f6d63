"""node oidc-provider as somebody's identity provider, and people who sign in at its page."""

import json
import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urljoin

import httpx

from support.installed import node

SCRIPTS = Path(__file__).parents[1] / "interop" / "node"
_form = re.compile(r'action="([^"]+)"')


@contextmanager
def oidc_provider(**asked: Any) -> Generator[str]:
    """Run one; yields its issuer.

    Args:
        asked: `policy="stock"` or `"check"`, `par`, `claims`, `dpop`, `nonces`, `life` (seconds of a token),
            `client` (what the app is called), `port`.
    """
    command = [node(SCRIPTS), "oidc_provider.mjs", json.dumps(asked)]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=SCRIPTS, **quiet) as running:  # type: ignore[call-overload]  # noqa: S603
        try:
            assert running.stdout is not None
            issuer = running.stdout.readline().strip()
            assert issuer.startswith("http://127.0.0.1:"), "oidc-provider did not start"
            yield issuer
        finally:
            running.kill()


@dataclass
class Person:
    """Somebody with a browser that remembers them: its `opens` is for `Browser(opens=)`.

    Attributes:
        name: whom they sign in as.
        code: what they type besides the name; `123456` is a second factor.
        does: the button that they press: `login`, `decline` or `cannot`.
        opened: what they were sent to.
        forms: how often they saw the login page.
        most: how often they fill it in before they give up.
        elsewhere: whether the browser runs on another machine, so that the app's page is not there.
        ended_at: the address that the browser was sent to at last.
        back: what the app's own page answered.
    """

    name: str = "ada"
    code: str = ""
    does: str = "login"
    most: int = 3
    opened: list[str] = field(default_factory=list[str])
    forms: int = 0
    elsewhere: bool = False
    ended_at: str = ""
    back: list[httpx.Response] = field(default_factory=list[httpx.Response])
    browser: httpx.Client = field(default_factory=httpx.Client)

    def opens(self, url: str) -> bool:
        """Go there, and wherever it leads."""
        self.opened.append(url)
        Thread(target=self.goes, args=(url,), daemon=True).start()
        return True

    def goes(self, url: str) -> None:
        """Follow redirects and fill in the form, until the app's own page comes."""
        response, left = self.browser.get(url), self.most
        while True:
            if response.has_redirect_location:
                self.ended_at = urljoin(str(response.url), response.headers["location"])
                is_over = "/callback" in self.ended_at
                if is_over and self.elsewhere:
                    return
                response = self.browser.get(self.ended_at)
                if is_over:
                    self.back.append(response)
                    return
                continue
            form = _form.search(response.text)
            if form is None or left == 0:
                return
            self.forms, left = self.forms + 1, left - 1
            sent = {"name": self.name, "code": self.code, "do": self.does}
            response = self.browser.post(urljoin(str(response.url), form[1]), data=sent)
