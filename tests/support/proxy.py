"""A TCP proxy that is as bad as a network can be: it loses a reply, is slow, falls silent, or hangs up.

It runs in threads of its own, so the event loop of a test may block, end or be a second one.
"""

import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Self

Upstream = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""
Choice = Callable[[], Upstream]
"""Says anew for each connection where it leads."""
_CHOICES = 100


class Proxy:
    """Forwards connections from a free port of 127.0.0.1 to a server.

    Args:
        upstream: where the server listens, or what says so.

    Attributes:
        port: where the proxy listens.
        accepted: how many connections it has taken so far.
        delay: seconds by which each piece of a reply is late.
        lost: set when the reply that `lose_reply_to` was asked to lose is lost.
    """

    def __init__(self, upstream: Upstream | Choice) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._losing: bytes | None = None
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self.delay = 0.0
        self.lost = threading.Event()

    def start(self) -> Self:
        """Take connections from now on."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self) -> None:
        """Hang up and listen no more."""
        # A thread that waits in accept() does not notice close() alone.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flows.set()
        self.hang_up()

    def freeze(self) -> None:
        """Forward nothing in either direction, for old and new connections; nobody is told."""
        self._flows.clear()

    def thaw(self) -> None:
        """Forward again, what was held back first."""
        self._flows.set()

    def hang_up(self) -> None:
        """Close every connection; new ones are taken."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.close()

    def lose_reply_to(self, words: bytes) -> None:
        """Forward the next request with these words, wait until the server replies, and hang up without a word of it.

        NOTE: the words must lie in one piece of what is read from the client, as those of small requests do.
        """
        self.lost.clear()
        self._losing = words

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = self._reach()
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        with self._lock:
            self._pairs.add(pair)
        back = threading.Thread(target=self._pump, args=(pair, server, client), daemon=True)
        back.start()
        self._pump(pair, client, server)
        back.join()
        client.close()
        server.close()
        with self._lock:
            self._pairs.discard(pair)

    def _reach(self) -> socket.socket:
        """Connect. Where there is a choice, one that has just died is no reason to hang up: choose again."""
        if not callable(self._upstream):
            return _connect(self._upstream)
        for _ in range(_CHOICES):
            with suppress(ConnectionRefusedError):
                return _connect(self._upstream())
            time.sleep(0.01)
        raise ConnectionRefusedError

    def _pump(self, pair: "_Pair", source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                if source is pair.client:
                    self._look(pair, data)
                elif pair.loses_reply:
                    break
                else:
                    time.sleep(self.delay)
                target.sendall(data)
        pair.close()
        if pair.loses_reply:
            self.lost.set()

    def _look(self, pair: "_Pair", data: bytes) -> None:
        with self._lock:
            if self._losing is not None and self._losing in data:
                self._losing = None
                pair.loses_reply = True


class _Pair:
    """The two sockets of one connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.loses_reply = False

    def close(self) -> None:
        """Hang up on both sides. The threads that read from them close them."""
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _connect(upstream: Upstream) -> socket.socket:
    if isinstance(upstream, tuple):
        return socket.create_connection(upstream)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(upstream)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def proxy_to(upstream: Upstream | Choice) -> Generator[Proxy]:
    """A proxy in front of a server, for the length of a block."""
    proxy = Proxy(upstream).start()
    try:
        yield proxy
    finally:
        proxy.stop()
