"""What is said of the person's side: security keys, codes, terminals.

A row of `MethodUnavailable` becomes what `NoMethodAvailable` says where no other method is left.
"""

from upstile.client.words._words import Words

_AGAIN = "Nothing was done. Start again when you want to."

METHODS = {
    "no-key": Words(
        "MethodUnavailable",
        "No security key is connected",
        "Plug in your security key and try again.",
        "python-fido2 lists no device",
    ),
    "key-unreadable": Words(
        "MethodUnavailable",
        "Your security key cannot be read",
        "Install the package libu2f-udev, plug the key in again and try again.",
        "this user may not read {path}: it needs a udev rule",
    ),
    "key-not-enrolled": Words(
        "MethodUnavailable",
        "None of the connected security keys is set up for this",
        "Plug in the one that is, and try again.",
        "no connected key holds one of allowCredentials",
    ),
    "key-enrolled-already": Words(
        "MethodUnavailable",
        "This security key is set up already",
        "Take it out, plug in the new one and try again.",
        "the key holds one of excludeCredentials",
    ),
    "one-pin-try": Words(
        "MethodUnavailable",
        "Your security key has one try for its PIN left",
        "Unlock it with its maker's tool first.",
        "the last try is its owner's to risk, so the PIN was not asked for",
    ),
    "key-gone": Words(
        "MethodUnavailable",
        "Your security key was taken out, or cannot be reached",
        "Plug it in and try again.",
        "the key stopped answering: {why}",
    ),
    "pin-blocked": Words(
        "MethodUnavailable",
        "The PIN of your security key is blocked",
        "Take it out and plug it in again; if that does not help, reset it with its maker's tool.",
        "CTAP says PIN_BLOCKED or PIN_AUTH_BLOCKED",
    ),
    "not-touched": Words(
        "MethodUnavailable",
        "Your security key was not touched in time",
        "Try again, and touch it when it blinks.",
        "python-fido2 says TIMEOUT, and nobody cancelled",
    ),
    "no-pin": Words(
        "MethodUnavailable",
        "Your security key has no PIN",
        "Set one with its maker's tool, then try again.",
        "userVerification is required, and the key cannot verify its user",
    ),
    "key-full": Words(
        "MethodUnavailable",
        "Your security key is full",
        "Remove something from it with its maker's tool, then try again.",
        "CTAP says KEY_STORE_FULL",
    ),
    "key-cannot": Words(
        "MethodUnavailable",
        "Your security key cannot do what is asked",
        "Try another one.",
        "python-fido2 says {why}",
    ),
    "none-touched": Words(
        "MethodUnavailable",
        "No security key was touched",
        "Leave only the one plugged in that you want to use, and try again.",
        "the selection ended on every key without a touch",
    ),
    "windows-late": Words(
        "MethodUnavailable",
        "Nobody answered the dialogue of Windows in time",
        "Try again, and answer it.",
        "webauthn.dll says ERROR_TIMEOUT",
    ),
    "windows-no-key": Words(
        "MethodUnavailable",
        "Windows knows no security key that is set up for this",
        "Plug in the one that is, and try again.",
        "webauthn.dll says NTE_NOT_FOUND or NTE_NOT_SUPPORTED",
    ),
    "windows-cannot": Words(
        "MethodUnavailable",
        "Windows could not do this with your security key",
        "Try again, or use another one.",
        "webauthn.dll says {why}",
    ),
    "declined": Words("StepUpCancelled", "It was declined at the security key", _AGAIN, "CTAP says OPERATION_DENIED"),
    "no-pin-given": Words("StepUpCancelled", "No PIN was given", _AGAIN, "the prompter returned an empty PIN"),
    "no-code-given": Words("StepUpCancelled", "No code was given", _AGAIN, "the prompter returned a blank code"),
    "no-likely-code": Words(
        "StepUpCancelled",
        "No code was given that could be right",
        "Look for the code again, then start again.",
        "the prompter was asked {times} times and never returned what could be a code; none was sent",
    ),
    "no-password-given": Words(
        "StepUpCancelled", "No password was given", _AGAIN, "the prompter returned none, or no whole text"
    ),
    "no-other-way": Words(
        "NoMethodAvailable",
        "There is no other way to confirm this here",
        "Start again, or ask the people who run the service for help.",
        "the prompter raised AnotherWay again and again, until every way had been offered several times",
    ),
    "code-not-sent": Words(
        "MethodUnavailable",
        "The code could not be sent",
        "Try again in a few minutes, or confirm in another way.",
        "the authorization server says that it could not send it; nothing was charged",
    ),
    "sent-too-often": Words(
        "MethodUnavailable",
        "No more codes are sent just now",
        "Try again later, or confirm in another way.",
        "the authorization server answers slow_down to what would send a code",
    ),
    "no-destination": Words(
        "MethodUnavailable",
        "The service does not say where it would send a code",
        "Confirm in another way, and tell the people who run the service.",
        "an offer of otp has no id, or one that is no printable text of at most 255 characters",
    ),
    "not-added-here": Words(
        "MethodUnavailable",
        "A password is not set up here",
        "Set it where you sign in.",
        "authenticators.enroll() was given a method that nothing can be added of",
    ),
    "no-codes": Words(
        "CeremonyFailed",
        "The service sent nothing that could be a set of recovery codes",
        "Tell the people who run the service.",
        "codes is missing, or one of them has not 16 symbols of Crockford's base 32",
    ),
    "not-listed": Words(
        "CeremonyFailed",
        "The service does not list your new recovery codes",
        "Look at your authenticators before you rely on them.",
        "the id of the new set is not among the authenticators",
    ),
    "codes-not-saved": Words(
        "StepUpCancelled",
        "You did not say that your recovery codes are saved",
        "They are good all the same. If you do not have them, make new ones.",
        "show_codes was cancelled; the set is active on the server, and regenerate(id) replaces it",
    ),
    "cannot-show-codes": Words(
        "MethodUnavailable",
        "This app cannot show recovery codes",
        "Use another app of this service for it, and tell the makers of this one.",
        "{lacking}",
    ),
    "not-here": Words(
        "MethodUnavailable",
        "This app cannot ask you in this way on this machine",
        "Use another machine, or another app of this service.",
        "{name}.available() is false",
    ),
    "cannot-ask": Words(
        "MethodUnavailable",
        "This app cannot ask for a {what}",
        "Use another app of this service for it, and tell the makers of this one.",
        "{lacking}",
    ),
    "no-key-uri": Words(
        "CeremonyFailed",
        "The service sent nothing that an authenticator app could read",
        "Tell the people who run the service.",
        "otpauth_uri is missing, or no otpauth://totp/ URI",
    ),
    "no-terminal": Words(
        "NoMethodAvailable",
        "There is no terminal to ask on",
        "Run it in a terminal.",
        "there is no {device}: pass prompter= to the client where the app has a window",
    ),
    "terminal-gone": Words(
        "NoMethodAvailable",
        "The terminal is gone",
        "Run it in another terminal.",
        "reading from the terminal or writing to it failed: {why}",
    ),
    "background": Words(
        "NoMethodAvailable",
        "The app runs in the background, where it cannot ask",
        "Bring it to the foreground (fg), then try again.",
        "the process group is not the one in front of its terminal",
    ),
    "no-console": Words(
        "NoMethodAvailable",
        "There is no console to ask on",
        "Run it in a console window.",
        "CONOUT$ or msvcrt is missing: pass prompter= to the client where the app has a window",
    ),
}
