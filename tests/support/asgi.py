"""What a web server hands to an application, where a test plays the server."""

from collections.abc import Iterable
from typing import Any


def http_scope(method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    """A request's scope (ASGI HTTP 2.3)."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8000),
    }
