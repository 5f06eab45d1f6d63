"""A desktop app that pays. Run it with `uv run --only-group demo python -m examples.pay_desktop`.

It brings a small bank of its own; with the address of one that runs already (`examples.bank --serve`), it uses that.
"""

import argparse
import signal
import tkinter as tk
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.bank.api import create_app
from examples.bank.serving import serving
from examples.bank.story import PASSWORD
from examples.pay_desktop.window import PayWindow


def main() -> None:
    """Open the window, and stay until it is closed."""
    options = _options()
    with _bank(options.url) as url:
        print(f"The bank is at {url}. Sign in as ada, with the password: {PASSWORD}", flush=True)  # noqa: T201
        root = tk.Tk(className="pay-desktop")
        window = PayWindow(root, url, dark=options.dark)
        for number in (signal.SIGINT, signal.SIGTERM):  # Tk would go on
            signal.signal(number, lambda *_: window.close())
        root.mainloop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.pay_desktop",
        description="A window that pays. The bank asks for a code once, and for five minutes not again.",
    )
    parser.add_argument("url", nargs="?", help="a bank that runs already; without it the app brings its own")
    parser.add_argument("--dark", action="store_true", help="light on dark")
    return parser.parse_args()


@contextmanager
def _bank(url: str | None) -> Generator[str]:
    if url is not None:
        yield url
        return
    with TemporaryDirectory(prefix="upstile-pay-") as folder:
        storage = f"sqlite:///{Path(folder) / 'bank.db'}"
        with serving(lambda own: create_app(url=own, storage=storage)) as own:
            yield own


if __name__ == "__main__":
    main()
