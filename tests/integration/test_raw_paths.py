"""Each spelling of a path, over a raw socket to a real uvicorn: in no form of the guard does one walk around it."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from support.guard_forms import DOORS, FORMS, OPEN, SECRET, Form, a_server, in_form, listening

URL = "http://localhost:8000"
SPELLINGS = """\
/g/secret /g%2Fsecret /g%2fsecret /g%252Fsecret //g/secret /g//secret ///g///secret /./g/secret /g/./secret
/x/../g/secret /health/../g/secret /health/%2e%2e/g/secret /health/.%2E/g/secret /health%2F..%2Fg%2Fsecret
/health;/../g/secret /health/..;/g/secret /g/secret;x /g;x/secret /;/g/secret /g/secret/ /g/secret// /G/SECRET /G/secret
/%67/secret /g/s%65cret /g/secret?x /g/secret?/health /?/health /g/secret%3F/health /g/secret%23 /g/secret%00
/g/secret%20 /g/secret. /g/secret.json /g\\secret /health\\..\\g\\secret
/health/ /health// //health /health/. /health/.. /./health /x/../health /HEALTH /Health /%68ealth /health%2F /health%2f
/health%00 /health%20 /health%09 /health; /health;x /health;/g/secret /health%3F /health%3Fx /health%23 /health%23x
/health/g/secret /health%2Fg%2Fsecret /health.json /health%C0%AF /health%FF /healthz /heal%74h%0d%0a
/sub/g/secret /sub//g/secret /sub%2Fg /sub/../g/secret /sub/health /sub/%2e%2e/health /sub /sub/ /SUB/x /sub;/x
/p/health /p/g/secret /p/sub/x /p%2Fhealth /p/../health /p//health /P/health
/stepup/token /stepup/token/ /stepup//token /stepup/token;x /stepup/tok%65n /stepup/health/live
/stepup/health/../../g/secret /stepup/authenticators/..%2F..%2Fg%2Fsecret /stepup/authenticators/%2e%2e /stepup/x
http://localhost/g/secret http://localhost/health http://localhost:8000/health HTTP://LOCALHOST/health
http://localhost/health/../g/secret http://x/stepup/token //localhost/health
""".split()  # noqa: SIM905 - one reads it better so
METHODS = ["GET", "HEAD"]
MORE_METHODS = ["POST", "OPTIONS", "get", "TRACE", "PUT"]


def _ask(port: int, method: str, target: str, *lines: str) -> bytes:
    """All that is answered to a request as it stands here."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        head = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 0", *lines]
        link.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
        answer = bytearray()
        while piece := link.recv(65536):
            answer += piece
    return bytes(answer)


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


_ways = pytest.mark.parametrize(
    ("http", "root_path", "methods"),
    [
        ("h11", "", METHODS),
        ("httptools", "/p", METHODS),
        pytest.param("httptools", "", [*METHODS, *MORE_METHODS], marks=pytest.mark.long),
        pytest.param("h11", "/p", [*METHODS, *MORE_METHODS], marks=pytest.mark.long),
    ],
    ids=["h11", "httptools /p", "httptools", "h11 /p"],
)


@_ways
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_no_spelling_walks_around_a_guard(
    tmp_path: Path, form: Form, http: str, root_path: str, methods: list[str]
) -> None:
    server = a_server(URL, tmp_path)
    token = asyncio.run(_token(server))
    with listening(in_form(form, server, server.require()), http=http, root_path=root_path) as port:
        good = _ask(port, "GET", "/g/secret", f"Authorization: Bearer {token}")
        assert (_status(good), SECRET.encode() in good) == (200, True)
        reached = [
            (method, target, _status(answer))
            for method in methods
            for target in SPELLINGS
            if SECRET.encode() in (answer := _ask(port, method, target))
        ]
        assert reached == []
        assert OPEN.encode() in _ask(port, "GET", "/health") or root_path


async def _token(server: Any) -> str:
    token = (await server.start_session("ada", amr=["pwd"], client_id="cli")).access_token
    await server._deployment.aclose()
    return str(token)


@_ways
@pytest.mark.parametrize("form", DOORS, ids=lambda form: form.__name__)
def test_a_door_lets_the_exact_path_and_method_through_and_no_other(
    tmp_path: Path, form: Form, http: str, root_path: str, methods: list[str]
) -> None:
    server = a_server(URL, tmp_path)
    with listening(in_form(form, server, server.require()), http=http, root_path=root_path) as port:
        answers = {
            (method, target): _status(_ask(port, method, target))
            for method in methods
            for target in ["/health", *SPELLINGS]
        }
    let_in = {call for call, status in answers.items() if status not in (0, 400, 401)}
    own = {("GET", "/stepup/health/live"), ("HEAD", "/stepup/health/live")}
    if root_path:  # uvicorn puts it before the path, so the exemption would have to name it
        assert let_in == own
    else:
        # The server's own paths are answered by itself: 400 for a form that is none. httptools hands the path of a
        # target in absolute form over as if it had come alone (RFC 9112 §3.2.2), so that is the exact path, too.
        absolute = {("GET", target) for target in SPELLINGS if _path_of_absolute(target) == "/health"}
        assert let_in == {("GET", "/health"), *own, *(absolute if http == "httptools" else ())}


def _path_of_absolute(target: str) -> str | None:
    scheme, found, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if found and scheme.lower() == "http" else None
