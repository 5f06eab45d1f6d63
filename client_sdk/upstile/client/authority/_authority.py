"""The authorization server's side of the line: forms with proofs out, JSON in, refusals as errors."""

import re
from collections.abc import Callable, Mapping
from threading import Event
from typing import TypeVar

from upstile.client._errors import CeremonyFailed, NoMethodAvailable, StepUpCancelled, clock_hint
from upstile.client._exchange import ConnectionLost, Incoming, Outgoing, Transport, reason
from upstile.client.flow.tokens._proof_key import ProofKey
from upstile.client.flow.tokens._proof_time import ProofTime
from upstile.client.words import Said, said, spoken
from upstile.protocol import FORM_TYPE, ErrorResponse, MalformedMessage, Message, serialize_form

M = TypeVar("M", bound=Message)

_delay_seconds = re.compile(r"[0-9]{1,9}")  # RFC 9110 §10.2.3
REPEATED_FOR = 15.0
"""Seconds from its first copy in which an answer goes out again: after ten without a reply it is judged anew."""
LONGEST_WAIT = 5
"""Seconds that a start waits where the server asks for it, once."""
_PAUSE = 1.0
_LONGEST_PAUSE = 2
_NO_VERDICT = (502, 503, 504)
"""Who says this did not judge: a gateway whose node is gone, a node whose storage is away."""
_STEP = "insufficient_authorization"
_REFUSED = "invalid_dpop_proof"
_WORDS = {
    "invalid_grant": "refused-sign-in",
    "invalid_client": "refused-app",
    "invalid_session": "refused-too-late",
}


class Authority:
    """Talks to one authorization server.

    Args:
        transport: sends and reads.
        key: signs the proofs.
        clock: the time in epoch seconds; a wrong one is named when proofs are refused.
        monotonic: a clock in seconds that is never set; tells for how long an answer is repeated.
        cancel: is set when nobody waits for the ceremony any more.
        time: the time of the proofs; that of the clock, until the server says another, by default.
        proves: whether requests carry proofs; not to a server that would bind tokens to the key that the API does not
            take bound.
    """

    def __init__(
        self,
        transport: Transport,
        key: ProofKey,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        cancel: Event,
        time: ProofTime | None = None,
        *,
        proves: bool = True,
    ) -> None:
        self._transport = transport
        self._key = key
        self._clock = clock
        self._monotonic = monotonic
        self._cancel = cancel
        self._time = time or ProofTime(clock, monotonic)
        self._proves = proves

    def start(self, url: str, form: Mapping[str, str | int | None]) -> Incoming:
        """Send the form that begins a ceremony; where the server has too much to do for a moment, once more after it.

        Nobody was asked yet, and what was refused was not counted. Raises as `post`.
        """
        body = serialize_form(form)
        response = self._exchanged(url, body)
        wait = _retry_after(response) if response.status == 503 else None
        if wait is not None and wait <= LONGEST_WAIT:
            if self._cancel.wait(wait):
                raise StepUpCancelled(**said("cancelled"))
            response = self._exchanged(url, body)
        return self._judged(response)

    def post(self, url: str, form: Mapping[str, str | int | None], *, repeatable: bool) -> Incoming:
        """Send a form; returns a success or a step.

        Args:
            url: the endpoint.
            form: what to send; `None` is left out.
            repeatable: whether the identical form goes out again after its reply was lost, or while the server still
                judges the first copy: for `REPEATED_FOR` seconds. An answer may, a token request never.

        Raises:
            CeremonyFailed, NoMethodAvailable: the server refused.
            StepUpCancelled: nobody waits any more.
        """
        body = serialize_form(form)
        return self._judged(self._until_judged(url, body) if repeatable else self._exchanged(url, body))

    def _exchanged(self, url: str, body: bytes) -> Incoming:
        try:
            return self._exchange(url, body)
        except ConnectionLost as lost:
            raise CeremonyFailed(**said("connection-broke", url=url, why=reason(lost))) from lost

    def _judged(self, response: Incoming) -> Incoming:
        if response.status in (200, 201) or (response.status == 403 and _error(response) == _STEP):
            return response
        raise self._refusal(response)

    def _until_judged(self, url: str, body: bytes) -> Incoming:
        """Send an answer until there is a verdict: a lost reply must not cost a try or a code."""
        end = self._monotonic() + REPEATED_FOR
        least = 0.0  # a kept connection that the server had closed is lost at once, and a new one serves
        while True:
            pause = least
            try:
                response = self._exchange(url, body)
            except ConnectionLost as lost:
                if self._monotonic() + pause >= end:
                    raise CeremonyFailed(**said("unreachable", url=url, why=reason(lost))) from lost
            else:
                wait = _pause(response)
                if wait is None or self._monotonic() + max(wait, least) >= end:
                    return response
                pause = max(wait, least)
            if self._cancel.wait(pause):
                raise StepUpCancelled(**said("cancelled"))
            least = _PAUSE

    def _exchange(self, url: str, body: bytes) -> Incoming:
        nonce, by = self._key.nonce(url), self._time.ahead(url)
        response = self._send(url, body, by)
        # A proof that is not taken judged nothing, so it is no repetition (RFC 9449 §8); a nonce is obeyed once.
        if _error(response) == "use_dpop_nonce" and self._key.nonce(url) != nonce:
            response = self._send(url, body, by)
        others = self._time.after_refusal(response, by) if _error(response) == _REFUSED else []
        for ahead in (other for other in others if other != by):
            response = self._send(url, body, ahead)
            if _error(response) != _REFUSED:
                self._time.proved(url, ahead)
                break
        return response

    def _send(self, url: str, body: bytes, ahead: float) -> Incoming:
        if self._cancel.is_set():
            raise StepUpCancelled(**said("cancelled"))
        headers: tuple[tuple[str, str], ...] = (("content-type", FORM_TYPE), ("accept", "application/json"))
        if self._proves:
            headers = (*headers, ("DPoP", self._key.proof("POST", url, now=self._time.at(ahead))))
        response = self._transport.send(Outgoing(method="POST", url=url, headers=headers, body=body))
        self._key.learn(response)
        if _error(response) != _REFUSED:
            self._time.hear(response)
        return response

    def _refusal(self, response: Incoming) -> Exception:
        try:
            refusal = ErrorResponse.from_json(response.body)
        except MalformedMessage:
            words = said("answered", url=response.url, status=response.status)
            return CeremonyFailed(**words, response=response)
        if refusal.error == "unmet_authentication_requirements":
            return _unmet(refusal, response)
        wait = _retry_after(response)
        words = _words_of(refusal, wait)
        if refusal.error == "invalid_dpop_proof":
            words["next_step"] = clock_hint(response.header("date"), self._clock()) or words["next_step"]
        return CeremonyFailed(**words, error=refusal.error, retry_after=wait, response=response)


def _words_of(refusal: ErrorResponse, wait: int | None) -> Said:
    """What a refusal says: the server's own words, but for how long to wait."""
    why, seconds = for_developers(refusal), None if wait is None else f"{wait} second{'' if wait == 1 else 's'}"
    if seconds is not None and refusal.error == "temporarily_locked":
        return said("too-many-wrong", wait=seconds, why=why)
    words = said(_WORDS.get(refusal.error, "refused"), why=why)
    if seconds is not None:
        words = said("refused-for-now", wait=seconds, why=why)
    words["message"] = refusal.title or words["message"]
    if seconds is None and refusal.detail is not None:
        words["next_step"] = refusal.detail
    return words


def _unmet(refusal: ErrorResponse, response: Incoming) -> NoMethodAvailable:
    """Nothing that is enrolled is enough, and what could be enrolled; where that would not help, the server says so."""
    why, could = for_developers(refusal), refusal.enrollable_methods or ()
    if could:
        words = said("nothing-enrolled", what=" or ".join(map(spoken, could)), names=", ".join(could), why=why)
        return NoMethodAvailable(**words, enrollable=could, response=response)
    words = said("nothing-is-enough", why=why)
    words["next_step"] = refusal.detail or words["next_step"]
    return NoMethodAvailable(**words, response=response)


def for_developers(refusal: ErrorResponse) -> str:
    """What a refusal says to developers: its code, what was wrong, what to change."""
    return ": ".join(part for part in (refusal.error, refusal.error_description, refusal.hint) if part)


def _pause(response: Incoming) -> int | None:
    """Seconds after which the identical answer may get its verdict; `None` if this is it, or the wait is too long."""
    wait = _retry_after(response)
    if response.status in _NO_VERDICT and wait is None:
        wait = 1
    elif response.status not in _NO_VERDICT and _error(response) != "slow_down":
        return None
    return wait if wait is not None and wait <= _LONGEST_PAUSE else None


def _error(response: Incoming) -> str | None:
    try:
        return ErrorResponse.from_json(response.body).error
    except MalformedMessage:
        return None


def _retry_after(response: Incoming) -> int | None:
    value = response.header("retry-after")
    return int(value) if value is not None and _delay_seconds.fullmatch(value) else None


def read_reply(model: type[M], reply: Incoming) -> M:
    """The message in a reply.

    Raises:
        CeremonyFailed: there is none.
    """
    try:
        return model.from_json(reply.body)
    except MalformedMessage as error:
        raise CeremonyFailed(**said("unreadable", url=reply.url, why=error), response=reply) from error
