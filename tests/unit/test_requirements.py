"""The manifest of what the standards demand, and the tests that prove it, compared in both directions."""

import ast
import tomllib
from pathlib import Path

TESTS = Path(__file__).parents[1]
MANIFEST = tomllib.loads((TESTS / "requirements.toml").read_text())["requirement"]


def test_the_manifest_is_sorted_and_whole() -> None:
    ids = [entry["id"] for entry in MANIFEST]
    assert ids == sorted(set(ids))
    assert all(entry["section"] and entry["behaviour"].endswith(".") for entry in MANIFEST)


def test_each_requirement_has_a_test_and_each_mark_a_requirement() -> None:
    marked = {id for path in TESTS.rglob("test_*.py") for id in _marks(path)}
    assert marked == {entry["id"] for entry in MANIFEST}


def _marks(path: Path) -> set[str]:
    """The ids in `@pytest.mark.requirement(...)` of test functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement":
                    found |= {str(ast.literal_eval(argument)) for argument in decorator.args}
    return found
