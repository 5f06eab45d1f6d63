"""What is said of a ceremony: the service that holds it, and what it refuses."""

from upstile.client.words._words import Words

_TRY_AGAIN = "Try again. If it fails again, tell the people who run the service."
_TELL_THEM = "Tell the people who run the service."
_NONSENSE = "The service answers in a way that this app does not understand"
_NO_WAY = "The service does not say how it wants to be asked"

CEREMONIES = {
    "unreachable": Words(
        "CeremonyFailed",
        "The service cannot be reached",
        "Look whether this machine is online, then try again.",
        "no reply from {url}: {why}",
    ),
    "connection-broke": Words(
        "CeremonyFailed",
        "The connection to the service broke",
        "Try again.",
        "no reply from {url}: {why}; a start and a token request are never sent again",
    ),
    "answered": Words(
        "CeremonyFailed",
        "The service could not do this (it answered {status})",
        _TRY_AGAIN,
        "{url} answered {status} without an OAuth error",
    ),
    "unreadable": Words("CeremonyFailed", _NONSENSE, _TRY_AGAIN, "the reply of {url} cannot be read: {why}"),
    "refused": Words("CeremonyFailed", "The service refused", _TRY_AGAIN, "{why}"),
    "refused-sign-in": Words("CeremonyFailed", "Your sign-in is not enough for this", "Sign in again.", "{why}"),
    "refused-app": Words(
        "CeremonyFailed", "The service does not know this app", "Tell the makers of this app.", "{why}"
    ),
    "refused-too-late": Words(
        "CeremonyFailed",
        "The confirmation took too long, or was answered twice",
        "Start again with what you wanted to do.",
        "{why}",
    ),
    "refused-for-now": Words("CeremonyFailed", "Not just now", "Wait {wait}, then try again.", "{why}"),
    "too-many-wrong": Words("CeremonyFailed", "Too many wrong codes", "Wait {wait}.", "{why}"),
    "asks-without-end": Words(
        "CeremonyFailed",
        "The service asks without end",
        _TELL_THEM,
        "the authorization server sent more than {most} steps in one ceremony",
    ),
    "too-late": Words(
        "CeremonyFailed",
        "The confirmation took too long",
        "Start again with what you wanted to do.",
        "the step's expires_in was over before the person was asked again",
    ),
    "not-made-for-us": Words(
        "CeremonyFailed",
        "What was to be signed was not made for this app, so it was not signed",
        "Somebody may be relaying it: do not try again, and tell the people who run the service.",
        "the WebAuthn challenge is not the one that is bound to nonce, issuer, client_id, key and resource",
    ),
    "another-site": Words(
        "CeremonyFailed",
        "What was to be signed was for another site, so it was not signed",
        "Do not try again; tell the people who run the service.",
        "rpId {rp_id} does not belong to {origin}; if it is right, pass webauthn_origin=",
    ),
    "key-options": Words(
        "CeremonyFailed", _NONSENSE, _TELL_THEM, "the authorization server's options for the key cannot be read: {why}"
    ),
    "another-acr": Words(
        "StepUpUnsatisfied",
        "What you confirmed is not enough for this",
        "Asking you again would not help now. Tell the people who run the service.",
        "{asked} was asked for and {reached} was reached",
    ),
    "from-the-future": Words(
        "StepUpUnsatisfied",
        "The new confirmation is said to be {seconds} seconds in the future",
        "Look whether the clock of this machine is right, then try again.",
        "auth_time lies ahead of this machine's clock, and of the Date of the token response",
    ),
    "too-old": Words(
        "StepUpUnsatisfied",
        "The new confirmation is {seconds} seconds old already",
        "Look whether the clock of this machine is right, then try again.",
        "auth_time lies back further than max_age={max_age}, by this machine's clock and by the Date of the response",
    ),
    "no-ceremony-here": Words(
        "CeremonyFailed",
        "The service has no confirmation that this app could ask you for",
        "Tell the makers of this app.",
        "the authorization server's metadata names no authorization_challenge_endpoint, or no token_endpoint",
    ),
    "no-enrolment-here": Words(
        "CeremonyFailed",
        "The service lets nobody set up ways to confirm in an app",
        _TELL_THEM,
        "the authorization server's metadata names no authenticators_endpoint on the API's origin",
    ),
    "metadata-missing": Words(
        "CeremonyFailed",
        _NO_WAY,
        "Tell the people who run the service: something that it has to serve at its root is missing.",
        "{url} was answered {status}: the API has to serve it at its root, so its author calls server.install(app),"
        " without a prefix",
    ),
    "metadata-guarded": Words(
        "CeremonyFailed",
        _NO_WAY,
        "Something in front of the service wants to be told who is calling: tell the people who run it.",
        "{url} was answered {status}, and has to be public (RFC 8414, RFC 9728)",
    ),
    "metadata-away": Words(
        "CeremonyFailed",
        "The service is not available just now",
        "Try again in a minute.",
        "{url} was answered {status}",
    ),
    "metadata-elsewhere-now": Words(
        "CeremonyFailed",
        _NO_WAY,
        "Look whether the address of the service is right; if it is, tell the people who run it.",
        "{url} was answered {status}; redirects are not followed",
    ),
    "nothing-enrolled": Words(
        "NoMethodAvailable",
        "Nothing that you have set up is enough for this",
        "Set up {what} first.",
        "nothing enrolled reaches what the API asks; client.authenticators.enroll(...) adds one of: {names}; {why}",
    ),
    "nothing-is-enough": Words(
        "NoMethodAvailable",
        "Nothing that you have set up is enough for this",
        "Ask the people who run the service for help.",
        "nothing enrolled reaches what the API asks, and to enrol another authenticator would not help; {why}",
    ),
    "nothing-in-common": Words(
        "NoMethodAvailable",
        "The service would take {offered}, and this app could do {able}",
        "Use another app of this service, or ask the people who run it for help.",
        "the step offers {offered_names}; methods= that can be used here: {able_names}",
    ),
    "no-method": Words(
        "NoMethodAvailable",
        "This app has no way to ask you that works on this machine",
        "Use another app of this service, and tell the makers of this one.",
        "methods= is empty",
    ),
    "loop-only": Words(
        "CeremonyFailed",
        "This app cannot reach the service from here",
        "Tell the makers of this app.",
        "transport= can be awaited only, and so used from the event loop of an AsyncClient only",
    ),
    "enrolment-refused": Words(
        "CeremonyFailed",
        "The service refused: status {status}",
        _TRY_AGAIN,
        "{status} without a problem document",
    ),
}
