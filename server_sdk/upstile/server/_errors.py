"""What the server half raises.

UpstileError
├── ConfigurationError      the deployment is set up wrongly; raised at start-up wherever that is possible
├── StorageUnavailable      state cannot be read or written: the call is refused with 503
├── IssuerUnavailable       an external issuer cannot be asked: the call is refused with 503
├── UnknownUser             the help desk is asked about a user whom nobody knows
├── CredentialTaken         a new credential is enrolled already
├── Rejection               the resource server refuses a call; carries the whole response
└── AuthorizationError      the authorization server refuses a request; carries the OAuth error
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upstile.protocol import UpstileError
from upstile.server._http import HttpResponse


class ConfigurationError(UpstileError):
    """The deployment cannot work, or cannot be safe, as it is configured; the message says what to change."""

    code = "configuration"


class StorageUnavailable(UpstileError):
    """State that must be consumed exactly once is out of reach, so nothing that depends on it is accepted."""

    code = "storage_unavailable"


class IssuerUnavailable(UpstileError):
    """An external issuer does not answer, or not as its standards say, so that a token cannot be judged."""

    code = "issuer_unavailable"


class UnknownUser(UpstileError):
    """The help desk names a user whom neither this server nor the application knows; nothing was done."""

    code = "unknown_user"


class CredentialTaken(UpstileError):
    """A credential that is to be enrolled is enrolled already, by this user or another (WebAuthn Level 3 §7.1)."""

    code = "credential_taken"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """What the audit says of a refused call.

    Attributes:
        instance: the correlation id of its problem document.
        issuer, subject, client_id: whose token it came with.
        verified: whether that token was found good, so that only what was asked beyond it is missing.
        requirement: what was asked, in words.
        detail: the sentence for developers.
    """

    instance: str | None = None
    issuer: str | None = None
    subject: str | None = None
    client_id: str | None = None
    verified: bool = False
    requirement: str | None = None
    detail: str | None = None


class Rejection(UpstileError):
    """A call that the resource server refuses.

    Attributes:
        code: the error code of the challenge, or the name of the problem.
        response: what goes to the client: status, `WWW-Authenticate` lines, problem document.
        refused: what the audit says of it.
    """

    def __init__(self, code: str, response: HttpResponse, refused: Refused | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.response = response
        self.refused = refused or Refused()


class AuthorizationError(UpstileError):
    """A request that the authorization server refuses (RFC 6749 §5.2, upstile profile §3 "Other ends").

    Attributes:
        code: the OAuth error code.
        status: the HTTP status; 400 unless the profile says otherwise.
        retry_after: seconds, with 429.
        members: further members of the body.
    """

    def __init__(
        self,
        code: str,
        description: str,
        *,
        status: int = 400,
        retry_after: int | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status
        self.retry_after = retry_after
        self.members = members or {}
