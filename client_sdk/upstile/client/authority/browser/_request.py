"""The authorization request: what binds the answer to it, what it asks, and the URL that it becomes.

PKCE (RFC 7636), PAR (RFC 9126), `dpop_jkt` (RFC 9449 §10), `resource` (RFC 8707).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from upstile.client._errors import CeremonyFailed
from upstile.client.authority._authority import Authority
from upstile.client.authority.browser._asking import is_entra
from upstile.client.authority.browser._settings import Browser
from upstile.client.words import said
from upstile.protocol import MalformedMessage, code_challenge, json_object, serialize_form

if TYPE_CHECKING:
    from upstile.client.authority._discovery import Target


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What binds an answer to its request: made anew for each, and never sent together.

    Attributes:
        state: comes back with the answer.
        nonce: comes back in the ID token.
        verifier: is shown when the code is redeemed.
    """

    state: str = field(default_factory=lambda: token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: token_urlsafe(48), repr=False)


def parameters(
    secrets: Secrets,
    *,
    client_id: str,
    redirect_uri: str,
    jkt: str | None,
    target: "Target",
    settings: Browser,
    asked: Mapping[str, str],
) -> dict[str, str | None]:
    """All that a request says.

    Args:
        secrets: its own.
        client_id: the app.
        redirect_uri: where the browser comes back to.
        jkt: the thumbprint of the key that the token is to be bound to, if it is to be.
        target: the authorization server, and the API.
        settings: the app's.
        asked: how strong, how recent, which scope.
    """
    scope = dict.fromkeys(["openid", *asked.get("scope", "").split()])
    return {
        **asked,
        **whose_api(target, settings),
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scope),
        "state": secrets.state,
        "nonce": secrets.nonce,
        "code_challenge": code_challenge(secrets.verifier),
        "code_challenge_method": "S256",
        "dpop_jkt": jkt,
    }


def whose_api(target: "Target", settings: Browser) -> dict[str, str]:
    """For which API the token is to be: `audience` for Auth0, nothing for Entra, whose scopes name it."""
    if settings.audience is not None:
        return {"audience": settings.audience}
    if is_entra(target.server.issuer):
        return {}
    return {"resource": settings.resource or target.resource}


def url_of(authority: Authority, target: "Target", request: Mapping[str, str | None]) -> str:
    """What the browser opens; where the server takes it, the request is pushed before, and the URL names it."""
    endpoint, pushed_to = target.server.authorization_endpoint, target.server.pushed_authorization_request_endpoint
    if endpoint is None:
        raise CeremonyFailed(**said("no-ceremony-here"))
    if pushed_to is not None:
        request = {"client_id": request["client_id"], "request_uri": _pushed(authority, pushed_to, request)}
    query = serialize_form(request).decode("ascii")
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


def _pushed(authority: Authority, url: str, request: Mapping[str, str | None]) -> str:
    reply = authority.post(url, request, repeatable=False)
    try:
        request_uri = json_object(reply.body).get("request_uri")
    except MalformedMessage:
        request_uri = None
    if not isinstance(request_uri, str):
        raise CeremonyFailed(**said("unreadable", url=url, why="no request_uri"), response=reply)
    return request_uri
