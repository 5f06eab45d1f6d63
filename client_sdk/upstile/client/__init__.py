"""The client half of upstile: `client.request(...)`, and a challenge becomes a confirmed call."""

from importlib.util import find_spec

for _needed in ("httpx", "fido2"):
    if find_spec(_needed) is None:
        raise ImportError(f"upstile.client needs {_needed}: pip install 'upstile[client]'")

from upstile.client._errors import (  # noqa: E402
    CeremonyFailed,
    NoMethodAvailable,
    OutcomeUnknown,
    StepUpCancelled,
    StepUpError,
    StepUpRequired,
    StepUpTimeout,
    StepUpUnsatisfied,
    UnreplayableBody,
    UntrustedChallenge,
)
from upstile.client._events import Event  # noqa: E402
from upstile.client.adapters._auth import StepUpAuth  # noqa: E402
from upstile.client.adapters._client import AsyncClient, Client  # noqa: E402
from upstile.client.adapters._options import AsyncClientOptions, ClientOptions  # noqa: E402
from upstile.client.flow._tokens import BaseToken  # noqa: E402
from upstile.client.methods import Method, Totp, WebAuthn  # noqa: E402
from upstile.client.prompts import CallbackPrompter, Occasion, Prompter, TerminalPrompter  # noqa: E402
from upstile.protocol import Authenticator, Requirement, UpstileError  # noqa: E402

__all__ = [
    "AsyncClient",
    "AsyncClientOptions",
    "Authenticator",
    "BaseToken",
    "CallbackPrompter",
    "CeremonyFailed",
    "Client",
    "ClientOptions",
    "Event",
    "Method",
    "NoMethodAvailable",
    "Occasion",
    "OutcomeUnknown",
    "Prompter",
    "Requirement",
    "StepUpAuth",
    "StepUpCancelled",
    "StepUpError",
    "StepUpRequired",
    "StepUpTimeout",
    "StepUpUnsatisfied",
    "TerminalPrompter",
    "Totp",
    "UnreplayableBody",
    "UntrustedChallenge",
    "UpstileError",
    "WebAuthn",
]
