"""Somebody in front of a real browser, who fills in whatever login page comes, until the app's own page does."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic, sleep

from support.chromium import Tab

_PATIENCE = 20.0
_DONE = "Done. You can go back to your app."
_LOOK = """(() => {
    if (!document.body || document.readyState !== "complete" || window.isOver) return null;
    if (document.body.innerText.includes(%s)) return ["done"];
    return %s.filter((one) => document.querySelector(one)?.checkVisibility());
})()"""


@dataclass
class AtTheBrowser:
    """Their `opens` is for `Browser(opens=)`.

    Attributes:
        tab: the browser's.
        types: what they type into a field, by its selector, wherever it is shown.
        clicks: the button that they press then.
        opened: the addresses that they were sent to.
        pages: the fields that they filled in, page by page.
        trouble: what went wrong while they did.
    """

    tab: Tab
    types: Mapping[str, Callable[[], str]]
    clicks: str
    opened: list[str] = field(default_factory=list[str])
    pages: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    trouble: list[BaseException] = field(default_factory=list[BaseException])

    def opens(self, url: str) -> bool:
        """Go there, and wherever it leads."""
        self.opened.append(url)
        Thread(target=self._tries, args=(url,), daemon=True).start()
        return True

    def goes(self, url: str) -> None:
        """Fill in one page after another, until the app's own comes."""
        with self.tab.in_use:  # until the app's own page is seen: the app goes on before that
            self.tab.says("window.isOver = true")  # what is still shown for a moment is not what comes
            self.tab.goes(url)
            self._fills_in()

    def _fills_in(self) -> None:
        while (shown := self._sees()) != ["done"]:
            for selector in shown:
                self.tab.says(f"document.querySelector({json.dumps(selector)}).select()")  # it may be filled in
                self.tab.types(selector, self.types[selector]())
            self.pages.append(tuple(shown))
            self.tab.says("window.isOver = true")
            self.tab.clicks(self.clicks)

    def forgets(self) -> None:
        """Be a browser in which nobody is signed in."""
        with self.tab.in_use:
            self.tab.goes("about:blank")
            self.tab.does("Network.clearBrowserCookies")
        self.pages.clear()

    def _tries(self, url: str) -> None:
        try:
            self.goes(url)
        except BaseException as error:
            self.trouble.append(error)

    def _sees(self) -> list[str]:
        """What there is to fill in."""
        script = _LOOK % (json.dumps(_DONE), json.dumps(list(self.types)))
        end = monotonic() + _PATIENCE
        while not (shown := self.tab.says(script)):
            text = self.tab.says("location.href + document.body?.innerText")
            assert monotonic() < end, f"nothing to fill in: {text}"
            sleep(0.05)  # a page has no other way to say it
        return list(shown)
