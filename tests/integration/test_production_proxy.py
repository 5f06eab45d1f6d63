"""What nginx does with a request, by the example's rules: in front of processes that are told how to behave."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from examples.bank.serving import free_port
from support.production import nginx_before

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"


class Upstream:
    """A process behind nginx that notes each request, and answers it or dies over it."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self._listener, self.port = free_port()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                got = b""
                while b"\r\n\r\n" not in got:
                    got += connection.recv(65536)
                self.heads.append(got.decode("latin-1"))
                if self.answer is not None:
                    connection.sendall(self.answer)


@contextmanager
def front(*answers: bytes | None) -> Generator[tuple[str, list[Upstream]]]:
    """nginx before one process for each answer; `None` dies over what it is sent."""
    upstreams = [Upstream(answer) for answer in answers]
    try:
        with nginx_before([upstream.port for upstream in upstreams]) as port:
            yield f"http://127.0.0.1:{port}", upstreams
    finally:
        for upstream in upstreams:
            upstream.close()


def test_a_post_that_was_sent_is_never_sent_again() -> None:
    with front(None, None, None) as (url, upstreams):
        assert httpx.post(f"{url}/transfers", content=b"one").status_code == 502
        assert sum(len(upstream.heads) for upstream in upstreams) == 1


def test_a_get_is_tried_at_the_others() -> None:
    with front(None, None, OK) as (url, upstreams):
        assert [httpx.get(f"{url}/balance").status_code for _ in range(3)] == [200, 200, 200]
        assert sum(len(upstream.heads) for upstream in upstreams[:2]) <= 2


def test_a_process_that_died_over_a_request_gets_no_more_for_a_while() -> None:
    with front(None, OK) as (url, upstreams):
        codes = [httpx.post(f"{url}/transfers").status_code for _ in range(6)]
    assert sorted(codes) == [200] * 5 + [502]
    assert [len(upstream.heads) for upstream in upstreams] == [1, 5]


def test_a_post_that_no_process_took_goes_to_another() -> None:
    with front(OK, OK, OK) as (url, upstreams):
        upstreams[0].close()
        upstreams[1].close()
        assert [httpx.post(f"{url}/transfers").status_code for _ in range(4)] == [200] * 4
        assert len(upstreams[2].heads) == 4


def test_a_refusal_for_now_is_an_answer_and_goes_to_the_client() -> None:
    with front(BUSY, BUSY) as (url, upstreams):
        reply = httpx.post(f"{url}/stepup/challenge")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "7")
    assert sum(len(upstream.heads) for upstream in upstreams) == 1


@pytest.mark.parametrize("path", ["/a%2Fb", "/a//b", "/a%2fb/../c", "/%C3%A9?q=%2F"])
def test_a_path_arrives_as_it_was_sent(path: str) -> None:
    with front(OK) as (url, upstreams):
        with socket.create_connection((str(urlsplit(url).hostname), urlsplit(url).port)) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            while line.recv(65536):
                pass
        assert upstreams[0].heads[0].split(" ")[1] == path


def test_nobody_puts_words_into_the_headers_that_the_proxy_sets() -> None:
    lies = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    with front(OK) as (url, upstreams):
        httpx.get(url, headers={**lies, "Forwarded": "host=evil.example"})
    head = upstreams[0].heads[0].lower()
    assert "x-forwarded-for: 127.0.0.1\r\n" in head
    assert "x-forwarded-proto: http\r\n" in head
    assert "evil.example" not in head
