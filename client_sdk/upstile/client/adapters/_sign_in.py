"""The app's own sign-in: how it begins, what it led to, how it ends.

A proof of our key goes with it, and the token in its response is bound to that key.
"""

from functools import partial
from typing import Any

from anyio import to_thread

from upstile.client._errors import CeremonyFailed, ConfigurationError, clock_hint
from upstile.client.adapters._auth import StepUpFlow
from upstile.client.authority._authority import for_developers
from upstile.client.flow._confirmations import Confirmation, confirmations
from upstile.client.flow._logins import BaseToken, SignedIn
from upstile.client.flow._proof_key import ProofKey
from upstile.client.flow._session import Session
from upstile.client.flow._sign_out import sign_out
from upstile.protocol import ErrorResponse, MalformedMessage, Requirement, TokenResponse


class HasSignIn:
    """What both kinds of clients know of their sign-in."""

    step_up_auth: Any

    @property
    def signed_in(self) -> SignedIn | None:
        """Who is signed in, as far as this machine knows; `None` where nobody is, or `token=` is the app's business.

        Raises:
            StoreError: the store cannot be read.
        """
        session: Session = self.step_up_auth.session
        return session.tokens.signed_in()


class SignIn(HasSignIn):
    """A sign-in begins, is shown, ends: the verbs of `Client`."""

    def sign_in(self, url: str, *, subject: str | None = None, **request: Any) -> SignedIn | None:
        """The app's own sign-in: POST with a proof of our key; the token in the response becomes the base token.

        Args:
            url: where, on the API's origin.
            subject: who signs in, by any name that stays theirs: another subject than the last gets a key of its own.
            request: what else `post` takes.

        Raises:
            HTTPStatusError: the sign-in was refused.
            CeremonyFailed: the response holds no token.
            StoreError: the sign-in could not be kept.
        """
        library: Any = self
        auth, tokens = self.step_up_auth, self.step_up_auth.session.tokens
        key = tokens.key_for(subject)
        tokens.sign_in(token_in(auth, library.post(url, **proving(self, url, request, key))), key, subject)
        return self.signed_in

    def sign_in_with(self, token: BaseToken, *, expires_in: float | None = None) -> SignedIn | None:
        """Take a token that was obtained elsewhere as the sign-in, and keep it where sign-ins are kept.

        Args:
            token: the token; its `subject` says whose it is, as for `sign_in`.
            expires_in: seconds that it lives, where that is known.

        Raises:
            ConfigurationError: it cannot be a sign-in.
            StoreError: it could not be kept.
        """
        tokens = self.step_up_auth.session.tokens
        tokens.sign_in(brought(token, expires_in), tokens.key_for(token.subject), token.subject)
        return self.signed_in

    def confirmations(self, requirement: Requirement | None = None) -> tuple[Confirmation, ...]:
        """What the person has confirmed, as far as calls of this client go by it.

        Args:
            requirement: only what would do for this; where nothing does, `step_up` would ask.

        Raises:
            StoreError: the store cannot be read.
        """
        session = self.step_up_auth.session
        return confirmations(session, session.tokens.current(), requirement)

    def sign_out(self, *, forget: bool = False) -> None:
        """End the sign-in: at the server, which takes its token no more (RFC 7009), and here.

        The key stays, so that the server knows this machine at the next sign-in; with `forget` it goes, too, and
        whatever the store has.

        Raises:
            CeremonyFailed: nobody is signed in here any more, but the server could not be told.
            StoreError: the store cannot be read or written.
        """
        sign_out(self.step_up_auth.session, forget=forget)


class AsyncSignIn(HasSignIn):
    """The same for `async` code."""

    async def sign_in(self, url: str, *, subject: str | None = None, **request: Any) -> SignedIn | None:
        """The app's own sign-in, as `Client.sign_in`."""
        library: Any = self
        auth, tokens = self.step_up_auth, self.step_up_auth.session.tokens
        key = await to_thread.run_sync(tokens.key_for, subject)
        response = token_in(auth, await library.post(url, **proving(self, url, request, key)))
        await to_thread.run_sync(tokens.sign_in, response, key, subject)
        return self.signed_in

    async def sign_in_with(self, token: BaseToken, *, expires_in: float | None = None) -> SignedIn | None:
        """Take a token that was obtained elsewhere as the sign-in, as `Client.sign_in_with`."""
        tokens, response = self.step_up_auth.session.tokens, brought(token, expires_in)
        key = await to_thread.run_sync(tokens.key_for, token.subject)
        await to_thread.run_sync(tokens.sign_in, response, key, token.subject)
        return self.signed_in

    async def confirmations(self, requirement: Requirement | None = None) -> tuple[Confirmation, ...]:
        """What the person has confirmed, as `Client.confirmations`."""
        return confirmations(self.step_up_auth.session, await self.step_up_auth.awaited(), requirement)

    async def sign_out(self, *, forget: bool = False) -> None:
        """End the sign-in, as `Client.sign_out`."""
        self.step_up_auth.is_in_loop()
        await to_thread.run_sync(partial(sign_out, self.step_up_auth.session, forget=forget))


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
    life = {} if expires_in is None else {"expires_in": int(expires_in)}
    try:
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
