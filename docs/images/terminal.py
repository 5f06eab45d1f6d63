"""Records a ceremony at a terminal of 60 columns: `uv run python docs/images/terminal.py`.

The client, the prompter and the terminal are real; the API and its authorization server answer from a script.
"""

import os
import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from threading import Thread
from time import sleep

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

import httpx  # noqa: E402

from support.desk import Desk, challenged  # noqa: E402
from support.terminal import Terminal  # noqa: E402
from upstile.client import TerminalPrompter, Totp  # noqa: E402

COLUMNS = 60
STYLE = re.compile(r"\x1b\[(\d+)m(.*?)\x1b\[0m")
PARTS = re.compile(r"\x1b\[(\d+)m(.*?)\x1b\[0m|([^\x1b]+)")
ADVANCE = 8.43
"""Pixels from one column to the next: 0.602 of the font's size."""
LOOKS = {
    "light": {"ground": "#ffffff", "text": "#1b1f27", "muted": "#59616e", "border": "#c3c8d0"},
    "dark": {"ground": "#1d2027", "text": "#eceef2", "muted": "#a7afbc", "border": "#49505d"},
}


def main() -> None:
    """The recording, as text and in both looks."""
    os.environ |= {"TERM": "xterm"}
    os.environ.pop("NO_COLOR", None)
    shown = _recorded()
    (HERE / "terminal.txt").write_text(STYLE.sub(r"\2", shown) + "\n")
    for look in LOOKS:
        (HERE / f"terminal-{look}.svg").write_text(_drawn(shown.split("\n"), LOOKS[look]))


def _recorded() -> str:
    """What a person saw who used up a code, mistyped the next one, and got it right."""
    terminal = Terminal()
    terminal.is_wide(COLUMNS)
    desk = Desk()
    desk.clock.move(13 - desk.clock() % 30)
    problem = {"type": "urn:upstile:problem:x", "title": "t", "status": 401, "detail": "Send 50.00 EUR to ACME"}
    desk.first("call", challenged(json=problem), httpx.Response(200, json={"done": True}))
    desk.always("start", lambda sent: desk.step(sent, account="ad••@example.com"))
    client = desk.client(client_id="pay", methods=[Totp()], prompter=TerminalPrompter(terminal.device))
    client.step_up_auth.session._last_code.sent("318264")  # a code was used a moment ago
    Thread(target=_types, args=(terminal, ["49218", "492 187"]), daemon=True).start()
    client.post("/transfers")
    terminal.sees("Confirmed.")
    return "\n".join(["$ pay send 50.00 ACME", *terminal.shown.replace("\r", "").rstrip("\n").split("\n"), "Sent."])


def _types(terminal: Terminal, typed: list[str]) -> None:
    for text in typed:
        terminal.sees("app: ")
        sleep(0.2)
        os.write(terminal.person, f"{text}\n".encode())


def _drawn(rows: list[str], look: dict[str, str]) -> str:
    height, width = 20 * len(rows) + 40, 9 * COLUMNS + 40
    lines = "\n".join(words for n, row in enumerate(rows) for words in _placed(row, 36 + 20 * n, look))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">\n'
        f'<rect width="{width - 2}" height="{height - 2}" x="1" y="1" rx="8" fill="{look["ground"]}" '
        f'stroke="{look["border"]}"/>\n{lines}\n</svg>\n'
    )


def _placed(row: str, y: int, look: dict[str, str]) -> Iterator[str]:
    """The parts of a row, each where its column is: renderers disagree about blanks at the beginning."""
    styles = {"1": f'fill="{look["text"]}" font-weight="bold"', "2": f'fill="{look["muted"]}"'}
    column = 0
    for number, styled, plain in PARTS.findall(row):
        text = styled or plain
        x = 20 + ADVANCE * (column + len(text) - len(text.lstrip()))
        style = styles.get(number, f'fill="{look["text"]}"')
        yield f'<text x="{x:.1f}" y="{y}" {style}>{escape(text.strip())}</text>'
        column += len(text)


if __name__ == "__main__":
    main()
