"""Each hop of a request, redirects included, is looked at before it leaves."""

from collections.abc import Callable
from typing import Any

from upstile.client.adapters._auth import StepUpFlow
from upstile.client.adapters._pump import ONCE, SIGNED


def hooked(client: Any, on_hop: Callable[[Any], Any], request: Any) -> None:
    """Have each hop of a request looked at, also where the app has set hooks of its own."""
    if on_hop not in client.event_hooks["request"]:
        client.event_hooks["request"].append(on_hop)
    request.extensions.pop(ONCE, None)


def guard_hop(auth: StepUpFlow, request: Any) -> None:
    """Look at each request just before it leaves, redirects included.

    The library takes `Authorization` off when a redirect leads to another origin, but not `DPoP`; and a proof is for
    one URL, so a redirect within the origin needs another one.
    """
    session, signed = auth.session, request.extensions.get(SIGNED)
    if signed is None or signed[0] == id(request):
        return
    request.headers.pop("DPoP", None)
    url, (scheme, _, token) = str(request.url), request.headers.get("Authorization", "").partition(" ")
    if not session.pins.is_api(url):
        request.headers.pop("Authorization", None)
    elif scheme == "DPoP":
        request.headers["DPoP"] = signed[1].proof(request.method, url, token, now=session.api_time.now(url))
