"""Records what a terminal of 60 columns shows: `uv run python docs/images/terminal.py`.

The client, the prompter and the terminal are real; the API and its authorization server answer from a script.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

import httpx  # noqa: E402

from support.desk import API, Desk, challenged, server_metadata  # noqa: E402
from support.several_ways import MAIL, RECOVERY, TEXT, SeveralWays  # noqa: E402
from support.terminal import Terminal  # noqa: E402
from upstile.client import Otp, RecoveryCode, TerminalPrompter, Totp  # noqa: E402

Typed = tuple[str, str | Callable[[], str]]
"""What is typed after which prompt."""
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
    """Each recording, as text and in both looks."""
    os.environ |= {"TERM": "xterm"}
    os.environ.pop("NO_COLOR", None)
    for name, record in RECORDINGS.items():
        shown = record()
        (HERE / f"{name}.txt").write_text(STYLE.sub(r"\2", shown) + "\n")
        for look in LOOKS:
            (HERE / f"{name}-{look}.svg").write_text(_drawn(shown.split("\n"), LOOKS[look]))


def _recorded() -> str:
    """What a person saw who used up a code, mistyped the next one, and got it right."""
    terminal, desk = _at_a_desk()
    desk.clock.move(13 - desk.clock() % 30)
    desk.always("start", lambda sent: desk.step(sent, account="ad••@example.com"))
    client = desk.client(client_id="pay", methods=[Totp()], prompter=TerminalPrompter(terminal.device))
    client.step_up_auth.session._last_code.sent("318264")  # a code was used a moment ago
    Thread(target=_types, args=(terminal, [("app: ", "49218"), ("app: ", "492 187")]), daemon=True).start()
    client.post("/transfers")
    terminal.sees("Confirmed.")
    return _shown("pay send 50.00 ACME", terminal, "Sent.")


def _recorded_ways() -> str:
    """What a person saw who had a code sent, changed to a text message, and wanted it sent again too early."""
    terminal, desk = _at_a_desk()
    server = SeveralWays(desk, [MAIL, TEXT, RECOVERY])
    typed: list[Typed] = [("number: ", ""), ("mail: ", "?"), ("number: ", ""), ("message: ", "r")]
    typed.append(("message: ", lambda: server.last_code))
    client = desk.client(client_id="pay", methods=[Otp(), RecoveryCode()], prompter=TerminalPrompter(terminal.device))
    Thread(target=_types, args=(terminal, typed), daemon=True).start()
    client.post("/transfers")
    terminal.sees("Confirmed.")
    return _shown("pay send 50.00 ACME", terminal, "Sent.")


def _recorded_codes() -> str:
    """What a person saw who made recovery codes."""
    terminal, desk = _at_a_desk(challenges=False)
    codes = [f"{'7QKM0ZCD1A9WEXH2'[n:]}{'7QKM0ZCD1A9WEXH2'[:n]}" for n in range(10)]
    document = server_metadata(authenticators_endpoint=f"{API}/authenticators")
    desk.always("server", lambda _: httpx.Response(200, json=document))
    entry = {"id": "rc1", "method": "recovery_code", "name": "Paper", "created": 1, "state": "active"}
    replies: dict[str, dict[str, Any]] = {
        "POST": {"id": "rc1", "state": "active", "codes": codes},
        "GET": {"authenticators": [entry]},
    }
    desk.always("call", lambda sent: httpx.Response(200, json=replies[sent.method]))
    client = desk.client(methods=[RecoveryCode()], prompter=TerminalPrompter(terminal.device))
    Thread(target=_types, args=(terminal, [("saved them: ", "saved")]), daemon=True).start()
    added = client.authenticators.enroll(RecoveryCode(), "Paper")
    client.step_up_auth.session.prompter.touch("<end>")
    terminal.sees("<end>")
    return _shown(
        "upstile authenticators add recovery_code --name Paper", terminal, f'"{added.name}" is added.'
    ).replace("  <end>\n", "")


RECORDINGS = {"terminal": _recorded, "terminal-ways": _recorded_ways, "terminal-codes": _recorded_codes}


def _at_a_desk(*, challenges: bool = True) -> tuple[Terminal, Desk]:
    """A terminal, and an API, that asks for a transfer to be confirmed."""
    terminal, desk = Terminal(), Desk()
    terminal.is_wide(COLUMNS)
    problem = {"type": "urn:upstile:problem:x", "title": "t", "status": 401, "detail": "Send 50.00 EUR to ACME"}
    if challenges:
        desk.first("call", challenged(json=problem), httpx.Response(200, json={"done": True}))
    return terminal, desk


def _shown(command: str, terminal: Terminal, end: str) -> str:
    return "\n".join([f"$ {command}", *terminal.shown.replace("\r", "").rstrip("\n").split("\n"), end])


def _types(terminal: Terminal, typed: list[Typed]) -> None:
    for after, text in typed:
        terminal.sees(after)
        sleep(0.2)
        os.write(terminal.person, f"{text if isinstance(text, str) else text()}\n".encode())


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
