"""The address that the browser comes back to: one call is the answer, and everything else changes nothing."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from time import monotonic, sleep

import httpx
import pytest

from upstile.client import NoMethodAvailable
from upstile.client.authority.browser import _listener
from upstile.client.authority.browser._answer import answer_in
from upstile.client.authority.browser._listener import Listener

STATE = "our-state"
ANSWER = f"?code=c&state={STATE}"


class Waiting:
    """Who waits at a listener."""

    def __init__(self, port: int = 0) -> None:
        self.taken: list[str] = []
        self.listener = Listener(
            "/callback", port, lambda query: answer_in(query, STATE) is not None, self.taken.append
        )
        self.url = self.listener.redirect_uri
        self.port = int(self.url.split(":")[2].split("/")[0])

    def sends(self, raw: bytes) -> bytes:
        """What comes back for bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(raw)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return answer

    def answers(self) -> list[str]:
        """What was taken, once there is any: an answer is taken after its page was sent."""
        end = monotonic() + 5
        while not self.taken and monotonic() < end:
            sleep(0.01)
        return self.taken


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    made = Waiting()
    yield made
    made.listener.close()


def test_the_answer_is_taken_and_the_page_says_done_and_repeats_nothing(waiting: Waiting) -> None:
    response = httpx.get(waiting.url + ANSWER + "&error_description=%3Cscript%3E")
    assert response.status_code == 200
    assert "Done. You can go back to your app." in response.text
    assert "script" not in response.text
    assert STATE not in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert "server" not in response.headers
    assert waiting.answers() == [ANSWER[1:] + "&error_description=%3Cscript%3E"]


def test_an_error_gets_the_same_page(waiting: Waiting) -> None:
    done = httpx.get(f"{waiting.url}?error=access_denied&error_description=<h1>&state={STATE}")
    assert (done.status_code, "<h1>" in done.text) == (200, False)
    assert "Done." in done.text


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", "?code=c&state=another"),
        ("GET", "?code=c"),
        ("GET", f"?state={STATE}"),
        ("GET", f"?code=c&state={STATE}&state={STATE}"),
        ("GET", f"/{ANSWER}"),
        ("GET", f"?code=c&state={STATE}&pad={'a' * 20_000}"),
        ("POST", ANSWER),
        ("HEAD", ANSWER),
        ("OPTIONS", ANSWER),
        ("PUT", ANSWER),
    ],
)
def test_anything_else_gets_400_and_changes_nothing(waiting: Waiting, method: str, rest: str) -> None:
    response = httpx.request(method, waiting.url + rest)
    assert response.status_code == 400
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert waiting.taken == []
    assert httpx.get(waiting.url + ANSWER).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]"])
def test_a_call_by_another_name_is_no_answer(waiting: Waiting, host: str) -> None:
    """A page of another origin that has its name point here (DNS rebinding)."""
    assert httpx.get(waiting.url + ANSWER, headers={"host": host}).status_code == 400
    assert waiting.taken == []


@pytest.mark.parametrize(
    "raw",
    [
        b"GET //callback?code=c&state=our-state HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"GET http://127.0.0.1:%d/callback?code=c&state=our-state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /callback?code=c&state=our-state HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nHost: evil.example\r\n\r\n",
        b"GET /callback?code=c&state=our-state HTTP/1.1\r\nX: %d\r\n\r\n",
        b"GET /callback?code=c&state=our-state\r\nX: %d\r\n\r\n",
        b"GET /callback?code=c&state=our-state HTTP/9.9\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"%d\r\n\r\n",
        b"\r\n%d",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
    ],
)
def test_what_is_no_plain_request_to_us_is_no_answer(waiting: Waiting, raw: bytes) -> None:
    try:
        answer = waiting.sends(raw % waiting.port)
    except ConnectionResetError:
        answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.0 400 ")
    assert waiting.taken == []


def test_a_second_callback_changes_nothing(waiting: Waiting) -> None:
    assert httpx.get(waiting.url + ANSWER).status_code == 200
    assert httpx.get(waiting.url + ANSWER.replace("code=c", "code=other")).status_code == 400
    assert waiting.answers() == [ANSWER[1:]]


def test_of_many_at_once_one_is_the_answer(waiting: Waiting) -> None:
    statuses: list[int] = []
    calls = [Thread(target=lambda: statuses.append(httpx.get(waiting.url + ANSWER).status_code)) for _ in range(8)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert sorted(statuses) == [200, *[400] * 7]
    assert len(waiting.answers()) == 1


def test_connections_that_say_nothing_do_not_keep_the_answer_waiting(waiting: Waiting) -> None:
    """Browsers open some that they do not use."""
    silent = [socket.create_connection(("127.0.0.1", waiting.port)) for _ in range(10)]
    assert httpx.get(waiting.url + ANSWER, timeout=2).status_code == 200
    for connection in silent:
        connection.close()


def test_a_flood_of_connections_ends_with_it(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_listener._Handler, "timeout", 0.2)
    flood = [socket.create_connection(("127.0.0.1", waiting.port)) for _ in range(40)]
    for connection in flood:
        connection.settimeout(5)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""  # hung up on, at once or when it has said nothing for long enough
        connection.close()
    assert httpx.get(waiting.url + ANSWER, timeout=2).status_code == 200


def test_it_is_open_only_meanwhile(waiting: Waiting) -> None:
    waiting.listener.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(waiting.url + ANSWER)


def test_it_listens_on_this_machine_alone(waiting: Waiting) -> None:
    assert waiting.listener._server.socket.getsockname()[0] == "127.0.0.1"
    assert not waiting.listener._server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert not waiting.listener._server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


def test_a_port_in_use_is_said(waiting: Waiting) -> None:
    with pytest.raises(NoMethodAvailable, match=f"Another program uses port {waiting.port}"):
        Waiting(waiting.port)
