"""A screen that nobody sees."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def virtual_screen() -> Iterator[str]:
    """An X server without a screen (Xvfb); yields its name."""
    server = shutil.which("Xvfb")
    assert server is not None, "install xvfb: Tk needs a screen"
    reading, writing = os.pipe()
    command = [server, "-displayfd", str(writing), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as running:  # noqa: S603
        os.close(writing)
        try:
            number = os.read(reading, 16).decode().strip()
            yield f":{number}"
        finally:
            os.close(reading)
            running.terminate()
