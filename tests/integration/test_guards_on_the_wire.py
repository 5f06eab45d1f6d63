"""Each form of the guard at a real uvicorn: bodies that are announced or chunked, and requests in one connection."""

import asyncio
import socket
from pathlib import Path

import pytest

from support.guard_forms import FORMS, SECRET, Form, a_server, in_form, listening, protect, route_class

POST = "POST /g/secret HTTP/1.1\r\nHost: localhost\r\n"


def _say(port: int, *texts: str) -> bytes:
    """What a server answers until it has nothing more to say."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as link:
        link.sendall("".join(texts).encode())
        answer = bytearray()
        try:
            while piece := link.recv(65536):
                answer += piece
        except TimeoutError:  # it waits for the body
            pass
    return bytes(answer)


@pytest.mark.parametrize("http", ["h11", pytest.param("httptools", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "form",
    [form if form in (route_class, protect) else pytest.param(form, marks=pytest.mark.long) for form in FORMS],
    ids=lambda form: form.__name__,
)
def test_nobody_is_told_to_send_a_body_and_no_token_serves_the_next_request(
    tmp_path: Path, form: Form, http: str
) -> None:
    server = a_server("http://localhost:8000", tmp_path)

    async def token() -> str:
        text = (await server.start_session("ada", amr=["pwd"], client_id="cli")).access_token
        await server._deployment.aclose()
        return text

    bearer = f"Authorization: Bearer {asyncio.run(token())}\r\n"
    with listening(in_form(form, server, server.require()), http=http) as port:
        waiting = _say(port, POST, "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert waiting.startswith(b"HTTP/1.1 401"), waiting
        assert _say(port, POST, "Transfer-Encoding: chunked\r\n\r\n5\r\n").startswith(b"HTTP/1.1 401")
        good = f"{POST}{bearer}Content-Length: 0\r\n\r\n"
        both = _say(port, good, f"{POST}Connection: close\r\nContent-Length: 0\r\n\r\n")
        assert (both.count(b"HTTP/1.1 200"), both.count(b"HTTP/1.1 401")) == (1, 1)
        assert both.count(f'"{SECRET}"'.encode()) == 1
        twice = _say(port, f"{POST}{bearer}{bearer}Connection: close\r\nContent-Length: 0\r\n\r\n")
        assert twice.startswith(b"HTTP/1.1 400")
