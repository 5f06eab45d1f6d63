"""One trip of the person to the provider's page and back: request → browser → answer → token → ID token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from upstile.client._errors import NoMethodAvailable
from upstile.client.authority._authority import Authority
from upstile.client.authority._discovery import Target
from upstile.client.authority._grant import granted_in, moments, redeem
from upstile.client.authority.browser._answer import answer_in, code_of
from upstile.client.authority.browser._id_token import IdToken, id_token_in
from upstile.client.authority.browser._listener import Listener
from upstile.client.authority.browser._opener import open_page
from upstile.client.authority.browser._request import Secrets, parameters, url_of, whose_api
from upstile.client.authority.browser._settings import Browser
from upstile.client.authority.browser._waiting import Arrivals, Waiting
from upstile.client.flow.tokens._logins import Granted
from upstile.client.methods import Moment
from upstile.client.prompts import show_page
from upstile.client.words import said


@dataclass(frozen=True, kw_only=True)
class Trip:
    """What a trip is made with.

    Attributes:
        settings: the app's.
        target: the authorization server, and the API.
        client_id: the app.
        jkt: the thumbprint of the key that the token is to be bound to; `None` where it is not.
        moment: how to ask.
        clock: the time in epoch seconds.
    """

    settings: Browser
    target: Target
    client_id: str
    jkt: str | None
    moment: Moment
    clock: Callable[[], float]

    def go(self, authority: Authority, asked: Mapping[str, str]) -> tuple[Granted, IdToken]:
        """Send the person there.

        Args:
            authority: the authorization server.
            asked: how strong, how recent, which scope.

        Returns:
            The token, with `acr` and `auth_time` of the ID token, and that.

        Raises:
            StepUpError: nobody came back with a code, or what it led to is not for us.
        """
        secrets, settings, arrivals = Secrets(), self.settings, Arrivals()
        is_ours: Callable[[str], bool] = lambda query: answer_in(query, secrets.state) is not None  # noqa: E731
        with Listener(settings.path, settings.port, is_ours, arrivals.put) as listener:
            redirect_uri = listener.redirect_uri
            self._show(url_of(authority, self.target, self._request(secrets, redirect_uri, asked)))
            waiting = Waiting(
                arrivals=arrivals,
                state=secrets.state,
                redirect_uri=redirect_uri,
                prompter=self.moment.prompter,
                cancel=self.moment.cancel,
            )
            answer = waiting.answer(pastes=settings.pastes)
        code = code_of(answer, self.target.server)
        return self._redeemed(authority, code, secrets, redirect_uri)

    def _request(self, secrets: Secrets, redirect_uri: str, asked: Mapping[str, str]) -> dict[str, str | None]:
        return parameters(
            secrets,
            client_id=self.client_id,
            redirect_uri=redirect_uri,
            jkt=self.jkt,
            target=self.target,
            settings=self.settings,
            asked=asked,
        )

    def _show(self, url: str) -> None:
        opens = partial(open_page, url, self.settings)
        opened = opens()
        again = opens if self.settings.opens else None
        shown = show_page(self.moment.prompter, url, opened=opened, opens=again)
        if not opened and not shown:
            raise NoMethodAvailable(**said("no-browser"))

    def _redeemed(
        self, authority: Authority, code: str, secrets: Secrets, redirect_uri: str
    ) -> tuple[Granted, IdToken]:
        server = self.target.server
        form = {
            "code": code,
            "code_verifier": secrets.verifier,
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "resource": whose_api(self.target, self.settings).get("resource"),
        }
        token, there = redeem(authority, self.target.token_endpoint, form)
        now = self.clock()
        person = id_token_in(
            token.id_token,
            issuer=server.issuer,
            client_id=self.client_id,
            nonce=secrets.nonce,
            moments=moments(now, there),
        )
        told = token.model_copy(update={"acr": person.acr, "auth_time": person.auth_time})
        return granted_in(told, now, there), person
