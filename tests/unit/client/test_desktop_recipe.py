"""The recipe of docs/desktop.md: it pays, and its window closes while the person is asked."""

import threading
import tkinter as tk
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import pytest

from examples.readme import desktop
from examples.readme.desktop import PayWindow
from support.desk import API, Desk
from support.tk_person import TkPerson
from support.windows import new_window

CODE = "Code from your authenticator app"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk()

    def client(api: str, **options: Any) -> object:
        assert api == API
        return made.client(**options)

    monkeypatch.setattr(desktop, "Client", client)
    return made


@pytest.fixture
def window(screen: str, desk: Desk) -> Iterator[PayWindow]:
    made = PayWindow(new_window(screen), API)
    yield made
    with suppress(tk.TclError):  # a test may have closed it
        made.close()


def test_it_asks_and_pays(window: PayWindow, desk: Desk) -> None:
    person = TkPerson(window.root)
    window.button.invoke()
    _until(window.root, lambda: CODE in person.sees())
    person.types("123456")
    _until(window.root, lambda: window.label["text"] != "Ready")
    assert [sent.form["otp"] for sent in desk.at("answer")] == ["123456"]
    assert window.label["text"] == '{"done":true}'


def test_its_window_closes_while_the_person_is_asked_and_no_thread_is_left(window: PayWindow, desk: Desk) -> None:
    before = threading.active_count()
    window.button.invoke()
    _until(window.root, lambda: CODE in TkPerson(window.root).sees())
    window.root.tk.call(window.root.protocol("WM_DELETE_WINDOW"))
    assert window.said.get(timeout=5) == "The app was closed meanwhile. Nothing was done. Start the app again."
    with pytest.raises(tk.TclError):
        window.root.winfo_exists()
    until = monotonic() + 5
    while threading.active_count() > before and monotonic() < until:
        sleep(0.02)
    assert threading.active_count() <= before
    assert desk.at("answer") == []


def _until(root: tk.Tk, true: Callable[[], bool]) -> None:
    until = monotonic() + 10
    while not true():
        assert monotonic() < until
        root.update()
        sleep(0.01)
