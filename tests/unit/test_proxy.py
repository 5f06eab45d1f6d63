"""The proxy does to a connection what it says."""

import socket
import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from support.proxy import Proxy, proxy_to


@pytest.fixture
def heard() -> list[bytes]:
    """What the server read."""
    return []


@pytest.fixture
def proxy(heard: list[bytes]) -> Generator[Proxy]:
    """A proxy in front of a server that says everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                heard.append(data)
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with proxy_to(listener.getsockname()) as made:
        yield made
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _connected(proxy: Proxy) -> "closing[socket.socket]":
    return closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=30))


def test_it_forwards(proxy: Proxy) -> None:
    with _connected(proxy) as client:
        for word in (b"one", b"two"):
            client.sendall(word)
            assert client.recv(100) == word
    assert proxy.accepted == 1


def test_it_loses_the_reply_to_a_request_that_the_server_has_answered(proxy: Proxy, heard: list[bytes]) -> None:
    with _connected(proxy) as client, _connected(proxy) as other:
        proxy.lose_reply_to(b"COMMIT")
        client.sendall(b"BEGIN")
        assert client.recv(100) == b"BEGIN"
        client.sendall(b"writes; COMMIT")
        assert client.recv(100) == b""
        assert proxy.lost.wait(30)
        assert heard == [b"BEGIN", b"writes; COMMIT"]
        other.sendall(b"COMMIT")
        assert other.recv(100) == b"COMMIT"


def test_what_is_frozen_arrives_when_it_thaws(proxy: Proxy, heard: list[bytes]) -> None:
    with _connected(proxy) as client:
        proxy.freeze()
        client.sendall(b"word")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(100)
        assert heard == []
        client.settimeout(30)
        proxy.thaw()
        assert client.recv(100) == b"word"


def test_it_hangs_up_and_takes_new_connections(proxy: Proxy) -> None:
    with _connected(proxy) as client:
        client.sendall(b"word")
        assert client.recv(100) == b"word"
        proxy.hang_up()
        assert client.recv(100) == b""
    with _connected(proxy) as client:
        client.sendall(b"word")
        assert client.recv(100) == b"word"
