"""What holds the three folders together as one package, and the two halves apart."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ["protocol", "client_sdk", "server_sdk"]
MODULES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
OTHERS = [path for folder in ("tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
PACKAGES = [
    *("upstile.protocol", "upstile.client", "upstile.client.testing"),
    *("upstile.server", "upstile.server.issuers", "upstile.server.mail", "upstile.server.methods"),
    "upstile.server.testing",
]
IMPURE = {"httpx", "jwt", "asyncio", "socket", "threading", "time", "random", "secrets", "os", "fastapi", "starlette"}
HTTP = {"httpx", "httpx2", "requests", "aiohttp", "urllib3", "httpcore"}
ADAPTERS = ("_httpx.py", "httpx2.py")


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_closes_the_shared_namespace(folder: str) -> None:
    assert not (ROOT / folder / "upstile" / "__init__.py").exists()


def test_each_package_says_that_it_is_typed() -> None:
    for folder, name in zip(FOLDERS, ["protocol", "client", "server"], strict=True):
        assert (ROOT / folder / "upstile" / name / "py.typed").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_offers_is_listed_sorted_and_documented(package: str) -> None:
    module = importlib.import_module(package)
    names = module.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("upstile")
        for alias in node.names
    }
    assert imported == set(names)
    for name in names:
        offered = getattr(module, name)
        if callable(offered) and getattr(offered, "__module__", "").startswith("upstile"):
            assert offered.__doc__, name


def test_the_protocol_imports_nothing_impure() -> None:
    for path in MODULES:
        if path.is_relative_to(ROOT / "protocol"):
            assert _imports(path).isdisjoint(IMPURE), path


def test_the_clients_core_imports_no_http_library() -> None:
    for path in MODULES:
        if path.is_relative_to(ROOT / "client_sdk") and path.name not in ADAPTERS:
            assert _imports(path).isdisjoint(HTTP), path


def test_no_module_is_longer_than_300_lines_and_no_function_than_40() -> None:
    for path in MODULES + OTHERS:
        assert path.read_text().count("\n") <= 300, path
    long_functions = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.body[0].lineno + 1
                if length - _docstring_lines(node) > 40:
                    long_functions.add(f"{path.name}:{node.name}")
    assert long_functions == set()


@pytest.mark.parametrize(
    ("package", "name", "missing"),
    [
        ("client", "Event", ["fido2"]),
        ("client", "Client", ["httpx"]),
        ("client", "Event", ["httpx", "httpx2"]),
        ("server", "App", ["webauthn"]),
    ],
)
def test_a_half_without_its_extra_says_what_to_install(package: str, name: str, missing: list[str]) -> None:
    hidden = f"import sys; sys.modules.update(dict.fromkeys({missing}))"
    program = f"{hidden}; from upstile.{package} import {name}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert f"pip install 'upstile[{package}]'" in done.stderr


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or 0) - first.lineno + 1
    return 0
