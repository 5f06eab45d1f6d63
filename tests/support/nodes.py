"""More processes of the bank's deployment, on real sockets: they share its storage and nothing else."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from math import inf
from pathlib import Path

import httpx
import uvicorn

from examples.bank.api import create_app
from examples.bank.serving import free_port
from support.wire_driver import URL, WireApp
from upstile.server.authorization import _admission

_ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def nodes(app: WireApp, folder: Path, more: int = 2) -> AsyncGenerator[list[WireApp]]:
    """The app, and copies of it that talk to `more` further processes; their clocks stand still at the app's."""
    command = [sys.executable, "-m", "support.nodes", str(folder), str(app.clock())]
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT, env=environment)  # noqa: S603
        for _ in range(more)
    ]
    async with AsyncExitStack() as stack:
        for process in started:
            stack.callback(_stop, process)
        copies = [app]
        for process in started:
            assert process.stdout is not None
            base = f"http://127.0.0.1:{process.stdout.readline().strip()}"
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=30))
            copies.append(replace(app, http=http))
        yield copies


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    process.communicate(timeout=10)


def main() -> None:
    """Be one of them: say on which port, and serve."""
    folder, now = Path(sys.argv[1]), float(sys.argv[2])
    _admission.LATE = inf  # a busy machine must not refuse what a test starts
    listener, port = free_port()
    bank = create_app(url=URL, storage=f"sqlite:///{folder / 'bank.db'}", clock=lambda: now)
    config = uvicorn.Config(bank, log_level="info", access_log=False, lifespan="on", ws="none", log_config=None)
    server = uvicorn.Server(config)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
