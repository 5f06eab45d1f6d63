"""Makes the pictures of the page that a browser comes back to: `uv run python docs/images/browser.py`.

It needs chromium.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "tests")]

from support.chromium import chromium  # noqa: E402
from upstile.client.authority.browser._listener import Listener  # noqa: E402


def main(pictures: Path = HERE) -> None:
    """One picture in each width and look."""
    with chromium() as tab:
        for width in (375, 1280):
            for look in ("light", "dark"):
                with Listener("/callback", 0, lambda query: True, lambda query: None) as listener:
                    tab.looks(width, dark=look == "dark")
                    tab.goes(f"{listener.redirect_uri}?code=c")
                    tab.sees("Done.")
                    (pictures / f"browser-done-{width}-{look}.png").write_bytes(tab.picture())


if __name__ == "__main__":
    main()
