"""A real server on a real socket: uvicorn in a thread, on a free loopback port that is named localhost."""

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import Any, Literal

import uvicorn

_STARTED_WITHIN = 10.0


def free_port() -> tuple[socket.socket, int]:
    """A listening socket on 127.0.0.1, and its port."""
    # The protocol is named so that asyncio recognises TCP and sends small answers at once (TCP_NODELAY).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener, listener.getsockname()[1]


@contextmanager
def serving(
    make_app: Callable[[str], Any], ws: Literal["none", "websockets-sansio"] = "none", root_path: str = ""
) -> Generator[str]:
    """Serve the app that `make_app` builds for its own base URL; yields that URL."""
    listener, port = free_port()
    url = f"http://localhost:{port}"
    config = uvicorn.Config(
        make_app(url), log_level="warning", access_log=False, lifespan="on", ws=ws, root_path=root_path
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        _wait(server, thread)
        yield url
    finally:
        server.should_exit = True
        thread.join(_STARTED_WITHIN)
        listener.close()


def _wait(server: uvicorn.Server, thread: Thread) -> None:
    end = monotonic() + _STARTED_WITHIN
    while not server.started:
        thread.join(0.01)
        if not thread.is_alive() or monotonic() > end:
            raise RuntimeError("the server did not start")
