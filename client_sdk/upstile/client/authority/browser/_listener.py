"""The address of this machine that the browser comes back to, open only while somebody waits (RFC 8252 §7.3, §8.3).

One GET is the answer: to the exact path, with the exact Host, with our `state`, and the first of them. Whatever else
comes, from other programs and pages or a second time, is answered 400 and changes nothing.
"""

import errno
import socket
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, cast

from upstile.client._errors import NoMethodAvailable
from upstile.client.authority.browser._page import DONE, HEADERS, NOT_THIS
from upstile.client.words import said

_HOST = "127.0.0.1"
_PATIENCE = 5.0
"""Seconds that a connection has to send its request: browsers open some that they never use."""
_MOST_CONNECTIONS = 16
_POLL = 0.05
_LONGEST = 16_384


class Listener:
    """Listens from its making to its `close`.

    Args:
        path: of the address.
        port: of the address; 0 for one that is free.
        is_ours: says whether a query is the answer.
        take: is given the query of the answer, once the browser has its page.

    Attributes:
        redirect_uri: the address.

    Raises:
        NoMethodAvailable: the port is in use.
    """

    def __init__(self, path: str, port: int, is_ours: Callable[[str], bool], take: Callable[[str], None]) -> None:
        try:
            self._server = _Server((_HOST, port), _Handler)
        except OSError as error:
            raise _unusable(port, error) from error
        host = f"{_HOST}:{self._server.server_address[1]}"
        self.redirect_uri = f"http://{host}{path}"
        self._server.meant = _Meant(host, path, is_ours, take)
        arguments = {"poll_interval": _POLL}
        self._thread = Thread(target=self._server.serve_forever, kwargs=arguments, name="upstile listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Meant:
    """Tells the answer from everything else."""

    def __init__(self, host: str, path: str, is_ours: Callable[[str], bool], take: Callable[[str], None]) -> None:
        self._host, self._path, self._is_ours, self.take = host, path, is_ours, take
        self._lock, self._is_over = Lock(), False

    def answer(self, method: str, target: str, hosts: list[str]) -> str | None:
        """The query of a request, if that is the answer."""
        path, _, query = target.partition("?")
        if method != "GET" or path != self._path or hosts != [self._host] or len(query) > _LONGEST:
            return None
        with self._lock:
            if self._is_over or not self._is_ours(query):
                return None
            self._is_over = True
            return query


class _Server(ThreadingMixIn, TCPServer):
    """Threads, because a connection that says nothing must not keep the answer waiting; and few of them."""

    allow_reuse_address = False  # nobody else gets the port while we have it, and we never take one over
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    meant: _Meant

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        if sys.platform == "win32":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nobody's concern, and a trace of it would show a code."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE

    def do_GET(self) -> None:
        # `self.path` has lost leading slashes: what was asked stands in the line itself.
        target, meant = self.requestline.split()[1], cast(_Server, self.server).meant
        query = meant.answer(self.command, target, self.headers.get_all("host") or [])
        if query is None:
            self._reply(400, NOT_THIS)
            return
        try:
            self._reply(200, DONE)
        finally:
            meant.take(query)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request that we know, too."""
        self.close_connection = True
        self._reply(400, NOT_THIS)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the line holds a code."""

    def _reply(self, status: int, page: bytes) -> None:
        self.request_version = "HTTP/1.0"  # what has no version that we know gets its status line, too
        self.send_response_only(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else page)


def _unusable(port: int, error: OSError) -> NoMethodAvailable:
    if error.errno == errno.EADDRINUSE:
        return NoMethodAvailable(**said("port-in-use", port=port))
    return NoMethodAvailable(**said("no-listener", port=port, why=error.strerror or type(error).__name__))
