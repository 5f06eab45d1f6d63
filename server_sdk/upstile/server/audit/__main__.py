"""Writes the tables of docs/events.md anew: `python -m upstile.server.audit docs/events.md`."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from upstile.server.audit._kinds import KINDS, EventKind

ECS = "8.11"
"""The version of the Elastic Common Schema that the names are of."""
FIELDS: dict[str, tuple[str, str | None]] = {
    "issuer": ("the deployment: its `url=`", "`user.domain`"),
    "at": ("when, in epoch seconds", "`@timestamp`"),
    "kind": ("what happened: see below", "`event.action`"),
    "outcome": ("`success`, `failure` or `unknown`", "`event.outcome`"),
    "subject": ("whose account, where a good token or a session says so", "`user.id`"),
    "client_id": ("the app", None),
    "method": ("the authentication method", None),
    "ceremony": ("what all events of one ceremony share, its token's first use included", "`transaction.id`"),
    "instance": ("what a challenge, its ceremony and the repeated call share", "`trace.id`"),
    "route": ("the template of the route, such as `POST /transfers/{id}`", None),
    "requirement": ("what the route asks: `acr=mfa max_age=300 scope=payments`", None),
    "address": ("where the call came from: an IPv4 address as /24, an IPv6 address as /48", "`source.address`"),
    "reason": ("an error code, or what the help desk wrote", "`event.reason`"),
    "detail": ("the sentence for developers that went with a refusal", "`error.message`"),
    "by": ("who did it, where that is not the user", "`related.user`"),
}
"""The fields: what they say, and their name in the schema; `None` where it has none that means the same."""
_REASONS = {"": "", "error": "error code", "said": "the help desk's words"}


def rewritten(page: str) -> str:
    """A page with its tables made anew, between `<!-- fields -->` or `<!-- kinds -->` and the mark of their end."""
    for name, table in (("fields", _fields()), ("kinds", _kinds())):
        found = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        parts = found.split(page)
        if len(parts) != 4:
            raise SystemExit(f"the page has no one place for the table of {name}")
        before, begin, end, after = parts
        page = f"{before}{begin}{table}{end}{after}"
    return page


def _fields() -> str:
    rows = ((f"`{name}`", says, ecs or "none") for name, (says, ecs) in FIELDS.items())
    return _table(("field", "says", f"in ECS {ECS}"), rows)


def _kinds() -> str:
    rows = ((f"`{kind}`", *_said(kind)) for kind in get_args(EventKind))
    return _table(("kind", "what happened", "outcome", "`reason`", "`notify`"), rows)


def _said(kind: EventKind) -> tuple[str, ...]:
    of = KINDS[kind]
    return of.meaning, of.outcome, _REASONS[of.reason], "yes" if of.notifies else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(rewritten(path.read_text()))
