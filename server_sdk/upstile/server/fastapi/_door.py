"""Whose call it is, as the scope of the call keeps it: for the guards of its route, and for what stands below a door.

A *door* is a guard around a whole application (`_protect.py`). It judges a call before anybody knows its route.
"""

from starlette.types import Scope

from upstile.server._http import RawHeaders
from upstile.server.deployment._deployment import Deployment
from upstile.server.resource._authentication import Authentication

_CREDENTIALS = (b"authorization", b"dpop")


class Door:
    """That a call came through a door. The first route that it reaches takes it over, and no other one.

    So a handler that sends parts of its call to other routes of the application, as one for batches does, has each of
    them judged again.
    """

    __slots__ = ("_call", "_headers", "_taken")

    def __init__(self, scope: Scope) -> None:
        self._call = scope["type"], scope.get("method"), scope.get("raw_path"), scope["path"]
        self._headers = scope["headers"]
        self._taken = False

    def is_of(self, scope: Scope) -> bool:
        """Whether this is the call that came through the door, with what it showed there."""
        if self._call != (scope["type"], scope.get("method"), scope.get("raw_path"), scope["path"]):
            return False
        headers = scope["headers"]
        return headers is self._headers or _shown(headers) == _shown(self._headers)

    def take(self, scope: Scope) -> bool:
        """Take the call over for the route of a scope; says whether that may be."""
        if self._taken or not self.is_of(scope):
            return False
        self._taken = True
        return True


def key_of(deployment: Deployment) -> str:
    """Where a scope keeps whose call it is: another deployment looks for itself."""
    return f"upstile.authentication {id(deployment)}"


def authentication_of(deployment: Deployment, scope: Scope) -> Authentication | None:
    """The authentication behind a call, if a guard of this deployment let it in."""
    known, authentication = scope.get(key_of(deployment), (None, None))
    if authentication is None or (
        not known.is_of(scope) if isinstance(known, Door) else known is not scope.get("route")
    ):
        return None
    found: Authentication = authentication
    return found


def _shown(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    return [line for line in headers if line[0] in _CREDENTIALS]
