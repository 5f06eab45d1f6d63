"""Which terminal session this process belongs to: a confirmation in one terminal does not count in another."""

import os
import sys
from contextlib import suppress
from pathlib import Path

_PS = "/bin/ps"


def terminal_session() -> str | None:
    """The terminal session of this process, by a name that no other one has; `None` where it has none.

    On POSIX systems it is the session that a terminal was opened for, and when its leader was started: the number
    alone is given again. On Windows it is the logon session.
    """
    return _logon_session() if sys.platform == "win32" else _posix_session()


def _posix_session() -> str | None:
    try:  # a session without a terminal has nobody in front of it
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        leader = os.getsid(0)
    except OSError:
        return None
    started = _started(leader)
    return None if started is None else f"{leader} {started}"


def _started(process: int, proc: Path = Path("/proc"), ps: str = _PS) -> str | None:
    """When a process was started, as the system says it; `None` where it is not there any more."""
    with suppress(OSError, IndexError):
        # The name of a program may hold blanks and brackets; the 22nd field is the 20th behind the last bracket.
        fields = (proc / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return f"{fields[19]} {(proc / 'sys/kernel/random/boot_id').read_text().strip()}"
    if (proc / "self").exists():
        return None
    import subprocess  # where there is no /proc, as on macOS

    with suppress(OSError, subprocess.SubprocessError):
        command = [ps, "-o", "lstart=", "-p", str(process)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2, env={"LC_ALL": "C"}, check=True)  # noqa: S603
        return done.stdout.strip() or None
    return None


def _logon_session() -> str | None:
    """The identifier of the logon session: TOKEN_STATISTICS.AuthenticationId of this process."""
    if sys.platform != "win32":
        return None
    import ctypes

    token, length = ctypes.c_void_p(), ctypes.c_ulong()
    statistics = ctypes.create_string_buffer(56)
    kernel, security = ctypes.WinDLL("kernel32"), ctypes.WinDLL("advapi32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    if not security.OpenProcessToken(process, 0x0008, ctypes.byref(token)):  # TOKEN_QUERY
        return None
    try:
        found = security.GetTokenInformation(token, 10, statistics, len(statistics), ctypes.byref(length))
    finally:
        kernel.CloseHandle(token)
    return f"logon {statistics.raw[8:16].hex()}" if found else None
