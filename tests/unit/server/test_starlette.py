"""A request of Starlette as the engine sees it."""

from typing import Any

from starlette.requests import Request

from upstile.server._http import HttpRequest, HttpResponse
from upstile.server.fastapi._starlette import head


def _scope(**changed: Any) -> dict[str, Any]:
    standard = {"type": "http", "method": "GET", "path": "/a b", "query_string": b"", "scheme": "http"}
    return {**standard, "headers": [(b"host", b"localhost/harmless?")], "server": ("localhost", 80), **changed}


def test_the_path_is_the_one_on_the_wire_and_never_taken_from_the_host_header() -> None:
    assert head(Request(_scope(raw_path=b"/a%20b"))).path == "/a%20b"
    assert head(Request(_scope())).path == "/a%20b"


def test_no_request_or_response_shows_its_secrets() -> None:
    request = HttpRequest(method="GET", path="/", headers=[(b"authorization", b"Bearer SECRET")], body=b"SECRET")
    assert "SECRET" not in f"{request!r} {HttpResponse(status=200, body=b'SECRET')!r}"
