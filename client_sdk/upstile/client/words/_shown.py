"""What a person reads while they are asked, whichever prompter shows it."""

SPOKEN = {
    "webauthn": "a security key",
    "totp": "an authenticator app",
    "otp": "a code that you are sent",
    "recovery_code": "a recovery code",
    "password": "your password",
    "browser": "your browser",
}
"""What a person calls an authentication method."""

_ADDED = {"otp": "an address for codes", "recovery_code": "recovery codes"}
SHOWN = {
    "by-mail": "a code by mail",
    "by-mail-to": "a code by mail to {hint}",
    "by-text": "a text message",
    "by-text-to": "a text message to {hint}",
    "by-other": "a code that you are sent",
    "by-other-to": "a code that is sent to {hint}",
    "app-code": "Code from your authenticator app",
    "first-app-code": "First code that your authenticator app shows",
    "mail-code": "Code from the mail",
    "text-code": "Code from the text message",
    "sent-code": "Code that you were sent",
    "recovery-code": "One of your recovery codes",
    "password": "Your password",
    "not-six-digits": "Not six digits",
    "not-eight-digits": "Not six or eight digits",
    "no-recovery-code": "Not one of them: each has 16 letters and digits",
    "used-already": "That code was used already",
    "used": "That code was used: wait {seconds} s for the next.",
    "next": "The next code is there.",
    "wrong": "That was not right. Attempts left: {left}.",
    "wrong-app-code": "That was not right. A code works once: the next one may do. Attempts left: {left}.",
    "sent": "Sent: {what}.",
    "not-sent": "Could not be sent: {what}.",
    "again": "send again",
    "again-in": "send again in {seconds} s",
    "not-yet": "Not yet: it can be sent again in {seconds} s.",
    "another-way": "another way",
    "codes-left": "Recovery codes left: {left}.",
    "few-codes-left": "Recovery codes left: {left}. Make new ones soon.",
    "your-codes": "Your recovery codes. Each is good once, when nothing else is at hand.",
    "save-codes": "Save them now: they are not shown again.",
    "type-saved": 'Type "saved" once you have saved them',
    "have-saved": "I have saved them",
    "page-opened": "This page was opened in your browser:",
    "page-to-open": "Open this page in your browser:",
    "page-waits": "Go on there. This window waits for you.",
    "open-page": "Open",
    "open-again": "Open again",
    "opened": "Opened.",
    "not-opened": "No browser could be started here. Copy the address.",
    "paste-address": "If it runs elsewhere, paste the address it ends at",
    "not-that-address": "That is not the address that your browser ends at. It begins with http://127.0.0.1",
    "copy": "Copy",
    "copy-address": "Copy the address",
    "copied": "Copied.",
    "save-file": "Save to a file …",
    "file-saved": "Saved: {file}",
    "file-not-saved": "It could not be saved there: {why}",
}

_FEW = 3


def spoken(method: str) -> str:
    """What a person calls an authentication method."""
    return SPOKEN.get(method, method)


def added(method: str) -> str:
    """What a person adds, where that is called otherwise."""
    return _ADDED.get(method) or spoken(method)


def shown(name: str, /, **values: object) -> str:
    """A text of the table.

    Args:
        name: of the row.
        values: what stands for the names in braces.
    """
    return SHOWN[name].format_map(values)


def wrong(method: str | None, left: int) -> str:
    """That an answer was not right; what helps depends on the method (`None`: that of the moment is not known)."""
    return shown("wrong-app-code" if method in (None, "totp") else "wrong", left=left)


def codes_left(left: int) -> str:
    """How many recovery codes are left."""
    return shown("few-codes-left" if left <= _FEW else "codes-left", left=left)
