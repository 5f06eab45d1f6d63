"""The server half of upstile: declare what a call asks of the person, and run the ceremony that proves it.

The adapter for your framework has the entry point, e.g. `upstile.server.fastapi.StepUp`.
"""

from importlib.util import find_spec

for _needed in ("jwt", "webauthn", "sqlalchemy"):
    if find_spec(_needed) is None:
        raise ImportError(f"upstile.server needs {_needed}: pip install 'upstile[server]'")

from upstile.protocol import Requirement, TokenResponse, UpstileError  # noqa: E402
from upstile.server._errors import (  # noqa: E402
    AuthorizationError,
    ConfigurationError,
    IssuerUnavailable,
    Rejection,
    StorageUnavailable,
    UnknownUser,
)
from upstile.server.audit import JsonLines, Notify, SecurityEvent  # noqa: E402
from upstile.server.authorization._apps import App  # noqa: E402
from upstile.server.authorization.enrolment._help_desk import UserStatus  # noqa: E402
from upstile.server.resource._authentication import Authentication  # noqa: E402
from upstile.server.resource.tokens._access_token import AccessToken  # noqa: E402

__all__ = [
    "AccessToken",
    "App",
    "Authentication",
    "AuthorizationError",
    "ConfigurationError",
    "IssuerUnavailable",
    "JsonLines",
    "Notify",
    "Rejection",
    "Requirement",
    "SecurityEvent",
    "StorageUnavailable",
    "TokenResponse",
    "UnknownUser",
    "UpstileError",
    "UserStatus",
]
