"""What a challenge means: the step-up challenge of RFC 9470 §3, read from and written to the header grammar."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from upstile.protocol.challenge._header import AuthChallenge
from upstile.protocol.challenge._requirement import Requirement

INSUFFICIENT_USER_AUTHENTICATION = "insufficient_user_authentication"
"""The error of the challenge that asks for more (RFC 9470 §3)."""

SCHEMES = frozenset({"bearer", "dpop"})
_delta_seconds = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StepUpChallenge:
    """A resource server's demand for a stronger or fresher authentication.

    Attributes:
        scheme: `bearer` or `dpop`, the scheme that the challenged request used.
        requirement: what is asked; `scope` names all scopes of the route where one is missing.
        resource_metadata: the URL of the protected resource metadata (RFC 9728 §5.1).
    """

    scheme: str
    requirement: Requirement
    resource_metadata: str | None = None


def step_up_params(requirement: Requirement, *, scope_missing: bool = False) -> dict[str, str | int]:
    """The parameters of the challenge that asks for `requirement` (RFC 9470 §3)."""
    params: dict[str, str | int] = {"error": INSUFFICIENT_USER_AUTHENTICATION}
    if requirement.acr:
        params["acr_values"] = " ".join(requirement.acr)
    if requirement.max_age is not None:
        params["max_age"] = requirement.max_age
    if scope_missing and requirement.scope:
        params["scope"] = " ".join(requirement.scope)
    return params


def find_step_up(challenges: Iterable[AuthChallenge]) -> StepUpChallenge | None:
    """The first step-up challenge among `challenges`; `None` where there is none, or only a faulty one."""
    for challenge in challenges:
        if (found := _read(challenge)) is not None:
            return found
    return None


def find_error(challenges: Iterable[AuthChallenge]) -> str | None:
    """The first `error` of a Bearer or DPoP challenge (RFC 6750 §3, RFC 9449 §7.1)."""
    errors = (c.params.get("error") for c in challenges if c.scheme in SCHEMES)
    return next((error for error in errors if error is not None), None)


def _read(challenge: AuthChallenge) -> StepUpChallenge | None:
    params = challenge.params
    if challenge.scheme not in SCHEMES or params.get("error") != INSUFFICIENT_USER_AUTHENTICATION:
        return None
    requirement = requirement_in(challenge, scope=params.get("scope", ""))
    if requirement is None:
        return None
    return StepUpChallenge(
        scheme=challenge.scheme,
        requirement=requirement,
        resource_metadata=params.get("resource_metadata"),
    )


def requirement_in(challenge: AuthChallenge, *, scope: str) -> Requirement | None:
    """What `acr_values` and `max_age` ask (RFC 9470 §3); `None` where they are faulty."""
    params = challenge.params
    max_age = params.get("max_age")
    if max_age is not None and not _delta_seconds.fullmatch(max_age):
        return None
    try:
        return Requirement(
            acr=params.get("acr_values", "").split(), max_age=None if max_age is None else int(max_age), scope=scope
        )
    except ValueError:
        return None
