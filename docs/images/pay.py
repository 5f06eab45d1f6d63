"""Makes the pictures of the desktop example, on a screen of its own: `uv run python docs/images/pay.py`.

The app, the bank and the ceremony are real. It needs xvfb.
"""

import sys
import tkinter as tk
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "tests")]

from examples.pay_desktop.window import PayWindow  # noqa: E402
from support.bank_server import running_bank  # noqa: E402
from support.pay_window import Payer  # noqa: E402
from support.screenshots import picture_of  # noqa: E402
from support.virtual_screen import virtual_screen  # noqa: E402
from upstile.server.authorization.ceremony import _overload  # noqa: E402

APART = 28
GROUND = {"light": "#d9dee6", "dark": "#0a0b0e"}
"""What stands behind the windows."""


def main(pictures: Path = HERE) -> None:
    """One picture in each look: the app, and the question beside it."""
    _overload.LATE = inf  # drawing shares the time of the bank's event loop
    with virtual_screen() as screen:
        for look in ("light", "dark"):
            with TemporaryDirectory() as folder, running_bank(Path(folder)) as bank:
                desktop = painted(screen, GROUND[look])
                root = tk.Tk(screenName=screen)
                root.geometry(f"+{APART}+{APART}")
                dark = look == "dark"
                window = PayWindow(root, bank.url, dark=dark, clock=bank.clock, monotonic=bank.clock)
                ada = Payer(root, bank)
                ada.signs_in()
                ada.sends("50.00", "ACME")
                ada.waits_for("Code from your authenticator app")
                dialogue = ada.dialogue()
                dialogue.geometry(f"+{root.winfo_rootx() + root.winfo_width() + APART}+{APART}")
                ada.line().insert(0, "4921")
                ada.line().focus_force()
                ada.settles()
                picture_of(screen, root, dialogue, margin=APART).save(pictures / f"pay-{look}.png", optimize=True)
                ada.presses("Cancel")
                ada.waits_to_read("cancelled")
                window.close()
                desktop.destroy()


def painted(screen: str, colour: str) -> tk.Tk:
    """The screen in a colour: Xvfb has none of its own."""
    desktop = tk.Tk(screenName=screen)
    desktop.overrideredirect(boolean=True)
    desktop.geometry("1024x768+0+0")
    desktop.configure(bg=colour)
    desktop.update()
    return desktop


if __name__ == "__main__":
    main()
