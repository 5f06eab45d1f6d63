"""The URL of a request, as its caller named it: from what is configured and the path that came, never from headers."""

from urllib.parse import unquote, urlsplit

from upstile.server._http import HttpRequest


class PublicUrl:
    """Below which URL an API is reached.

    Where that has a path, such as `https://example.com/api`, the path of a request may come with it or without: a proxy
    takes it off, and the web server says so by a root path (`uvicorn --root-path /api`).
    Where there is a root path, what comes after it stands below the URL; where there is none, the path has come whole.

    Args:
        url: a base URL without a trailing slash.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._has_path = bool(parts.path)

    def of(self, request: HttpRequest) -> str:
        """What a DPoP proof of this request has to name (RFC 9449 §4.3)."""
        if not self._has_path:
            return self._url + request.path
        if not request.root_path:
            return self._origin + request.path
        return self._url + _below_escaped(request.path, request.root_path)


def below_root(path: str, root: str) -> str:
    """A path without the root path that a server or a mount has put before it; without it already, it stays."""
    below = path.removeprefix(root)
    return below if below != path and (not below or below.startswith("/")) else path


def _below_escaped(path: str, root: str) -> str:
    """The same of a path as it came, whose root path may be escaped: who routes by what it stands for takes it off."""
    before = "/".join(path.split("/")[: root.count("/") + 1])
    return path[len(before) :] if unquote(before) == root else path
