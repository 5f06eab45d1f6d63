"""The client half of upstile: `client.request(...)`, and a challenge becomes a confirmed call."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if find_spec("fido2") is None or (find_spec("httpx") or find_spec("httpx2")) is None:
    raise ImportError("upstile.client needs httpx and fido2: pip install 'upstile[client]'")

from upstile.client._errors import (
    CeremonyFailed,
    ConfigurationError,
    NoMethodAvailable,
    NotSignedIn,
    OutcomeUnknown,
    SignInExpired,
    StepUpCancelled,
    StepUpError,
    StepUpRequired,
    StepUpTimeout,
    StepUpUnsatisfied,
    StoreError,
    UnreplayableBody,
    UntrustedChallenge,
)
from upstile.client._events import Event
from upstile.client._text import harmless
from upstile.client.adapters._options import ClientOptions
from upstile.client.authority.browser._settings import Browser
from upstile.client.flow._confirmations import Confirmation
from upstile.client.flow.tokens._logins import BaseToken, SignedIn
from upstile.client.methods import Method, Otp, Password, RecoveryCode, Totp, WebAuthn
from upstile.client.prompts import (
    AnotherWay,
    CallbackPrompter,
    Occasion,
    Prompter,
    SendAgain,
    TerminalPrompter,
    Way,
)
from upstile.client.stores import EntryName, FileStore, KeyringStore, MemoryStore, Store
from upstile.protocol import Requirement, UpstileError

if TYPE_CHECKING:
    from upstile.client._httpx import AsyncClient, Client, StepUpAuth
    from upstile.protocol import Authenticator

__all__ = [
    "AnotherWay",
    "AsyncClient",
    "Authenticator",
    "BaseToken",
    "Browser",
    "CallbackPrompter",
    "CeremonyFailed",
    "Client",
    "ClientOptions",
    "ConfigurationError",
    "Confirmation",
    "EntryName",
    "Event",
    "FileStore",
    "KeyringStore",
    "MemoryStore",
    "Method",
    "NoMethodAvailable",
    "NotSignedIn",
    "Occasion",
    "Otp",
    "OutcomeUnknown",
    "Password",
    "Prompter",
    "RecoveryCode",
    "Requirement",
    "SendAgain",
    "SignInExpired",
    "SignedIn",
    "StepUpAuth",
    "StepUpCancelled",
    "StepUpError",
    "StepUpRequired",
    "StepUpTimeout",
    "StepUpUnsatisfied",
    "Store",
    "StoreError",
    "TerminalPrompter",
    "Totp",
    "UnreplayableBody",
    "UntrustedChallenge",
    "UpstileError",
    "Way",
    "WebAuthn",
    "harmless",
]

_ON_HTTPX = ("AsyncClient", "Client", "StepUpAuth")


def __getattr__(name: str) -> Any:
    """Bring in httpx when one of its clients is asked for: who uses httpx2 never loads it. Models alike."""
    if name == "Authenticator":
        return import_module("upstile.protocol").Authenticator
    if name not in _ON_HTTPX:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if find_spec("httpx") is None:
        raise ImportError(f"{name} needs httpx: pip install 'upstile[client]', or take upstile.client.httpx2.{name}")
    found = getattr(import_module("upstile.client._httpx"), name)
    globals()[name] = found
    return found
