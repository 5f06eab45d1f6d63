"""What a browser sees that opens the authorization endpoint: this server is asked by its apps.

NOTE: the page of the browser route is not built. Until it is, no request here does anything: nothing of it is read,
shown again or followed, so the endpoint cannot be used to send somebody elsewhere (RFC 9700 §4.11).
"""

from collections.abc import Mapping

from upstile.server._http import HttpRequest, HttpResponse

METHODS: tuple[str, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)
_PAGE = b"""<!doctype html>
<html lang="en">
<title>This server is asked by its apps</title>
<h1>This server is asked by its apps</h1>
<p>There is nothing to do on this page. Close it, and go on in the app that you came from.</p>
</html>
"""


async def asked_by_apps(request: HttpRequest, _: Mapping[str, str]) -> HttpResponse:
    """The same page for every request."""
    return HttpResponse(status=400, headers=_HEADERS, body=_PAGE)
