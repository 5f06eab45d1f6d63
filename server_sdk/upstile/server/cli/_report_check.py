"""What `check` prints."""

import json
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from upstile.server.cli._report import console
from upstile.server.inspection._call import DeclaredCall, asked
from upstile.server.inspection._finding import Finding

_STYLES = {"ok": "green", "look": "yellow", "wrong": "bold red"}


def calls(found: Sequence[DeclaredCall]) -> None:
    """Each call, with what it asks for."""
    if not found:
        return
    table = Table("method", "path", "asks for", box=SIMPLE, title="Calls", title_justify="left")
    for call in found:
        nothing = Text("nothing", style="yellow" if call.changes else "dim")
        asks = [asked(requirement) for requirement in call.requirements]
        asks += [f"who has one: {asked(requirement)}" for requirement in call.optional]
        shown = Text("\n".join(asks)) if asks else nothing
        table.add_row(Text(", ".join(call.methods) or "websocket"), Text(call.path), shown)
    console().print(table)


def findings(found: Sequence[Finding]) -> None:
    """What was looked at, and what to do about it."""
    table = Table("", "about", "found", box=SIMPLE, title="Deployment", title_justify="left")
    for finding in found:
        says = Text(finding.says)
        if finding.remedy:
            says.append(f": {finding.remedy}", style="italic")
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), Text(finding.about), says)
    console().print(table)


def as_json(document: dict[str, Any]) -> None:
    """The same for a program."""
    console().print_json(json.dumps(document), indent=2)
