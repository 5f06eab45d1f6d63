"""Writes `docs/client.md` from what `upstile.client` says of itself: `uv run python -m docs.client_api`."""

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docs.generated import page_with
from upstile import client
from upstile.client import Client, StepUpAuth, UpstileError

PAGE = Path(__file__).parent / "client.md"
BEGIN, END = "<!-- names: made from the code -->", "<!-- names: end -->"
_SECTION = re.compile(r"^(Args|Attributes|Raises):$", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w[\w, ]*): ", re.MULTILINE)
GROUPS = {
    "Clients": ["Client", "AsyncClient", "StepUpAuth", "ClientOptions"],
    "What is asked, and what is known": [
        *("Requirement", "SignedIn", "Confirmation", "BaseToken", "Authenticator", "Occasion", "Way", "Event"),
    ],
    "Where a sign-in is kept": ["MemoryStore", "FileStore", "KeyringStore", "Store", "EntryName"],
    "Ways to confirm, and how the person is asked": [
        *("Totp", "WebAuthn", "Otp", "RecoveryCode", "Password", "Browser", "Method"),
        *("TerminalPrompter", "CallbackPrompter", "Prompter", "AnotherWay", "SendAgain", "harmless"),
    ],
}
"""The public names, but for the errors."""
_VERBS = [
    *("sign_in", "sign_in_with", "signed_in", "sign_out", "request", "stream", "step_up", "elevated"),
    *("confirmations", "authenticators", "close"),
]


def api() -> str:
    """Options and verbs of `Client`, then each name with its fields, then the errors."""
    options = _table(["option", "default", "what it is"], _options())
    verbs = _table(["", "what it does"], [(f"`{name}`", _about(getattr(Client, name))) for name in _VERBS])
    groups = "\n\n".join(f"## {title}\n\n{_group(names)}" for title, names in GROUPS.items())
    errors = _table(["class", "`code`", "what it means"], [_error(kind) for kind in errors_of()])
    errors += "".join(_fields_of([kind.__name__ for kind in errors_of()]))
    return (
        f"{BEGIN}\n## The options of `Client`\n\n{options}\n\nThose of the HTTP library's client are taken, too.\n\n"
        f"## The verbs of `Client`\n\n{verbs}\n\n{groups}\n\n## Errors\n\n{errors}\n{END}"
    )


def errors_of() -> list[type[UpstileError]]:
    """The public errors."""
    public = [getattr(client, name) for name in client.__all__]
    return [kind for kind in public if isinstance(kind, type) and issubclass(kind, UpstileError)]


def _options() -> list[tuple[str, ...]]:
    parameters, about = inspect.signature(StepUpAuth).parameters, _fields(StepUpAuth)
    names = [name for name in about if name in parameters and name not in ("transport", "clock")]
    return [(f"`{name}`", _default(parameters[name]), about[name]) for name in names]


def _default(parameter: inspect.Parameter) -> str:
    return "" if parameter.default is parameter.empty else f"`{parameter.default!r}`"


def _group(names: list[str]) -> str:
    parts = [_table(["name", "what it is"], [(f"`{name}`", _about(getattr(client, name))) for name in names])]
    return "\n\n".join(parts) + "".join(_fields_of([name for name in names if name != "StepUpAuth"]))


def _fields_of(names: list[str]) -> Iterator[str]:
    for name in names:
        rows = [(f"`{field}`", about) for field, about in _fields(getattr(client, name)).items()]
        if rows:
            yield "\n\n" + _table([f"`{name}`", ""], rows)


def _error(kind: type[Any]) -> tuple[str, ...]:
    return f"`{kind.__name__}`", f"`{kind.code}`" if hasattr(kind, "code") else "", _about(kind)


def _about(what: Any) -> str:
    """The first paragraph of its docstring."""
    return " ".join((inspect.getdoc(what) or "").partition("\n\n")[0].split())


def _fields(kind: Any) -> dict[str, str]:
    """What the docstring says of arguments, or of attributes."""
    if kind.__doc__ is None:
        return {}
    parts = _SECTION.split(inspect.cleandoc(kind.__doc__))
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    text = sections.get("Args") or sections.get("Attributes") or ""
    entries = _ENTRY.split(text)
    return {name: " ".join(about.split()) for name, about in zip(entries[1::2], entries[2::2], strict=True)}


def _table(head: list[str], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page_with(api(), PAGE.read_text()))
