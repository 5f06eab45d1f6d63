"""One ceremony, from start to token: it blocks, asks the person through the prompter, and runs in a thread of its own.

start → step → (bound challenge checked) → answer → … → code → token → (acr and age checked)
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any

from upstile.client._errors import CeremonyFailed, NoMethodAvailable, StepUpError
from upstile.client._exchange import Incoming
from upstile.client._text import harmless
from upstile.client.authority._answers import Answers
from upstile.client.authority._authority import Authority, read_reply
from upstile.client.authority._discovery import Target
from upstile.client.authority._grant import check_granted, granted_in, redeem
from upstile.client.flow.tokens._logins import Granted
from upstile.client.methods import Method, MethodUnavailable, Moment, none_left, ready, why_not
from upstile.client.prompts import Occasion, codes_left
from upstile.client.words import said
from upstile.protocol import (
    ACCESS_TOKEN_TYPE,
    CodeResponse,
    Offer,
    Requirement,
    Step,
    base64url_encode,
    bound_challenge,
    code_challenge,
)

_log = logging.getLogger("upstile.client")

_MOST_STEPS = 24


@dataclass(frozen=True, kw_only=True)
class Ceremony:
    """What one ceremony is for and with.

    Attributes:
        requirement: what the API asks.
        reason: the API's words.
        instance: the correlation id of the challenge.
        target: where the authorization server is, and the resource's identifier.
        api: the API's origin, for prompts.
        client_id: the app.
        jkt: the thumbprint of the ceremony's key; `None` where the server does without DPoP.
        subject_token: names the user.
        methods: what can be done here, in order of preference.
        moment: how to ask.
        clock: the time in epoch seconds.
        monotonic: a clock in seconds that is never set.
    """

    requirement: Requirement
    reason: str | None
    instance: str | None = None
    target: Target
    api: str
    client_id: str
    jkt: str | None
    subject_token: str = field(repr=False)
    methods: Sequence[Method]
    moment: Moment
    clock: Callable[[], float]
    monotonic: Callable[[], float]

    def run(self, authority: Authority) -> Granted:
        """Carry it out.

        Raises:
            StepUpError: it did not end in a token that does what was asked.
        """
        verifier = token_urlsafe(48)
        accepted, left = False, None
        try:
            proved = self._prove(authority, self._start(authority, verifier))
            left = proved.recovery_codes_left
            form = {"code": proved.authorization_code, "code_verifier": verifier, "client_id": self.client_id}
            token, there = redeem(authority, self.target.endpoints[1], form)
            granted = granted_in(token, self.clock(), there)
            check_granted(granted, self.requirement)
            accepted = True
        finally:
            self._finished(accepted, left)
        return granted

    def _finished(self, accepted: bool, left: int | None) -> None:
        """Tell the person; whatever the prompter makes of it, the ceremony has ended as it has."""
        try:
            if left is not None:
                codes_left(self.moment.prompter, left)
            self.moment.prompter.finished(accepted)
        except Exception:
            _log.debug("the prompter could not say how it ended", exc_info=True)

    def _start(self, authority: Authority, verifier: str) -> Incoming:
        prompter = self.moment.prompter
        able = [method.name for method in ready(self.methods, prompter)]
        left_out = {method.name: reason for method in self.methods if (reason := why_not(method, prompter)) is not None}
        if not able:
            raise none_left(list(left_out.values()))
        try:
            return authority.start(self.target.endpoints[0], self._form(verifier, able))
        except NoMethodAvailable as error:
            raise self._missed(authority, verifier, left_out) or error from error.__cause__

    def _missed(
        self, authority: Authority, verifier: str, left_out: Mapping[str, MethodUnavailable]
    ) -> NoMethodAvailable | None:
        """Whether what is enrolled would do, and only cannot be used here and now: then that is the reason.

        Nobody is asked: the server is, once more, what it would take.
        """
        if not left_out:
            return None
        try:
            reply = authority.start(self.target.endpoints[0], self._form(verifier, list(left_out)))
            offers = [offer.method for offer in read_reply(Step, reply).authn_methods]
        except StepUpError:
            return None
        reasons = [left_out[name] for name in offers if name in left_out]
        return none_left(reasons) if reasons else None

    def _form(self, verifier: str, able: Sequence[str]) -> dict[str, str | int | None]:
        asked = self.requirement
        return {
            "response_type": "code",
            "client_id": self.client_id,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
            "acr_values": " ".join(asked.acr) or None,
            "max_age": asked.max_age,
            "scope": " ".join(asked.scope) or None,
            "resource": self.target.resource,
            "subject_token": self.subject_token,
            "subject_token_type": ACCESS_TOKEN_TYPE,
            "authn_methods_supported": " ".join(able),
            "instance": self.instance,
        }

    def _prove(self, authority: Authority, reply: Incoming) -> CodeResponse:
        """Answer steps until there is a code."""
        answers = Answers(self.methods, self.moment, self.monotonic)
        for _ in range(_MOST_STEPS):
            if reply.status == 200:
                return read_reply(CodeResponse, reply)
            step = read_reply(Step, reply)
            for offer in step.authn_methods:
                self._check_offer(offer)
            answers.hear(step)
            reply = self._answered(authority, step, answers)
        raise CeremonyFailed(**said("asks-without-end", most=_MOST_STEPS), response=reply)

    def _answered(self, authority: Authority, step: Step, answers: Answers) -> Incoming:
        while True:
            members = answers.to(step, self._occasion(step))
            form = {"client_id": self.client_id, "auth_session": step.auth_session, **members}
            try:
                return authority.post(self.target.endpoints[0], form, repeatable=True)
            except CeremonyFailed as refusal:
                if not answers.goes_on_after(refusal):
                    raise

    def _occasion(self, step: Step) -> Occasion:
        return Occasion(
            server=self.api,
            app=self.client_id,
            account=harmless(step.account),
            reason=harmless(self.reason),
            requirement=self.requirement,
        )

    def _check_offer(self, offer: Offer) -> None:
        """Recompute a bound challenge from our own configuration: one that was made for others is never signed."""
        if offer.method != "webauthn":
            return
        expected = bound_challenge(
            nonce=offer.nonce or "",
            iss=self.target.server.issuer,
            client_id=self.client_id,
            jkt=self.jkt,
            resource=self.target.resource,
        )
        options: dict[str, Any] = offer.options or {}
        if offer.nonce is None or options.get("challenge") != base64url_encode(expected):
            raise CeremonyFailed(**said("not-made-for-us"))
