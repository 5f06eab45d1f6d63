"""How the resource server says no: the challenges and problem documents of the upstile profile §1.

What is said in words stands in `_words.py`. Each refusal carries what the audit says of it, under the correlation id of
its problem document (`instance`); who answers with it has it told.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from math import ceil
from uuid import uuid4

from upstile.protocol import (
    DPOP_ALGORITHMS,
    PROBLEM_MEDIA_TYPE,
    Problem,
    Requirement,
    problem_type,
    serialize_challenge,
    step_up_params,
)
from upstile.server._errors import Refused, Rejection, StorageUnavailable
from upstile.server._http import RETRY_AFTER, HttpResponse
from upstile.server._words import Case, words_for
from upstile.server.audit import in_words
from upstile.server.resource.tokens._access_token import AccessToken

_log = logging.getLogger("upstile.server")
_SCHEMES = {"bearer": "Bearer", "dpop": "DPoP"}
_THE_AUTHORS = frozenset(
    {
        "insufficient_scope",
        "insufficient_user_authentication",
        "insufficient_authorization",
        "token-used",
        "acr-not-offered",
    }
)
"""Where `detail` is the API author's reason or absent; the title says all of ours then (upstile profile §1)."""


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Writes the refusals of one protected resource.

    Args:
        realm: the protection space, as shown to developers.
        resource_metadata: the URL of the resource's metadata (RFC 9728 §5.1), in every challenge.
        dpop: whether DPoP is offered.
    """

    realm: str
    resource_metadata: str
    dpop: bool = True

    def missing_token(self) -> Rejection:
        """Row 1: no token, or one of another scheme; nothing is said about what the route asks."""
        schemes = ["bearer", "dpop"] if self.dpop else ["bearer"]
        lines = [self._challenge(scheme, {"realm": self.realm}) for scheme in schemes]
        return _rejection("missing-token", 401, lines)

    def invalid_token(self, scheme: str, description: str, token: AccessToken | None = None) -> Rejection:
        """Row 2: the token cannot be accepted (RFC 6750 §3.1)."""
        return self._refuse(scheme, "invalid_token", description, token)

    def invalid_proof(self, description: str, *, detail: str | None = None) -> Rejection:
        """Row 2: the DPoP proof cannot be accepted (RFC 9449 §7.1); `detail` says what to change in the app."""
        return self._refuse("dpop", "invalid_dpop_proof", description, detail=detail)

    def insufficient_scope(self, scheme: str, requirement: Requirement, token: AccessToken) -> Rejection:
        """Row 3: only scope is missing (RFC 6750 §3.1)."""
        params = {"error": "insufficient_scope", "scope": " ".join(requirement.scope)}
        lines = [self._challenge(scheme, params)]
        return _rejection("insufficient_scope", 403, lines, detail=requirement.reason, token=token, asked=requirement)

    def step_up(
        self,
        scheme: str,
        requirement: Requirement,
        token: AccessToken,
        *,
        scope_missing: bool = False,
        used: bool = False,
    ) -> Rejection:
        """Row 4: a stronger or fresher authentication is needed (RFC 9470 §3); `used` is the token that served."""
        params = step_up_params(requirement, scope_missing=scope_missing)
        name = "token-used" if used else str(params["error"])
        lines = [self._challenge(scheme, params)]
        return _rejection(name, 401, lines, requirement, token=token)

    def acr_not_offered(self, requirement: Requirement, token: AccessToken) -> Rejection:
        """The end of the road: no authentication that the issuer offers would satisfy the requirement."""
        return _rejection("acr-not-offered", 403, [], requirement, token=token)

    def recently_reset(self, requirement: Requirement, token: AccessToken, now: float) -> Rejection:
        """The user's authenticators were reset: closed for a while, and no authentication would help."""
        until = token.settled_at or now
        detail = f"It opens on {_moment(until)}. {words_for('recently-reset').next_step}"
        later = (("retry-after", str(max(1, ceil(until - now)))),)
        return _rejection("recently-reset", 403, [], detail=detail, token=token, headers=later, asked=requirement)

    def invalid_request(self, what: str) -> Rejection:
        """The request contradicts itself, e.g. with two `Authorization` lines."""
        return _rejection("invalid-request", 400, [], what=what)

    def unavailable(self, cause: StorageUnavailable | None = None) -> Rejection:
        """What has to be asked is out of reach. The log says why, where whoever noticed has not; callers need not know.

        Args:
            cause: what has not been logged yet.
        """
        if cause is not None:
            _log.error("storage unavailable", exc_info=cause)
        later = (("retry-after", str(RETRY_AFTER)),)
        return _rejection("temporarily-unavailable", 503, [], headers=later)

    def _refuse(
        self, scheme: str, error: str, description: str, token: AccessToken | None = None, *, detail: str | None = None
    ) -> Rejection:
        line = self._challenge(scheme, {"error": error, "error_description": description})
        return _rejection(error, 401, [line], what=description, detail=detail, token=token, verified=False)

    def _challenge(self, scheme: str, params: Mapping[str, str | int]) -> str:
        members = {**params, "resource_metadata": self.resource_metadata}
        if scheme == "dpop":
            members["algs"] = " ".join(DPOP_ALGORITHMS)
        return serialize_challenge(_SCHEMES[scheme], members)


def problem_response(problem: Problem, *headers: tuple[str, str]) -> HttpResponse:
    """An `application/problem+json` response (RFC 9457 §3)."""
    fixed = (("content-type", PROBLEM_MEDIA_TYPE), ("cache-control", "no-store"))
    return HttpResponse(status=problem.status, headers=(*headers, *fixed), body=problem.to_json())


def problem(
    name: str, status: int, what: str | None = None, *, case: Case | None = None, retry_after: int | None = None
) -> Rejection:
    """A refusal without a challenge, e.g. 404 `not-found`; `what` was wrong this time is for developers."""
    headers = () if retry_after is None else (("retry-after", str(retry_after)),)
    return _rejection(name, status, [], what=what, case=case, headers=headers)


def slow_down(seconds: int) -> Rejection:
    """Too often, or too soon: again in so many seconds (upstile profile §7)."""
    return problem("slow-down", 429, retry_after=seconds)


def _rejection(
    code: str,
    status: int,
    challenges: list[str],
    requirement: Requirement | None = None,
    *,
    what: str | None = None,
    detail: str | None = None,
    case: Case | None = None,
    token: AccessToken | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    asked: Requirement | None = None,
    verified: bool = True,
) -> Rejection:
    """A refusal.

    Args:
        code, status, challenges, headers: what is answered.
        requirement: what the problem document says is asked.
        what: the sentence for developers.
        detail: what it says to the person, where that is neither the author's reason nor the table's.
        case: what more is known, so that the person is told more.
        token: whose call it is.
        asked: what the audit says was asked, where the problem document does not.
        verified: whether the token was found good.
    """
    shown, instance = requirement or Requirement(), uuid4().urn
    words, authors = words_for(code), code in _THE_AUTHORS
    document = Problem(
        type=problem_type(code.replace("_", "-")),
        title=words.sentences if authors else (case or words).title,
        status=status,
        detail=detail or (shown.reason if authors else (case or words).next_step),
        hint=words.hint_about(what),
        instance=instance,
        acr_values=shown.acr or None,
        max_age=shown.max_age,
    )
    refused = Refused(
        instance=instance,
        issuer=token.issuer if token else None,
        subject=token.subject if token else None,
        client_id=token.client_id if token else None,
        verified=verified and token is not None,
        requirement=_in_words(requirement or asked),
        detail=what or words.title,
    )
    lines = (("www-authenticate", line) for line in challenges)
    return Rejection(code, problem_response(document, *lines, *headers), refused)


def _moment(at: float) -> str:
    """A moment for a person, rounded up to the minute: `2 Dec 2026, 14:05 UTC`. The server knows no other time zone."""
    _, day, month, year, time, _ = formatdate(ceil(at / 60) * 60, usegmt=True).split()
    return f"{int(day)} {month} {year}, {time[:5]} UTC"


def _in_words(requirement: Requirement | None) -> str | None:
    return None if requirement is None else in_words(requirement.acr, requirement.max_age, requirement.scope)
