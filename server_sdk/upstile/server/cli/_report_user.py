"""What the command prints of a user."""

from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from upstile.server.cli._report import console, time_of


def stored(found: dict[str, Any]) -> None:
    """What is stored of a user, as the help desk describes it."""
    shown = console()
    shown.print(_authenticators(found))
    for sentence in _counted(found["counted"] or {}, found["at"]):
        shown.print(sentence, soft_wrap=True, markup=False)


def _authenticators(found: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE, title=Text(f"{found['subject']} at {found['issuer']}"), title_justify="left")
    for name in ("id", "method", "name", "state", "made", "last used", "new devices"):
        table.add_column(name, overflow="fold")
    for it in found["authenticators"]:
        used = time_of(it["last_used"]) if it["last_used"] else "never"
        cells = (it["id"], it["method"], it["name"], it["state"], time_of(it["created"]), used)
        table.add_row(*map(Text, cells), "closed" if it["closed"] else "open")
    return table


def _counted(counted: dict[str, Any], now: float) -> list[str]:
    known, unknown = counted.get("known", {}), counted.get("unknown", {})
    sentences = [f"{len(known)} known keys"]
    if known:
        sentences[0] += f", used last {time_of(max(key['last_used'] for key in known.values()))}"
    sentences.append(f"{unknown.get('wrong', 0)} wrong answers by unknown keys in a row")
    if unknown.get("until", 0) > now:
        sentences.append(f"unknown keys are locked until {time_of(unknown['until'])}")
    return sentences
