"""Makes the pictures of the Tk dialogue, on a screen of its own: `uv run python docs/images/window.py`.

It needs xvfb.
"""

import sys
import tkinter as tk
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from support.screenshots import picture_of  # noqa: E402
from support.virtual_screen import virtual_screen  # noqa: E402
from support.ways import APP, KEY, MAIL  # noqa: E402
from upstile.client import Occasion, Requirement, StepUpCancelled, Way  # noqa: E402
from upstile.client.tk import TkPrompter  # noqa: E402

OCCASION = Occasion(
    server="https://api.example.com",
    app="pay-desktop",
    account="ad••@example.com",
    reason="Send 50.00 EUR to ACME",
    requirement=Requirement(acr="mfa"),
)


def ask_for_a_code(prompter: TkPrompter) -> None:
    """The question that most people see."""
    prompter.begin(OCCASION, APP, [], Event())
    prompter.next_code(17)
    prompter.code("Code from your authenticator app", Event())


def offer_methods(prompter: TkPrompter) -> None:
    """Where there is a choice."""
    prompter.begin(OCCASION, KEY, [APP, MAIL], Event())


def ask_for_a_touch(prompter: TkPrompter) -> None:
    """A security key waits."""
    prompter.begin(OCCASION, KEY, [], Event())
    prompter.touch("Touch your security key now")


def enrol_an_app(prompter: TkPrompter) -> None:
    """A new authenticator app."""
    prompter.show_key_uri("otpauth://totp/Bank:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Bank")


def ask_for_a_mail(prompter: TkPrompter) -> None:
    """A code was sent."""
    prompter.begin(OCCASION, MAIL, [], Event())
    prompter.sent(MAIL, 25)
    prompter._dialogue._others = True
    prompter.code("Code from the mail", Event())


def show_recovery_codes(prompter: TkPrompter) -> None:
    """New recovery codes."""
    codes = ["7QKM-0ZCD-1A9W-EXH2", "QKM0-ZCD1-A9WE-XH27", "KM0Z-CD1A-9WEX-H27Q", "M0ZC-D1A9-WEXH-27QK"]
    prompter.show_codes(codes, Event())


BROWSER = Way(id="browser", method="browser", words="your browser")
PAGE = (
    "https://login.example.com/realms/bank/protocol/openid-connect/auth?client_id=pay-desktop"
    "&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A6esc_11ACC5bwc014ltc14eY22c"
)


def go_on_in_the_browser(prompter: TkPrompter) -> None:
    """The person is at the login page of an identity provider."""
    prompter.begin(OCCASION, BROWSER, [], Event())
    prompter.opens_with(lambda: True)
    prompter.show_page(PAGE, opened=True)


def ask_for_the_last_address(prompter: TkPrompter) -> None:
    """The browser runs on another machine."""
    prompter.begin(OCCASION, BROWSER, [], Event())
    prompter.show_page(PAGE, opened=False)
    prompter.pasted(Event())


def main(folder: Path = HERE) -> None:
    """One picture of each page in each look."""
    with virtual_screen() as screen:
        root = tk.Tk(screenName=screen)
        root.withdraw()
        for work in PAGES:
            for look in ("light", "dark"):
                name = f"window-{work.__name__.rpartition('_')[2]}-{look}.png"
                _picture(root, screen, work, look == "dark", folder / name)
        root.destroy()


PAGES = (
    *(ask_for_a_code, offer_methods, ask_for_a_touch, enrol_an_app, ask_for_a_mail, show_recovery_codes),
    *(go_on_in_the_browser, ask_for_the_last_address),
)


_TYPED: dict[Callable[[TkPrompter], None], str] = {ask_for_the_last_address: "http://127.0.0.1:51"}


def _picture(root: tk.Tk, screen: str, work: Callable[[TkPrompter], None], dark: bool, file: Path) -> None:
    prompter = TkPrompter(root, dark=dark)
    Thread(target=lambda: _quietly(work, prompter), daemon=True).start()

    def shoot() -> None:
        window = next(child for child in root.winfo_children() if isinstance(child, tk.Toplevel))
        for widget in [window, *_below(window)]:
            if isinstance(widget, tk.Entry):
                widget.focus_force()
                widget.insert(0, _TYPED.get(work, "4921"))
        root.update()
        picture_of(screen, window).save(file, optimize=True)
        prompter.close()
        root.after(200, root.quit)

    root.after(700, shoot)
    root.mainloop()


def _below(widget: tk.Misc) -> list[tk.Misc]:
    return [found for child in widget.winfo_children() for found in (child, *_below(child))]


def _quietly(work: Callable[[TkPrompter], None], prompter: TkPrompter) -> None:
    with suppress(StepUpCancelled):  # the picture is taken, nobody answers
        work(prompter)


if __name__ == "__main__":
    main()
