"""Carries the core's flow over one request of the library: headers on, responses in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from upstile.client.adapters._body import Body
from upstile.client.adapters._response import incoming
from upstile.client.flow._call import Call, Flow, Send, Wait
from upstile.client.flow._flow import flow
from upstile.client.flow.tokens._logins import BaseToken, Caller
from upstile.protocol import INSUFFICIENT_USER_AUTHENTICATION, find_dialect, find_error, readable_challenges

if TYPE_CHECKING:
    from upstile.client.adapters._auth import StepUpFlow

STEP_UP = "upstile.step_up"
"""The request extension by which a call asks first."""
SIGNED = "upstile.signed"
"""The request extension that says for which request the headers were made; a redirect makes another one."""
ONCE = "upstile.once"
"""The request extension that says that the token serves this one call, by the name that the core has for it."""

_RETRY_COUNT = "x-stainless-retry-count"
"""The header in which the SDKs that Stainless generates (openai, anthropic) say how often they have retried a call."""
REFUSED = (401, 403)
"""What a challenge comes with."""
_ACTED_ON = frozenset({INSUFFICIENT_USER_AUTHENTICATION, "use_dpop_nonce", "invalid_dpop_proof", "invalid_token"})


def bearing(request: Any, caller: Caller) -> Any:
    """A request with the base token of its caller."""
    request.headers["Authorization"] = f"Bearer {cast(BaseToken, caller.base).access_token}"
    request.extensions[SIGNED] = id(request), caller.key
    return request


class Pump:
    """Carries the core's flow over one request of the library."""

    def __init__(
        self,
        auth: "StepUpFlow",
        request: Any,
        caller: Caller | None,
        *,
        blocks: bool = False,
        began: float | None = None,
    ) -> None:
        session = auth.session
        self._request = request
        self._url = str(request.url)
        self.body = Body(auth.http, request, None if caller is None else auth.spool_limit)
        call = Call(
            method=request.method,
            url=self._url,
            caller=caller,
            body=lambda: self.body.unreplayable,
            step_up=request.extensions.get(STEP_UP),
            within=None if caller is None else session.block_at(self._url),
            blocks=blocks,
            is_retry=request.headers.get(_RETRY_COUNT, "0") != "0",
            began=began,
        )
        self._session, self._key, self._name = session, caller and caller.key, call.name
        self._stepped_up, self._sent_token = False, began is not None
        self._flow: Flow = flow(session, call)
        self.action: Send | Wait | None = next(self._flow)

    def prepared(self, action: Send) -> Any:
        """The request, ready to be sent as the flow says."""
        headers, extensions = self._request.headers, self._request.extensions
        if extensions.pop(SIGNED, None) is not None:  # these are ours, not the app's
            for name in ("Authorization", "DPoP"):
                headers.pop(name, None)
        if action.repeat:
            self.body.rewind()
        for name, value in action.headers:
            headers[name] = value
        if action.headers:
            extensions[SIGNED] = id(self._request), self._key
        extensions[ONCE] = self._name if action.once else None
        self._sent_token = bool(action.headers)
        return self._request

    def acts_on(self, response: Any) -> bool:
        """Whether the call may go on after this response, so that its body must be out of the way."""
        status = response.status_code
        if status not in REFUSED or not self._session.pins.is_api(str(response.request.url)):
            return False
        challenges = response.headers.get_list("www-authenticate")
        found = readable_challenges(challenges)
        if status == 403 or find_dialect(status, found) is not None:
            return find_dialect(status, found) is not None
        if not challenges:  # lost on the way, or never there: the body tells
            return bool(response.headers.get("content-type", "").startswith("application/problem+json"))
        error = find_error(found)
        return error in _ACTED_ON or (error is None and (self._stepped_up or not self._sent_token))

    def received(self, response: Any, raw: bytes) -> None:
        """Hand a response on; the flow says what comes next."""
        # `raw`, because httpx would first guess the encoding of all headers.
        acted_on = response.status_code in REFUSED or b"dpop-nonce" in [
            name.lower() for name, _ in response.headers.raw
        ]
        if not acted_on and not self._stepped_up:  # nothing in it for the core, as in nearly all responses
            self.action = None
            return
        answered = response.request
        url = self._url if answered is self._request else str(answered.url)
        found = incoming(response, url, raw, answered.method)
        self._next(lambda: self._flow.send(found))

    def waited(self, action: Wait) -> None:
        """Hand a ceremony's outcome on."""
        self._stepped_up = True
        future = action.ticket.future
        error = future.exception()
        if error is not None:
            self._next(lambda: self._flow.throw(error))
        else:
            self._next(lambda: self._flow.send(future.result()))

    def close(self) -> None:
        """End the flow, wherever it is: a ticket that it holds is given back."""
        self._flow.close()

    def _next(self, step: Callable[[], Send | Wait]) -> None:
        try:
            self.action = step()
        except StopIteration:
            self.action = None
