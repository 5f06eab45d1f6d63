"""Makes the pictures of the site's home: `uv run python docs/images/site.py`.

It needs chromium.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "tests")]

from support.built_site import build, served  # noqa: E402
from support.chromium import chromium  # noqa: E402


def main(pictures: Path = HERE) -> None:
    """One in each look."""
    with TemporaryDirectory() as folder:
        built = build(Path(folder))
        if built.returncode:
            sys.exit(built.stdout)
        with served(Path(folder)) as url, chromium() as tab:
            for look in ("light", "dark"):
                tab.looks(1280, dark=look == "dark", height=960)
                tab.goes(f"{url}/index.html")
                tab.sees("I write an API")
                (pictures / f"site-home-{look}.png").write_bytes(tab.picture())


if __name__ == "__main__":
    main()
