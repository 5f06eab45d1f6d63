"""Processes that are started together and stopped together, each by its own id."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

_LOOK = 0.05


class Failed(Exception):
    """Something did not start; the message ends with what it wrote."""


class Stopped(Exception):
    """Somebody asked to stop."""


@dataclass
class Processes:
    """What runs.

    Attributes:
        folder: where each writes what it has to say, in `NAME.log`.
        asked_to_stop: SIGINT or SIGTERM came.
    """

    folder: Path
    asked_to_stop: bool = False
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    def listen(self) -> None:
        """Hear SIGINT and SIGTERM. They only leave a note: a process that is being started is not lost sight of."""

        def note(*_: object) -> None:
            self.asked_to_stop = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, note)

    def start(
        self,
        name: str,
        command: Iterable[str],
        *,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> int:
        """Start a process; its id.

        Args:
            name: what it is called here.
            command: the program and its arguments.
            environment: what its environment has besides ours.
            user: whose it is.
        """
        with self._log(name).open("ab") as log:
            # A session of its own: Ctrl-C at the terminal reaches this script alone, which then stops all in order.
            process = subprocess.Popen(  # noqa: S603
                list(command),
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        self.running[name] = process
        return process.pid

    def run(
        self,
        name: str,
        command: Iterable[str],
        *,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        within: float = 60,
    ) -> None:
        """Start a process and wait for its end.

        Raises:
            Failed: it took too long or said that it failed.
        """
        self.start(name, command, environment=environment, user=user)
        self.wait(name, lambda: self.running[name].poll() is not None, within=within)
        if self.running.pop(name).returncode:
            raise Failed(self._told(name, "failed"))

    def wait(self, name: str, ready: Callable[[], bool], *, within: float = 30) -> None:
        """Wait until something is so.

        Raises:
            Failed: it was not so in time, or the process of this name ended.
            Stopped: somebody asked to stop meanwhile.
        """
        until = monotonic() + within
        while not ready():
            if self.asked_to_stop:
                raise Stopped
            if monotonic() > until or self.running[name].poll() not in (None, 0):
                raise Failed(self._told(name, "did not start"))
            sleep(_LOOK)

    def ended(self) -> list[str]:
        """Those that have ended by themselves since the last call."""
        names = [name for name, process in self.running.items() if process.poll() is not None]
        for name in names:
            del self.running[name]
        return names

    def stop(self, names: Iterable[str], how: signal.Signals, *, within: float) -> None:
        """Ask some to end, and wait for them; who is not done in time is killed."""
        processes = [self.running.pop(name) for name in names if name in self.running]
        for process in processes:
            process.send_signal(how)
        until = monotonic() + within
        for process in processes:
            try:
                process.wait(max(0.0, until - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _told(self, name: str, what: str) -> str:
        lines = self._log(name).read_text(errors="replace").splitlines()[-10:]
        return "\n".join([f"{name} {what}. It wrote last:", *(f"  {line}" for line in lines)])
