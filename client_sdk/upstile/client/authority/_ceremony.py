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
from upstile.client.authority._authority import Authority, read_reply
from upstile.client.authority._discovery import Target
from upstile.client.authority._grant import check_granted, granted_in, redeem
from upstile.client.flow._logins import Granted
from upstile.client.methods import Looks, Method, MethodUnavailable, Moment, none_left, ready, why_not
from upstile.client.prompts import Occasion
from upstile.client.words import said, spoken
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

_MOST_STEPS = 12


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
        accepted = False
        try:
            code = self._prove(authority, self._start(authority, verifier))
            form = {"code": code, "code_verifier": verifier, "client_id": self.client_id}
            token, there = redeem(authority, self.target.endpoints[1], form)
            granted = granted_in(token, self.clock(), there)
            check_granted(granted, self.requirement)
            accepted = True
        finally:
            self._finished(accepted)
        return granted

    def _finished(self, accepted: bool) -> None:
        """Tell the person; whatever the prompter makes of it, the ceremony has ended as it has."""
        try:
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

    def _prove(self, authority: Authority, reply: Incoming) -> str:
        """Answer steps until there is a code."""
        chosen: Method | None = None
        unusable: dict[str, MethodUnavailable] = {}
        for _ in range(_MOST_STEPS):
            if reply.status == 200:
                return read_reply(CodeResponse, reply).authorization_code
            step = read_reply(Step, reply)
            end = self.monotonic() + step.expires_in
            if step.result == "rejected":
                self.moment.last_code.forget()
                self.moment.prompter.rejected(step.attempts_left)
            chosen, members = self._answer(step, chosen, unusable, end)
            form = {"client_id": self.client_id, "auth_session": step.auth_session, "authn_method": chosen.name}
            reply = authority.post(self.target.endpoints[0], {**form, **members}, repeatable=True)
        raise CeremonyFailed(**said("asks-without-end", most=_MOST_STEPS), response=reply)

    def _answer(
        self, step: Step, chosen: Method | None, unusable: dict[str, MethodUnavailable], end: float
    ) -> tuple[Method, dict[str, str]]:
        """Ask the person by the first method that works; falls back when one turns out not to."""
        offers = {offer.method: offer for offer in step.authn_methods}
        for offer in offers.values():
            self._check_offer(offer)
        while True:
            usable = self._usable(offers, unusable)
            if self.monotonic() >= end:
                raise CeremonyFailed(**said("too-late"))
            method = chosen if chosen in usable and step.result == "rejected" else self._choose(step, usable)
            try:
                return method, dict(method.answer(offers[method.name], self.moment))
            except MethodUnavailable as error:
                unusable[method.name] = error

    def _usable(self, offers: Mapping[str, Offer], unusable: dict[str, MethodUnavailable]) -> list[Method]:
        """The methods that can answer what is offered, as far as that can be told without the person.

        Raises:
            NoMethodAvailable: there is none.
            CeremonyFailed: one of the offers must not be answered, so none is.
        """
        usable: list[Method] = []
        for method in self.methods:
            if method.name not in offers or method.name in unusable:
                continue
            try:
                self._look(method, offers[method.name])
            except MethodUnavailable as error:
                unusable[method.name] = error
            else:
                usable.append(method)
        if usable:
            return usable
        if unusable:
            raise none_left(list(unusable.values()))
        able, offered = [method.name for method in self.methods], list(offers)
        raise NoMethodAvailable(
            **said(
                "nothing-in-common",
                offered=" or ".join(map(spoken, offered)) or "nothing",
                able=" or ".join(map(spoken, able)),
                offered_names=", ".join(offered) or "nothing",
                able_names=", ".join(able),
            )
        )

    def _look(self, method: Method, offer: Offer) -> None:
        reason = why_not(method, self.moment.prompter)
        if reason is not None:
            raise reason
        if isinstance(method, Looks):
            method.look(offer, self.moment)

    def _choose(self, step: Step, usable: Sequence[Method]) -> Method:
        occasion = Occasion(
            server=self.api,
            app=self.client_id,
            account=harmless(step.account),
            reason=harmless(self.reason),
            requirement=self.requirement,
        )
        names = [method.name for method in usable]
        name = self.moment.prompter.begin(occasion, names[0], names[1:], self.moment.cancel)
        return next((method for method in usable if method.name == name), usable[0])

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
