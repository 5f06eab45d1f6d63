"""Errors of all three parts reach another process as they are."""

import pickle
from collections.abc import Iterator
from copy import copy
from inspect import isclass
from typing import Any

import pytest

import upstile.client
import upstile.protocol
import upstile.server._errors
from upstile.client import CeremonyFailed, NoMethodAvailable, StepUpError, StepUpRequired
from upstile.client._exchange import Incoming
from upstile.protocol import Requirement, UpstileError
from upstile.server._errors import AuthorizationError, Rejection
from upstile.server._http import HttpResponse

RESPONSE = Incoming(status=401, url="https://api.example.com/x", headers=(("www-authenticate", "Bearer"),), body=b"{}")
SPECIAL: dict[type[UpstileError], UpstileError] = {
    StepUpRequired: StepUpRequired(Requirement(acr="mfa", max_age=300), ["totp"], response=RESPONSE),
    NoMethodAvailable: NoMethodAvailable("nothing", enrollable=["totp"], response=RESPONSE),
    CeremonyFailed: CeremonyFailed(
        "no", error="slow_down", retry_after=3, response=RESPONSE, next_step="Wait.", hint="h"
    ),
    Rejection: Rejection("invalid_token", HttpResponse(status=401, body=b"{}")),
    AuthorizationError: AuthorizationError("slow_down", "wait", status=429, retry_after=3, members={"a": [1]}),
}


def _errors() -> Iterator[UpstileError]:
    for module in (upstile.client, upstile.protocol, upstile.server._errors):
        for name in dir(module):
            kind = getattr(module, name)
            if isclass(kind) and issubclass(kind, UpstileError):
                yield SPECIAL.get(kind) or kind("what went wrong")


def _sent(error: UpstileError) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


@pytest.mark.parametrize("error", list(_errors()), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("carried", [_sent, copy], ids=["pickle", "copy"])
def test_an_error_arrives_whole(error: UpstileError, carried: Any) -> None:
    arrived = carried(error)
    assert type(arrived) is type(error)
    assert (str(arrived), arrived.args, vars(arrived)) == (str(error), error.args, vars(error))
    if isinstance(error, StepUpError) and isinstance(arrived, StepUpError):
        assert arrived.diagnostics() == error.diagnostics()
        assert (arrived.hint, arrived.next_step) == (error.hint, error.next_step)
        assert arrived.__notes__ == error.__notes__
        assert arrived.__notes__[-1] == f"For developers: {error.hint}"
