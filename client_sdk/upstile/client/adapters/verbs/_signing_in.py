"""The verbs of a client that are about who is signed in: a sign-in begins, is shown, is confirmed, ends."""

from functools import partial
from typing import Any

from upstile.client.adapters._waiting import in_thread, landed
from upstile.client.flow._confirmations import Confirmation, confirmations
from upstile.client.flow._session import Session
from upstile.client.flow.tokens._logins import BaseToken, SignedIn
from upstile.client.flow.tokens._sign_out import sign_out
from upstile.protocol import Requirement


class HasSignIn:
    """What both kinds of clients know of it."""

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
    """Those of `Client`."""

    def sign_in(self, url: str | None = None, *, subject: str | None = None, **request: Any) -> SignedIn | None:
        """Sign in at the API's own sign-in, or at the page of the identity provider that is the client's `issuer`.

        At the API: POST with a proof of our key; the token in the response becomes the base token. Without a URL: in
        the browser (`browser=`); the token is renewed by itself where the provider gives a refresh token.

        Args:
            url: where, on the API's origin.
            subject: who signs in, by any name that stays theirs: another subject than the last gets a key of its own.
                In the browser it is by default what the provider calls them.
            request: what else `post` takes.

        Raises:
            HTTPStatusError: the API refused the sign-in; the error is the HTTP library's, and so no `StepUpError`.
            TransportError: the API cannot be reached (`ConnectError`) or did not answer; the library's, too.
            CeremonyFailed: the response holds no token, or the browser brought none back.
            StepUpCancelled, StepUpTimeout: the person gave up, or did not come back from the browser.
            StoreError: the sign-in could not be kept.
        """
        if url is None:
            from upstile.client.authority.browser._sign_in import sign_in

            ticket = sign_in(self.step_up_auth.session, subject, blocks=True)
            try:
                ticket.future.result()
            finally:
                ticket.give_back()
            return self.signed_in
        from upstile.client.adapters.verbs._sign_in import goes_again, proving, token_in

        library: Any = self
        auth, tokens = self.step_up_auth, self.step_up_auth.session.tokens
        key = tokens.key_for(subject)
        response = library.post(url, **proving(self, url, request, key))
        if goes_again(auth, response, request):
            response = library.post(url, **proving(self, url, request, key))
        tokens.sign_in(token_in(auth, response), key, subject)
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
        from upstile.client.adapters.verbs._sign_in import brought

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

    def sign_out(self, *, forget: bool = False) -> str | None:
        """End the sign-in: at the server, which takes its token no more (RFC 7009), and here.

        The key stays, so that the server knows this machine at the next sign-in; with `forget` it goes, too, and
        whatever the store has.

        Returns:
            The page at which the person signs out of an identity provider in their browser, too: show it. `None` where
            there is none.

        Raises:
            CeremonyFailed: nobody is signed in here any more, but the server could not be told.
            StoreError: the store cannot be read or written.
        """
        return sign_out(self.step_up_auth.session, forget=forget)


class AsyncSignIn(HasSignIn):
    """The same for `async` code."""

    async def sign_in(self, url: str | None = None, *, subject: str | None = None, **request: Any) -> SignedIn | None:
        """Sign in, as `Client.sign_in`."""
        if url is None:
            from upstile.client.authority.browser._sign_in import sign_in

            self.step_up_auth.is_in_loop()
            ticket = sign_in(self.step_up_auth.session, subject, blocks=False)
            try:
                await landed(ticket.future)
                ticket.future.result()
            finally:
                ticket.give_back()
            return self.signed_in
        from upstile.client.adapters.verbs._sign_in import goes_again, proving, token_in

        library: Any = self
        auth, tokens = self.step_up_auth, self.step_up_auth.session.tokens
        key = await in_thread(tokens.key_for, subject)
        response = await library.post(url, **proving(self, url, request, key))
        if goes_again(auth, response, request):
            response = await library.post(url, **proving(self, url, request, key))
        await in_thread(tokens.sign_in, token_in(auth, response), key, subject)
        return self.signed_in

    async def sign_in_with(self, token: BaseToken, *, expires_in: float | None = None) -> SignedIn | None:
        """Take a token that was obtained elsewhere as the sign-in, as `Client.sign_in_with`."""
        from upstile.client.adapters.verbs._sign_in import brought

        tokens, response = self.step_up_auth.session.tokens, brought(token, expires_in)
        key = await in_thread(tokens.key_for, token.subject)
        await in_thread(tokens.sign_in, response, key, token.subject)
        return self.signed_in

    async def confirmations(self, requirement: Requirement | None = None) -> tuple[Confirmation, ...]:
        """What the person has confirmed, as `Client.confirmations`."""
        return confirmations(self.step_up_auth.session, await self.step_up_auth.awaited(), requirement)

    async def sign_out(self, *, forget: bool = False) -> str | None:
        """End the sign-in, as `Client.sign_out`."""
        self.step_up_auth.is_in_loop()
        return await in_thread(partial(sign_out, self.step_up_auth.session, forget=forget))
