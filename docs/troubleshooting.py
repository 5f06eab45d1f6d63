"""Writes `docs/troubleshooting.md`: `uv run python -m docs.troubleshooting`.

What the client's errors say comes from the table in its code (`troubleshooting_client.py`), what refusals say from that
in the server's. The errors of the start and of the command are found in the code, too; their causes and remedies stand
in `docs/start_up_errors.toml`.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType

from docs.generated import page_with
from upstile.server._words import CASES, WORDS, Words

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "troubleshooting.md"
ERRORS = ROOT / "docs" / "start_up_errors.toml"
SERVER = ROOT / "server_sdk" / "upstile" / "server"
BEGIN, END = "<!-- server: made from the code -->", "<!-- server: end -->"
_RAISED = {"ConfigurationError", "NothingYet", "StorageUnavailable", "CannotLoad", "ImportError"}
ANYTHING = "…"
"""Stands for what differs."""


@cache
def messages(half: Path = SERVER) -> frozenset[str]:
    """What the errors of the start, of the stores and of the command say; `…` stands for what differs."""
    found = {text for path in sorted(half.rglob("*.py")) for text in _messages_of(path, half)}
    return frozenset(text for text in found if text.strip(ANYTHING))


def _messages_of(path: Path, half: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args and _is_raised(node)]
    if not calls:
        return
    name = ".".join(path.relative_to(half.parents[1]).with_suffix("").parts).removesuffix(".__init__")
    module = import_module(name)
    for call in calls:
        yield from _texts(call.args[0], module)


def _is_raised(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in _RAISED
    if isinstance(call.func, ast.Attribute) and call.func.attr in _RAISED:
        return True
    above = isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"
    return above and isinstance(call.args[0], ast.JoinedStr)


def _texts(node: ast.expr, module: ModuleType) -> list[str]:
    """All that an expression may say: constants of the module are filled in."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        parts = [_texts(part.value if isinstance(part, ast.FormattedValue) else part, module) for part in node.values]
        return ["".join(choice) for choice in product(*parts)]
    if isinstance(node, ast.BinOp):
        return ["".join(choice) for choice in product(_texts(node.left, module), _texts(node.right, module))]
    if isinstance(node, ast.Name | ast.Attribute):
        value = _value(node, module)
        return [value if isinstance(value, str) else ANYTHING]
    return _of_a_table(node, module)


def _value(node: ast.expr, module: ModuleType) -> object:
    return getattr(module, node.id, None) if isinstance(node, ast.Name) else None


def _of_a_table(node: ast.expr, module: ModuleType) -> list[str]:
    """`TABLE[key]` and `TABLE.get(key, default)` may say whatever the table holds."""
    if isinstance(node, ast.Subscript):
        table, default = _value(node.value, module), list[str]()
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        table, default = _value(node.func.value, module), _texts(node.args[-1], module)
    else:
        return [ANYTHING]
    return [*map(str, table.values()), *default] if isinstance(table, dict) else [ANYTHING]


def rows() -> list[dict[str, str]]:
    """The errors of the start with cause and remedy, in the order of the page."""
    found: list[dict[str, str]] = tomllib.loads(ERRORS.read_text())["error"]
    return found


def server_part() -> str:
    """The part of the page that is made from the code."""
    refusals = "\n".join(_refusal(name, words) for name, words in WORDS.items())
    areas = dict.fromkeys(row["area"] for row in rows())
    errors = "\n".join(f"### {area}\n{_area(area)}" for area in areas)
    start = f"## Errors of start, stores and command\n{_ERRORS}\n{errors}"
    return f"{BEGIN}\n## Refusals\n{_REFUSALS}\n{refusals}\n{start}\n{END}"


_REFUSALS = """
By `error` of an OAuth error, or `type` of a problem document. In both, `title` and `detail` are for the person (where
one is asked to confirm, `detail` is the reason that the API's author gave). `error_description` and `hint` are for
developers.
"""
_ERRORS = """
What is raised while the server starts (`ConfigurationError`), stands in the log `upstile.server` while a store is away,
or ends `upstile-server` with a sentence. `…` stands for what differs.
"""


def _refusal(name: str, words: Words) -> str:
    return f"""### `{name.replace("-", "_")}` (`urn:upstile:problem:{name}`)
- The person reads: {words.sentences}
{_cases(name)}- The developer reads: {words.hint}
- Cause: {words.cause}
- Remedy: {words.remedy}
"""


def _cases(name: str) -> str:
    return "".join(f"- The person reads, {case.when}: {case.sentences}\n" for case in CASES if case.of == name)


def _area(area: str) -> str:
    return "".join(
        f"- `` {row['message']} ``\\\n  {row['cause']} **Remedy:** {row['remedy']}\n"
        for row in rows()
        if row["area"] == area
    )


def main() -> None:
    """Write the page; say what has no cause and remedy yet."""
    from docs.troubleshooting_client import client_part  # which uses this module

    PAGE.write_text(page_with(client_part(), page_with(server_part(), PAGE.read_text())))
    for message in sorted(messages() - {row["message"] for row in rows()}):
        sys.stderr.write(f"{ERRORS.name} has no row for: {message}\n")


if __name__ == "__main__":
    main()
