"""The app's own sign-in: a proof of our key goes with it, and the token in its response is bound to that key."""

from collections.abc import Mapping
from typing import Any

from upstile.client._errors import CeremonyFailed, ConfigurationError, clock_hint
from upstile.client.adapters._auth import StepUpFlow
from upstile.client.adapters._response import incoming
from upstile.client.authority._authority import for_developers
from upstile.client.flow.tokens._logins import BaseToken
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.words import said
from upstile.protocol import ErrorResponse, MalformedMessage, TokenResponse


def proving(client: Any, url: str, request: dict[str, Any], key: ProofKey) -> dict[str, Any]:
    """Put a proof for the sign-in into its headers; no token goes with it, and nobody else is told the password."""
    auth: StepUpFlow = client.step_up_auth
    target = str(client.build_request("POST", url).url)
    if not auth.session.pins.is_api(target):
        raise ConfigurationError("the sign-in must be at the API's own address, or below it")
    headers = client.http.Headers(request.get("headers"))
    headers["DPoP"] = key.proof("POST", target, now=auth.session.api_time.now(target))
    return {**request, "headers": headers, "auth": client.http.Auth(), "follow_redirects": False}


def goes_again(auth: StepUpFlow, response: Any, request: dict[str, Any]) -> bool:
    """Whether a sign-in was refused for a proof by a wrong clock only, and has a body that can be sent again."""
    refusal, time, url = _refusal(response), auth.session.api_time, str(response.request.url)
    if refusal is None or not auth.session.pins.is_api(url):
        return False
    held = isinstance(request.get("content"), str | bytes | None) and isinstance(request.get("data"), Mapping | None)
    by = time.ahead(url)
    other = next((ahead for ahead in time.after_refusal(incoming(response, url, b"", "POST"), by) if ahead != by), by)
    time.proved(url, other)  # as far as one can know before the next one is judged
    return held and not request.get("files") and other != by


def brought(token: BaseToken, expires_in: float | None) -> TokenResponse:
    """A token that the app brings along, as if a sign-in had answered with it.

    Raises:
        ConfigurationError: it is of a kind that cannot be sent, or has ended already.
    """
    members = {"access_token": token.access_token, "token_type": token.token_type}
    try:
        life = {} if expires_in is None else {"expires_in": int(expires_in)}
        return TokenResponse.from_members({**members, **life})
    except (MalformedMessage, ValueError, OverflowError):
        raise ConfigurationError("a token is Bearer or DPoP, and expires_in a number of seconds from now") from None


def token_in(auth: StepUpFlow, response: Any) -> TokenResponse:
    """The token in the response to a sign-in.

    Raises:
        HTTPStatusError, CeremonyFailed: there is none.
    """
    refusal = _refused_proof(auth, response)
    if refusal is not None:
        raise refusal
    if response.is_redirect:  # whoever answers elsewhere must not be handed the password
        raise CeremonyFailed(**said("sign-in-redirected", to=response.headers.get("location")))
    response.raise_for_status()
    try:
        return TokenResponse.from_json(response.content)
    except MalformedMessage as error:
        raise CeremonyFailed(**said("sign-in-unreadable", why=error)) from error


def _refused_proof(auth: StepUpFlow, response: Any) -> CeremonyFailed | None:
    """What the API says of our proof, if that is why it refuses the sign-in."""
    refusal = _refusal(response)
    if refusal is None:
        return None
    url, now = str(response.request.url), auth.session.clock()
    words = said("sign-in-proof", why=for_developers(refusal), url=url)
    clock = clock_hint(response.headers.get("date"), now)
    words["message"] = refusal.title or words["message"]
    words["next_step"] = clock or words["next_step"]
    return CeremonyFailed(**words, error=refusal.error)


def _refusal(response: Any) -> ErrorResponse | None:
    """The refusal of a proof."""
    try:
        refusal = ErrorResponse.from_json(response.content) if response.status_code == 400 else None
    except MalformedMessage:
        return None
    return refusal if refusal is not None and refusal.error == "invalid_dpop_proof" else None
