"""Draws what `upstile-server check` prints: `uv run python docs/images/check.py`.

The command is real, and so is the application that it looks at.
"""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from upstile.server.keys._secret_keys import new_key

HERE = Path(__file__).parent
COLUMNS = 104
ANSI = [(59, 66, 82), (176, 42, 55), (26, 127, 55), (154, 103, 0), (9, 105, 218), (130, 80, 223), (27, 124, 131)]
DARK_ANSI = [(92, 99, 112), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255)]
LOOKS = {
    "light": TerminalTheme((255, 255, 255), (27, 31, 39), [*ANSI, (110, 119, 129)]),
    "dark": TerminalTheme((29, 32, 39), (236, 238, 242), [*DARK_ANSI, (86, 212, 221), (177, 186, 196)]),
}
FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)
BANK = """
from fastapi import Depends, FastAPI
from upstile.server.fastapi import App, StepUp

server = StepUp.embedded(
    url="https://api.bank.example",
    storage="sqlite:///bank.db",
    clients=[App("pay", scopes={"payments"})],
    trusted_proxies=["10.0.0.0/8"],
    notify=print,
)
RECENT = server.requirement(acr="mfa", max_age=300, scope="payments", reason="Confirm this transfer")
SECURITY_KEY = server.requirement(acr="phr", reason="Confirm with your security key before payouts move")
app = FastAPI()
app.post("/login")(print)
app.get("/balance", dependencies=[Depends(server.require())])(print)
app.post("/transfers", dependencies=[Depends(RECENT)])(print)
app.put("/payout-address", dependencies=[Depends(SECURITY_KEY)])(print)
app.delete("/account", dependencies=[Depends(server.require(acr="mfa", max_age=0))])(print)
app.post("/limits")(print)
server.install(app)
"""


def main() -> None:
    """The table in both looks."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "bank.py").write_text(BANK)
        shown = _run(folder, "db", "upgrade") and _run(folder, "check")
    for look, theme in LOOKS.items():
        console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
        console.print(Text.from_ansi("$ upstile-server --app bank:server check\n" + shown.rstrip()))
        drawn = console.export_svg(title="", theme=theme)
        (HERE / f"check-{look}.svg").write_text(FONTS.sub("", drawn))


def _run(folder: str, *arguments: str) -> str:
    environment = os.environ | {"UPSTILE_SECRET_KEYS": new_key().decode(), "COLUMNS": str(COLUMNS)}
    environment |= {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "upstile.server.cli", "--app", "bank:server", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout


if __name__ == "__main__":
    main()
