"""The URL of a request as `htu` names it (RFC 9449 §4.2, §4.3): equal after RFC 3986 §6.2.2 and §6.2.3, no further.

Reserved characters stay what they are: `%2F` is never `/`.
"""

import re
from urllib.parse import quote, unquote, urlsplit

from upstile.protocol._errors import MalformedMessage

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_URL = re.compile(r"[\x00-\x20\x7f]")  # `urlsplit` would drop some of them without a word
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")  # RFC 3986 §2.3
_LOOPBACK_NUMBER = re.compile(r"(?<=://)(?:127\.0\.0\.1|\[::1\])(?=[:/])")


def normalized_htu(url: str) -> str:
    """A URL as `htu` compares it, normalised by syntax and scheme (RFC 3986 §6.2.2, §6.2.3).

    Scheme and host in lower case, no default port, no query; in the path, escapes in upper case, none of an
    unreserved character, no dot segments; a path of at least "/".

    Raises:
        MalformedMessage: not a URL.
    """
    origin, path = _parts(url)
    return origin + _without_dots(_normal_escapes(path))


def same_url(htu: str, expected: str, *, path_decoded: bool = False) -> bool:
    """Whether `htu` names the URL of a request.

    A request path that has dot segments, escaped or not, is named by nothing: what stands before the application may
    have taken it for another one.

    Args:
        htu: what the proof says.
        expected: the configured base URL and the request's path, as it came over the wire.
        path_decoded: the server handed the path over decoded, and it was escaped anew. Then both are compared
            decoded once, as UTF-8, and no `htu` with `%2F` or `%25` in its path is equal to anything.

    Raises:
        MalformedMessage: one of them is not a URL.
    """
    (origin, path), (expected_origin, expected_path) = _parts(htu), _parts(expected)
    if origin != expected_origin or has_dot_segments(expected_path):
        return False
    if path_decoded:
        return _decoded(path) == expected_path
    return _without_dots(_normal_escapes(path)) == _normal_escapes(expected_path)


def has_dot_segments(path: str) -> bool:
    """Whether a segment of a path is `.` or `..` (RFC 3986 §3.3), its dots escaped or not."""
    return any(segment.lower().replace("%2e", ".") in (".", "..") for segment in path.split("/"))


def loopback_by_name(url: str) -> str:
    """A normalised URL in which the loopback address is named `localhost`."""
    return _LOOPBACK_NUMBER.sub("localhost", url, count=1)


def _parts(url: str) -> tuple[str, str]:
    """Origin and path; NOTE: credentials in a URL are left out, a proof is no place for them."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise MalformedMessage("not a URL") from error
    if _NO_URL.search(url):
        raise MalformedMessage("not a URL")
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS.get(scheme):
        host = f"{host}:{port}"
    return f"{scheme}://{host}", parts.path or "/"


def _normal_escapes(path: str) -> str:
    # With a `%` that escapes nothing there is no URL to normalise: what is decoded could make an escape with it.
    return path if _STRAY.search(path) else _ESCAPE.sub(_normal_escape, path)


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4."""
    segments = path.split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] and segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _decoded(path: str) -> str | None:
    """The path of an `htu` decoded once and escaped as a decoded path is; `None` where its own escapes mattered."""
    try:
        text = unquote(path, errors="strict")
    except UnicodeDecodeError:
        return None
    if "%" in text or text.count("/") != path.count("/"):
        return None
    return quote(_without_dots(text))
