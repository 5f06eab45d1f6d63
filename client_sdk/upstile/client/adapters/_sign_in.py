"""The app's own sign-in: a proof of our key goes with it, and the token in its response is bound to that key."""

from typing import Any

from upstile.client._errors import CeremonyFailed, ConfigurationError, clock_hint
from upstile.client.adapters._auth import StepUpFlow
from upstile.client.authority._authority import for_developers
from upstile.client.flow._logins import BaseToken
from upstile.client.flow._proof_key import ProofKey
from upstile.protocol import ErrorResponse, MalformedMessage, TokenResponse


def proving(client: Any, url: str, request: dict[str, Any], key: ProofKey) -> dict[str, Any]:
    """Put a proof for the sign-in into its headers; no token goes with it, and nobody else is told the password."""
    auth: StepUpFlow = client.step_up_auth
    target = str(client.build_request("POST", url).url)
    if not auth.session.pins.is_api(target):
        raise ConfigurationError("the sign-in must be on the API's own origin")
    headers = client.http.Headers(request.get("headers"))
    headers["DPoP"] = key.proof("POST", target)
    return {**request, "headers": headers, "auth": client.http.Auth(), "follow_redirects": False}


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
        raise CeremonyFailed("The sign-in was redirected", next_step="Sign in at the address that the API has now.")
    response.raise_for_status()
    try:
        return TokenResponse.from_json(response.content)
    except MalformedMessage as error:
        raise CeremonyFailed(f"The sign-in's response is no token response: {error}") from error


def _refused_proof(auth: StepUpFlow, response: Any) -> CeremonyFailed | None:
    """What the API says of our proof, if that is why it refuses the sign-in."""
    try:
        refusal = ErrorResponse.from_json(response.content) if response.status_code == 400 else None
    except MalformedMessage:
        return None
    if refusal is None or refusal.error != "invalid_dpop_proof":
        return None
    url, now = str(response.request.url), auth.session.clock()
    step = clock_hint(response.headers.get("date"), now) or f"Is {url} the address that the API is configured with?"
    message = refusal.title or f"The sign-in was refused ({refusal.error})"
    return CeremonyFailed(message, error=refusal.error, next_step=step, hint=for_developers(refusal))
