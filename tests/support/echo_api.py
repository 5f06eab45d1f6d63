"""An API that answers with what it was sent, on a real socket of this machine."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

BINARY = bytes(range(256)) * 700
HOSTILE = "fine\x1b[2J\x1b]0;mine\x07\u202e and\ttabbed\r\nlast line"


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, kind, body = 200, "application/json", b""
        if self.path == "/binary":
            kind, body = "application/octet-stream", BINARY
        elif self.path == "/hostile":
            kind, body = "text/plain", HOSTILE.encode()
        elif self.path == "/moved":
            status = 302
        elif self.path.startswith("/status/"):
            status, body = int(self.path.rpartition("/")[2]), b'{"no":"luck"}'
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.dumps(
                {"method": self.command, "path": self.path, "headers": headers, "body": sent.decode("latin-1")}
            ).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/elsewhere")
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def echo_api() -> Generator[str]:
    """Run it; yields its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
