"""One authorization request by hand (RFC 6749 §4.1, RFC 7636), with whatever parameters an app might send."""

from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt

from support.at_the_browser import AtTheBrowser
from upstile.client.authority.browser._listener import Listener
from upstile.protocol import code_challenge


def answer_at(issuer: str, person: AtTheBrowser, *, client_id: str = "bank-app", **asked: str) -> dict[str, Any]:
    """The token response to the code that a person comes back with.

    Args:
        issuer: where.
        person: fills in the pages.
        client_id: the app.
        asked: further parameters of the request.
    """
    metadata = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
    verifier, queries = token_urlsafe(48), list[str]()
    pkce = {"code_challenge": code_challenge(verifier), "code_challenge_method": "S256"}
    with Listener("/callback", 0, lambda query: "code=" in query, lambda query: queries.append(str(query))) as listener:
        common = {"client_id": client_id, "redirect_uri": listener.redirect_uri}
        query = urlencode({**common, **pkce, "response_type": "code", "scope": "openid", **asked})
        person.goes(f"{metadata['authorization_endpoint']}?{query}")
    code = parse_qs(urlsplit(f"?{queries[0]}").query)["code"][0]
    form = {**common, "grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    answer: dict[str, Any] = httpx.post(metadata["token_endpoint"], data=form).raise_for_status().json()
    return answer


def login_at(issuer: str, person: AtTheBrowser, **asked: str) -> dict[str, Any]:
    """The claims of the access token in it."""
    token = answer_at(issuer, person, **asked)["access_token"]
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
