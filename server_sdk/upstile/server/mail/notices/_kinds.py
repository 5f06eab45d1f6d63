"""Which mail tells of which event."""

from upstile.server.audit import EventKind

MAILS: dict[EventKind, str] = {
    "ceremony-started": "attempt",
    "ceremony-succeeded": "success",
    "answer-locked": "lock",
    "device-known": "new_device",
    "recovery-code-used": "recovery_code_used",
    "recovery-codes-low": "recovery_codes_low",
    "authenticator-added": "change",
    "authenticator-removed": "change",
    "authenticator-closed": "change",
    "authenticator-opened": "change",
    "authenticator-disabled": "change",
    "recovery-codes-regenerated": "change",
    "sign-count-went-back": "change",
    "enrolment-code-issued": "change",
    "restore-asked": "restore_asked",
    "restore-cancelled": "change",
    "restore-code-sent": "change",
    "account-restored": "change",
    "cooling-off-begun": "cooling_off",
    "sessions-ended": "change",
    "user-unlocked": "change",
}
"""The name of the template, by kind. A kind that is not here is nobody told of."""
