"""What must be installed, and where it is."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

_MODULES = ("fastapi", "psycopg", "redis", "typer", "uvicorn")
_PACKAGES = {"nginx": "nginx", "redis-server": "redis-server", "initdb": "postgresql"}


class NotInstalled(Exception):
    """Something is missing; the message says what to install."""


def found() -> dict[str, str]:
    """The programs, by name.

    Raises:
        NotInstalled: one of them, or a module, is missing.
    """
    programs = {name: _program(name) for name in _PACKAGES}
    packages = [_PACKAGES[name] for name, path in programs.items() if path is None]
    modules = [name for name in _MODULES if find_spec(name) is None]
    advice = [f"apt-get install {' '.join(packages)}"] if packages else []
    advice += ["pip install '.[fastapi,postgresql,redis,cli]' 'psycopg[binary]' uvicorn"] if modules else []
    if advice:
        missing = [name for name, path in programs.items() if path is None] + modules
        raise NotInstalled(f"{', '.join(missing)}: not installed here.\n" + "\n".join(f"  {line}" for line in advice))
    return {name: path for name, path in programs.items() if path is not None}


def _program(name: str) -> str | None:
    # Debian keeps the programs of PostgreSQL in a folder for each version, and nginx where not every PATH looks.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True) if name == "initdb" else []
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), *os.get_exec_path(), "/usr/sbin"]))
